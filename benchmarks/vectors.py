"""Item vectors and interests with the structure of trained ones."""

import numpy as np

ITEMS_PER_TOPIC = 60
TOPICS_PER_CATEGORY = 50
POPULAR = 0.9
"""Exponent of the popularity of items by rank."""


def made_items(
    num_items: int, dim: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Makes item vectors as training leaves them, and how often items occur.

    Independent normal numbers would be no test of an index: they have no
    clusters, all norms are alike, and no query has a neighbour. Trained
    tables (of MGNM, ComiRec and MIND on Toys and Games) look otherwise, and
    so do these:

    - items lie in topics of unequal sizes, topics in categories: the nearest
      item has a cosine of about 0.84;
    - a few directions carry more than others, the first about three times
      as much as the last;
    - norms spread by a quarter, and grow with popularity (Zipf);
    - popular items share a direction.

    Args:
        num_items: number of items M.
        dim: width d.
        seed: of all random draws.

    Returns:
        `vectors` float32 (M, d), `counts` float64 (M,).
    """
    random = np.random.default_rng(seed)
    spectrum = np.linspace(1.0, 0.35, dim, dtype=np.float32)

    def drawn(count):
        return random.standard_normal((count, dim), np.float32) * spectrum

    num_topics = max(1, num_items // ITEMS_PER_TOPIC)
    categories = drawn(max(1, num_topics // TOPICS_PER_CATEGORY))
    category = random.integers(0, len(categories), num_topics)
    topics = 0.6 * categories[category] + 0.8 * drawn(num_topics)
    size = (np.arange(num_topics) + 10.0) ** -0.7
    topic = random.choice(num_topics, num_items, p=size / size.sum())
    vectors = 0.85 * topics[topic] + 0.6 * drawn(num_items)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    rank = random.permutation(num_items) + 1.0
    counts = rank**-POPULAR
    counts *= 10 * num_items / counts.sum()
    popularity = np.log1p(counts).astype(np.float32)
    norms = np.exp(random.normal(0, 0.25, num_items)).astype(np.float32)
    norms *= 1 + 0.12 * popularity
    shared = drawn(1)
    shared /= np.linalg.norm(shared)
    return vectors * norms[:, None] + 0.25 * popularity[
        :, None
    ] * shared, counts


def made_interests(
    vectors: np.ndarray,
    counts: np.ndarray,
    num_users: int,
    levels: int,
    num_interests: int,
    seed: int = 1,
) -> np.ndarray:
    """Makes interests near items, drawn by popularity.

    An interest points to the neighbourhood of an item. The interests of the
    same number on higher levels are more and more mixed with the others of
    the user. Each has noise of half its length.

    Args:
        vectors: float32 (M, d).
        counts: (M,), see `made_items`.
        num_users: number of users B.
        levels: number of levels.
        num_interests: interests of a level.
        seed: of all random draws.

    Returns:
        float32 (B, levels, num_interests, d), of about norm 4.
    """
    random = np.random.default_rng(seed)
    shape = (num_users, num_interests)
    items = random.choice(len(vectors), shape, p=counts / counts.sum())
    near = vectors[items]
    near /= np.linalg.norm(near, axis=-1, keepdims=True)
    made = []
    for level in range(levels):
        mixed = level / (2 * levels)
        values = (1 - mixed) * near + mixed * near.mean(axis=1, keepdims=True)
        noise = random.standard_normal(near.shape, np.float32)
        values = values + 0.5 * noise / near.shape[-1] ** 0.5
        values /= np.linalg.norm(values, axis=-1, keepdims=True)
        length = np.exp(random.normal(1.4, 0.2, (*shape, 1)))
        made.append(values * length.astype(np.float32))
    return np.stack(made, axis=1)
