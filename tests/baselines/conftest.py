"""A small data set for the baselines."""

import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.splits import split_log
from mgnm_tf.data.synthetic import make_world


@pytest.fixture(scope="module")
def toy_data():
    """40 users with 12 events each, the last two of which are held out."""
    world = make_world(40, 120, seed=0, num_events=480, num_interests=1)
    return split_log(read_log(world), name="toy")
