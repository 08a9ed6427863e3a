"""Which level of a model with levels speaks for the true item."""

import numpy as np
from keras import ops

from mgnm_tf.data.batches.pipeline import evaluation_order
from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.models.base import SequentialRecommender


def winning_levels(
    model: SequentialRecommender,
    data: SequenceDataset,
    part: str = "test",
    max_length: int = 100,
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the level with the highest score for the positive of each record.

    Args:
        model: a model with the capability "levels".
        data: the data that it was trained on.
        part: "validation" or "test". Defaults to `"test"`.
        max_length: the longest visible history. Defaults to 100.

    Returns:
        int64 (N,), the level of each record, of equals the first; and int64
        (N,), the sequence of each record, which tells users apart.

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest", SIGIR
    2022, equation 15 and figures 5 and 6.
    """
    batches = make_dataset(
        data,
        part,
        max_length=max_length,
        negatives=0,
        features=model.required_features,
    )
    winners = []
    for features, _ in batches:
        # The scores of training are those of each level.
        scores = model.score(
            model.encode(features), features["candidates"][:, :1], training=True
        )
        winners.append(ops.convert_to_numpy(ops.argmax(scores, axis=1))[:, 0])
    positions = evaluation_order(data, part, max_length=max_length)
    return np.concatenate(winners), np.asarray(data.sequences)[positions]


def level_shares(
    winners: np.ndarray, users: np.ndarray, num_levels: int
) -> list[float]:
    """Returns the share of each level, every user counted the same.

    Args:
        winners: int, (N,), the level of each record.
        users: int, (N,), the user of each record.
        num_levels: the number of levels.

    Returns:
        For each level the mean over users of the share of their records that
        it wins.
    """
    _, codes, counts = np.unique(users, return_inverse=True, return_counts=True)
    won = np.eye(num_levels)[winners] / counts[codes][:, None]
    return (won.sum(axis=0) / len(counts)).tolist()
