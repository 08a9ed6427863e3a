"""Whether the first recommendation is for the interest that was wanted."""

import numpy as np
from keras import ops

from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.models.base import SequentialRecommender

BINS = 10
"""The parts of equal width of the divergences, which go from 0 to 1."""

_MOST_SCORES = 1 << 23


def interest_divergences(
    model: SequentialRecommender,
    data: SequenceDataset,
    protocol: Protocol,
    temperature: float = 0.1,
    batch_size: int = 256,
    drawn: bool = False,
) -> np.ndarray:
    """Measures how far the first recommendation is from the target.

    ```
    p(x) = softmax_k(cos(v_k, x) / T)             of the interests v_k
    JS(p, q) = (KL(p | m) + KL(q | m)) / 2,   m = (p + q) / 2, in bits
    ```

    between the distributions of the target and of the item that scores
    highest among the target and its negatives. It is 0 where both are of the
    same interests, and 1 at most, whatever their number. How small it is for
    any two items depends on the model, whose interests may lie apart or close
    together: that of a `drawn` item tells what a divergence means.

    Args:
        model: a model with the capabilities "interests" and "item_vectors";
            of one that mixes interests those that it mixes count.
        data: the data that it was trained on.
        protocol: part, negatives and length of the histories.
        temperature: T. Defaults to `0.1`, that of TiMiRec on Amazon Beauty.
        batch_size: the most histories at a time; changes no figure. Defaults
            to `256`.
        drawn: whether the first negative takes the place of the item that
            scores highest. Defaults to `False`.

    Returns:
        float64 (N,), of each record, in the order of `evaluation_order`.

    Raises:
        ValueError: a `drawn` item is wanted, and the protocol draws none.

    Reference: Wang et al., "Target Interest Distillation for Multi-Interest
    Recommendation", CIKM 2022, figure 2.

    Differences: the paper does not say how the distributions are made; these
    are those of its distillation.
    """
    everything = protocol.negatives == "all"
    if drawn and everything:
        raise ValueError(
            "A drawn item needs a protocol that draws negatives. Received: "
            "negatives='all'"
        )
    candidates = data.num_items if everything else protocol.negatives
    most = max(1, min(batch_size, _MOST_SCORES // (1 + candidates)))
    batches = make_dataset(
        data,
        protocol.part,
        batch_size=model.max_batch_size(most, 1 + candidates),
        max_length=protocol.max_length,
        negatives=protocol.negatives,
        exclude=protocol.exclude,
        features=model.required_features,
        seed=protocol.seed,
    )
    mixes = "interest_distribution" in model.capabilities
    read = model.mixed_interests if mixes else model.interests
    vectors = _units(model.item_vectors())
    found = []
    for features, labels in batches:
        items = _array(features["candidates"])
        if drawn:
            best = np.ones(len(items), int)
        else:
            scores = _array(model(features))
            scores = np.where(_array(labels) < 0.0, -np.inf, scores)
            best = scores.argmax(axis=1)
        if "shared_negatives" in features:
            shared = _array(features["shared_negatives"])
            shared = np.broadcast_to(shared, (len(items), len(shared)))
            items = np.concatenate([items, shared], axis=1)
        first = np.take_along_axis(items, best[:, None], axis=1)[:, 0]
        interests = _units(read(features))
        shares = [
            _shares(interests, vectors[chosen], temperature)
            for chosen in (items[:, 0], first)
        ]
        found.append(jensen_shannon(*shares))
    return np.concatenate(found)


def jensen_shannon(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns the Jensen-Shannon divergence of rows, in bits.

    Args:
        one: (N, K), rows that sum to 1.
        other: the same.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.evaluation.interest_divergence import jensen_shannon
    >>> rows = np.array([[1.0, 0.0], [0.5, 0.5]])
    >>> jensen_shannon(rows, np.array([[0.0, 1.0], [0.5, 0.5]])).tolist()
    [1.0, 0.0]
    """
    middle = (one + other) / 2.0
    total = np.zeros(len(middle))
    for part in (one, other):
        ratio = np.where(part > 0.0, part, 1.0) / np.where(
            part > 0.0, middle, 1.0
        )
        total += (part * np.log2(ratio)).sum(axis=1) / 2.0
    return np.clip(total, 0.0, 1.0)


def divergence_shares(divergences: np.ndarray) -> list[float]:
    """Returns the share of the records in each of `BINS` parts of 0 to 1."""
    counts, _ = np.histogram(divergences, BINS, (0.0, 1.0))
    return (counts / len(divergences)).tolist()


def _array(tensor) -> np.ndarray:
    return ops.convert_to_numpy(ops.convert_to_tensor(tensor))


def _units(vectors) -> np.ndarray:
    vectors = _array(vectors).astype("float64")
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def _shares(interests, items, temperature) -> np.ndarray:
    """Returns the distributions (B, K) of items (B, d)."""
    logits = np.einsum("bkd,bd->bk", interests, items) / temperature
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
