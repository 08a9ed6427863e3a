import numpy as np
import pytest

from mgnm_tf.layers import RecencyPrior
from tests.testing import run_layer_test

MASK = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], "bool")


def test_layer_contract():
    run_layer_test(
        RecencyPrior,
        {"num_interests": 3, "max_length": 32},
        {"valid_mask": MASK},
        expected_output_shape=(3, 3, 4),
        expected_num_trainable_weights=1,
        expected_num_seed_generators=0,
        time_axes=(2,),
    )


def test_an_item_has_the_logit_of_its_age():
    layer = RecencyPrior(2, max_length=5)
    learned = np.arange(10.0, dtype="float32").reshape(5, 2)
    layer.logits.assign(learned)
    logits = np.asarray(layer(MASK))
    for row, length in enumerate(MASK.sum(axis=1)):
        for place in range(length):
            age = length - 1 - place
            np.testing.assert_array_equal(logits[row, :, place], learned[age])


def test_a_history_longer_than_the_ages_is_refused():
    with pytest.raises(ValueError, match="at most `max_length` long"):
        RecencyPrior(2, max_length=3)(MASK)
