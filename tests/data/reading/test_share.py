"""The shares of a batch are its rows, and nothing else changes."""

import numpy as np
import pytest

from mgnm_tf.data.batches.pipeline import make_dataset
from tests.training.worlds import small_data

ROW_FEATURES = ("user", "history", "candidates", "log_sampling_probability")


@pytest.fixture(scope="module")
def data():
    return small_data(num_users=9)


def batches(data, part, share=None, batch_size=31):
    more = {"first_step": 1} if part == "train" else {}
    made = make_dataset(
        data,
        part,
        batch_size=batch_size,
        max_length=9,
        shared_negatives=6,
        sampling="popularity",
        logq_correction=True,
        exclude="user",
        share=share,
        **more,
    )
    return list(made.take(4).as_numpy_iterator())


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("count", [3])
def test_the_shares_of_a_batch_are_the_batch(data, part, count):
    whole = batches(data, part)
    shares = [batches(data, part, (one, count)) for one in range(count)]
    for step, (features, labels) in enumerate(whole):
        parts = [share[step] for share in shares]
        np.testing.assert_array_equal(
            np.concatenate([part[1] for part in parts]), labels
        )
        for name in ROW_FEATURES:
            np.testing.assert_array_equal(
                np.concatenate([part[0][name] for part in parts]),
                features[name],
                err_msg=name,
            )
        for part_features, part_labels in parts:
            np.testing.assert_array_equal(
                part_features["shared_negatives"], features["shared_negatives"]
            )
            expected = count * len(part_labels) / len(labels)
            assert part_features["row_weight"] == np.float32(expected)


def test_who_has_no_row_of_a_short_batch_gets_one_that_does_not_count(data):
    """Three batches of 1 row for 2 workers; an empty one would give NaN."""
    shares = [
        batches(data, "validation", (one, 2), batch_size=1) for one in (0, 1)
    ]
    whole = batches(data, "validation", batch_size=1)
    for (nobody, ignored), (row, labels), (features, expected) in zip(
        *shares, whole, strict=True
    ):
        assert nobody["row_weight"] == 0 and row["row_weight"] == 2
        assert np.all(ignored == -1) and ignored.shape == expected.shape
        np.testing.assert_array_equal(labels, expected)
        np.testing.assert_array_equal(row["user"], features["user"])


@pytest.mark.parametrize("share", [(2, 2), (-1, 2), (0, 0)])
def test_a_share_that_there_is_not_is_refused(data, share):
    with pytest.raises(ValueError, match="share"):
        batches(data, "train", share)
