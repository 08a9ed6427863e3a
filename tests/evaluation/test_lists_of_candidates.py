import numpy as np
import pytest

from mgnm_tf.data.batches.pipeline import evaluation_order
from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.evaluation.protocol import Protocol
from tests.training.worlds import small_data


def lists_of(data, max_length, exclude):
    """Returns the candidates (n, 51) of the test records, in their order."""
    batches = make_dataset(
        data,
        "test",
        batch_size=16,
        max_length=max_length,
        negatives=50,
        exclude=exclude,
    )
    lists = np.concatenate([features["candidates"] for features, *_ in batches])
    order = evaluation_order(data, "test", max_length=max_length)
    return lists[np.argsort(order)]


@pytest.mark.parametrize("exclude", ["history", "user", "none"])
def test_lists_change_with_the_length_where_the_protocol_says_so(exclude):
    data = small_data()
    long, short = (lists_of(data, length, exclude) for length in (20, 5))
    change = not np.array_equal(long, short)
    assert change == Protocol(exclude=exclude).depends_on_length
