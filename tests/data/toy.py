"""A synthetic data set with random events, for pipeline and evaluation."""

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset


def toy_data(
    num_sequences=40, num_items=60, mean_length=12, num_users=None, seed=0
):
    """Returns leave-one-out data; sequences have 3 events or more."""
    random = np.random.default_rng(seed)
    lengths = 3 + random.geometric(1 / mean_length, num_sequences)
    offsets = np.concatenate([[0, 0], np.cumsum(lengths)])
    size = int(offsets[-1])
    parts = np.zeros(size, np.int8)
    parts[offsets[2:] - 1] = 2
    parts[offsets[2:] - 2] = 1
    categories = 1 + np.arange(num_items + 1) % 7
    categories[0] = 0
    return SequenceDataset(
        items=random.integers(1, num_items + 1, size).astype(np.int32),
        times=1_500_000_000 + np.cumsum(random.integers(0, 99, size)),
        parts=parts,
        sequences=np.repeat(np.arange(1, num_sequences + 1), lengths).astype(
            np.int32
        ),
        offsets=offsets.astype(np.int64),
        user_ids=[f"user {n}" for n in range(1, num_sequences + 1)],
        item_ids=[f"item {n}" for n in range(1, num_items + 1)],
        num_users=num_sequences if num_users is None else num_users,
        item_categories=categories.astype(np.int32),
        category_ids=[f"category {n}" for n in range(1, 8)],
    )
