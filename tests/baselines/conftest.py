"""A small data set for the baselines."""

import numpy as np
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.synthetic import make_world


@pytest.fixture(scope="module")
def toy_data():
    """40 users with 12 events each, the last two of which are held out."""
    world = make_world(40, 120, seed=0, num_events=480, num_interests=1)
    return split_log(read_log(world), name="toy")


@pytest.fixture(scope="module")
def training_events(toy_data):
    """(users, items) of the training events that make training samples.

    A sequence with one training event has no sample, so no model sees it.
    """
    sequences = np.asarray(toy_data.sequences)
    training = np.asarray(toy_data.parts) == 0
    counts = np.bincount(sequences[training], minlength=sequences.max() + 1)
    assert (counts == 1).any(), "the example needs such a sequence"
    seen = training & (counts[sequences] > 1)
    return toy_data.user_rows(sequences[seen]), np.asarray(toy_data.items)[seen]
