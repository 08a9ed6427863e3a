import numpy as np
import pytest

from baselines.mimn.context_gru import ContextGRU
from tests.testing import run_layer_test

RANDOM = np.random.default_rng(0)
INPUTS = {
    name: RANDOM.normal(size=(3, width)).astype("float32")
    for name, width in (("projected", 15), ("context", 4), ("state", 5))
}
SIZES = {"units": 5, "input_dim": 6, "context_dim": 4}


def test_layer_contract():
    run_layer_test(
        ContextGRU,
        SIZES,
        INPUTS,
        expected_output_shape=(3, 5),
        expected_num_trainable_weights=5,
        expected_output_dtype="float32",
        # They act through `project`.
        inert_weights=("input_kernel", "bias"),
    )


def test_one_state_meets_many_inputs():
    gru = ContextGRU(**SIZES)
    items = RANDOM.normal(size=(3, 7, 6)).astype("float32")
    projected = gru.project(items)
    ours = gru(projected, INPUTS["context"][:, None], INPUTS["state"][:, None])
    for i in range(7):
        alone = gru(projected[:, i], INPUTS["context"], INPUTS["state"])
        np.testing.assert_allclose(ours[:, i], alone, rtol=1e-5, atol=1e-6)


def test_an_invalid_step_changes_no_bit():
    gru = ContextGRU(**SIZES)
    items = RANDOM.normal(size=(3, 6)).astype("float32")
    projected = gru.project(items, np.array([True, False, False]))
    state = np.asarray(gru(projected, INPUTS["context"], INPUTS["state"]))
    np.testing.assert_array_equal(
        np.any(state != INPUTS["state"], axis=1), [True, False, False]
    )


@pytest.mark.parametrize("name", SIZES)
def test_wrong_arguments(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
        ContextGRU(**{**SIZES, name: 0})
