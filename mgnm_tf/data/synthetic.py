"""Made worlds: logs with a planted structure of interests."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from mgnm_tf.errors import UserError
from mgnm_tf.utils.files import atomic_output
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

START = 1_600_000_000
"""The time of the first possible event of a world, in seconds."""

SPAN = 365 * 24 * 3600
"""About how long a world goes on, in seconds."""


def make_world(
    num_users: int,
    num_items: int,
    *,
    seed: int,
    num_events: int | None = None,
    num_interests: int = 4,
    items_per_topic: int = 12,
    topics_per_category: int = 10,
    noise: float = 0.1,
    truth: bool = False,
) -> pd.DataFrame:
    """Makes a log in which users follow several interests by turns.

    The catalogue: items lie in topics, topics in categories. The items of a
    topic stand in a ring, and so do the topics of a category.

    A user has `num_interests` interests, each in another category, by turns
    coarse and fine. Each interest goes its own way:

    - a **fine** one stays in one topic and steps along its ring of items,
      one or two places an event, so its next item is one of two;
    - a **coarse** one roams a category: an event stays in the topic or
      steps to the next one, and takes an item of it, low places more often.

    Which interest an event belongs to is drawn at random, by weights that
    differ between users. So the next item belongs to one of several
    unrelated places, and each place is known only from the last event of
    that interest, which may lie several events back. A share of the events
    is noise: any item, low numbers more often. Raw item ids are shuffled and
    tell nothing.

    Times are seconds, strictly ascending within a user; users begin at
    random times in the first half of a year and are active for about half a
    year.

    Args:
        num_users: number of users; raw ids run from 1.
        num_items: number of items in the catalogue; raw ids run from 1. In a
            short log some may stay without an event.
        seed: of all random draws; the same arguments give the same world.
        num_events: number of rows, at least 3 a user; 50 a user if it is
            not given.
        num_interests: interests of a user. Defaults to 4.
        items_per_topic: about how many items a topic has. Defaults to 12.
        topics_per_category: number of topics of a category. Defaults to 10.
        noise: share of events that follow no interest. Defaults to 0.1.
        truth: whether the planted structure is told in three more columns:
            `interest` (0 to `num_interests` - 1, -1 for noise), `fine`
            (whether that interest is a fine one) and `topic` (of the item,
            from 0). Defaults to `False`.

    Returns:
        A `DataFrame` sorted by time, with the int32 columns `user_id`,
        `item_id`, `category` (from 1) and the int64 column `timestamp`.

    Raises:
        TypeError: a count is not an integer.
        ValueError: a count is too small.
        UserError: there are too few items for the interests, or fewer than
            3 events a user.
    """
    num_users = check_positive_int(num_users, "num_users")
    num_items = check_positive_int(num_items, "num_items")
    num_interests = check_positive_int(num_interests, "num_interests")
    check_positive_int(items_per_topic, "items_per_topic", 3)
    check_positive_int(topics_per_category, "topics_per_category", 2)
    check_range(noise, "noise", 0.0, 1.0)
    if num_events is None:
        num_events = 50 * num_users
    if num_events < 3 * num_users:
        raise UserError(
            "`num_events` must be at least 3 a user, "
            f"{3 * num_users}. Received: num_events={num_events}"
        )
    num_categories = num_items // (items_per_topic * topics_per_category)
    if num_categories < num_interests:
        needed = num_interests * items_per_topic * topics_per_category
        raise UserError(
            f"`num_items` must be at least {needed} for {num_interests} "
            f"interests in different categories. Received: "
            f"num_items={num_items}"
        )
    random = np.random.default_rng(seed)
    users = _users_of_events(random, num_users, num_events)
    times = _times(random, users, num_users)
    interests = _interests_of_events(random, users, num_users, num_interests)
    is_noise = random.random(num_events, np.float32) < noise
    chains = users * np.int32(num_interests) + interests
    shape = (num_users, num_interests)
    categories = _categories(random, shape, num_categories).ravel()
    first_is_fine = random.integers(0, 2, (num_users, 1))
    fine = ((np.arange(num_interests) + first_is_fine) % 2 == 0).ravel()

    steps = random.integers(0, 2, num_events, np.int32)
    steps += fine[chains]
    steps[is_noise] = 0
    walked = _walk(chains, steps)
    start = random.integers(0, 1 << 30, num_users * num_interests)

    # A fine interest keeps its topic, a coarse one walks over topics.
    topics = start[chains] + np.where(fine[chains], 0, walked)
    topics = topics % topics_per_category
    topics += categories[chains].astype(np.int64) * topics_per_category
    num_topics = num_categories * topics_per_category
    borders = np.arange(num_topics + 1) * num_items // num_topics
    sizes = np.diff(borders)[topics]
    # Squared, so that low places come more often.
    drawn = (sizes * random.random(num_events) ** 2).astype(np.int64)
    along = (start[chains] // topics_per_category + walked) % sizes
    items = borders[topics] + np.where(fine[chains], along, drawn)
    anything = random.random(int(is_noise.sum())) ** 2
    items[is_noise] = (num_items * anything).astype(np.int64)

    topics = np.searchsorted(borders, items, side="right") - 1
    names = random.permutation(num_items).astype(np.int32) + 1
    order = np.argsort(times, kind="stable")
    columns = {
        "user_id": users + 1,
        "item_id": names[items],
        "timestamp": times,
        "category": (topics // topics_per_category + 1).astype(np.int32),
    }
    if truth:
        columns["interest"] = np.where(is_noise, -1, interests)
        columns["fine"] = fine[chains]
        columns["topic"] = topics
    return pd.DataFrame(
        {name: values[order] for name, values in columns.items()}
    )


def write_world(
    path: str | os.PathLike, num_users: int, num_items: int, **arguments
) -> None:
    """Makes a world and writes it as CSV with a header line.

    Args:
        path: the file to make; it must not exist.
        num_users: see `make_world`.
        num_items: see `make_world`.
        **arguments: the other arguments of `make_world`.

    Raises:
        OutputExistsError: `path` exists.
        UserError: the file cannot be written, or as `make_world`.
    """
    with atomic_output(Path(path)) as partial:
        world = make_world(num_users, num_items, **arguments)
        table = pa.Table.from_pandas(world, preserve_index=False)
        options = pa.csv.WriteOptions(quoting_style="none")
        compression = "gzip" if Path(path).suffix == ".gz" else None
        with pa.output_stream(partial, compression=compression) as file:
            pa.csv.write_csv(table, file, options)


def _users_of_events(random, num_users, num_events) -> np.ndarray:
    """Shares the events out, at least 3 a user; int32 (N,), ascending."""
    shares = random.gamma(2.0, size=num_users)
    spare = num_events - 3 * num_users
    sizes = 3 + random.multinomial(spare, shares / shares.sum())
    return np.repeat(np.arange(num_users, dtype=np.int32), sizes)


def _times(random, users, num_users) -> np.ndarray:
    """Draws a start a user and gaps of at least a second; int64 (N,)."""
    sizes = np.bincount(users, minlength=num_users)
    mean_gaps = (SPAN / 2 / sizes)[users]
    gaps = 1 + (mean_gaps * random.exponential(size=len(users)))
    starts = random.integers(0, SPAN // 2, num_users)
    return START + starts[users] + _walk(users, gaps.astype(np.int64))


def _interests_of_events(random, users, num_users, num_interests):
    """Draws the interest of each event by the user's weights; int32 (N,)."""
    weights = random.gamma(2.0, size=(num_users, num_interests))
    ends = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    drawn = random.random(len(users))
    interests = np.zeros(len(users), np.int32)
    for end in ends.T[:-1]:
        interests += drawn > end[users]
    return interests


def _categories(random, shape, num_categories) -> np.ndarray:
    """Draws different categories for the interests of a user.

    The k-th interest takes a category that leaves the remainder k, low ones
    more often, so no two can be the same.
    """
    num_interests = shape[1]
    remainders = np.arange(num_interests)
    choices = (num_categories - remainders - 1) // num_interests + 1
    rounds = (choices * random.random(shape) ** 1.5).astype(np.int64)
    return remainders + num_interests * rounds


def _walk(chains: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Sums the steps along each chain up to and with each event.

    Args:
        chains: int (N,), the chain of each event, in order of time.
        steps: int (N,), the step of each event.

    Returns:
        int64 (N,), how far the chain has come at each event.
    """
    order = np.argsort(chains, kind="stable")
    total = np.cumsum(steps[order], dtype=np.int64)
    sorted_chains = chains[order]
    first = np.flatnonzero(np.diff(sorted_chains, prepend=-1))
    before = (total - steps[order])[first]
    lengths = np.diff(first, append=len(chains))
    walked = np.empty(len(chains), np.int64)
    walked[order] = total - np.repeat(before, lengths)
    return walked
