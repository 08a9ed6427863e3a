"""A small model whose scores are simple to follow, and its export."""

import resource
from contextlib import contextmanager

import numpy as np
from keras import ops

from mgnm_tf.export import Vocabularies
from mgnm_tf.export import export
from mgnm_tf.models.base import SequentialRecommender

USERS = ["ann", "bob", "Ünal"]
ITEMS = [
    "tea",
    "milk",
    "jam, red",
    "a\tb",
    '"q"',
    "日本",
    "x\u2028y",
    "[b]",
    "é",
]
COUNTS = [5, 9, 1, 3, 3, 2, 8, 4, 1]


class Sums(SequentialRecommender):
    """Scores item i by i times the sum of the history, plus the user."""

    def __init__(self, num_users, num_items, pairs=None):
        super().__init__(num_users, num_items)
        self.max_pairs = pairs
        self.built = True

    def encode(self, features, training=False):
        total = ops.sum(ops.convert_to_tensor(features["history"]), axis=1)
        users = ops.convert_to_tensor(features["user"])
        total = ops.cast(total, "float32")
        return {"total": total, "user": ops.cast(users, "float32")}

    def score(self, encoded, candidates, training=False):
        candidates = ops.cast(candidates, "float32")
        if len(candidates.shape) == 1:
            candidates = candidates[None]
        total, user = encoded["total"][:, None], encoded["user"][:, None]
        return candidates * total + user


def words(**changes):
    """Returns the vocabularies of the small world."""
    values = {"user_ids": USERS, "item_ids": ITEMS, "item_counts": COUNTS}
    return Vocabularies(**{**values, **changes})


def export_sums(path, **options):
    """Exports a `Sums` of the small world."""
    model = Sums(len(USERS), len(ITEMS), **options)
    return export(model, words(), path, max_length=3)


def by_hand(history, user=None, length=3):
    """Returns the scores of all items as `Sums` should have them."""
    rows = [ITEMS.index(item) + 1 for item in history if item in ITEMS]
    if not rows:
        return np.array(COUNTS, "float32") / sum(COUNTS)
    place = USERS.index(user) + 1 if user in USERS else 0
    every = np.arange(1, len(ITEMS) + 1, dtype="float32")
    return every * sum(rows[-length:]) + place


@contextmanager
def no_space(size):
    """No file can be longer than some bytes, as on a disk that is full."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
