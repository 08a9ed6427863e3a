"""The same numbers on Keras's JAX backend."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.backends import one_step

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    pytest.importorskip("jax", reason="the extra [dev] brings jax")
    path = tmp_path_factory.mktemp("jax") / "jax.npz"
    done = subprocess.run(
        [sys.executable, "-m", "tests.backends.one_step", str(path)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return one_step.run_all(), dict(np.load(path))


def test_jax_was_used(results):
    assert str(results[1]["backend"]) == "jax"


def test_every_layer_was_run(results):
    from mgnm_tf import layers

    seen = {key.split("/")[0].split("_")[0] for key in results[0]}
    contracts = {"InterestExtractor"}
    assert set(layers.__all__) - contracts <= seen


def test_numbers_agree_with_tensorflow(results):
    ours, jax = results
    assert len(ours) > 100
    for name, expected in ours.items():
        np.testing.assert_allclose(
            jax[name], expected, rtol=2e-4, atol=2e-5, err_msg=name
        )


def test_the_step_changed_the_weights(results):
    for case in {key.split("/")[0] for key in results[0]}:
        before, after = (results[0][f"{case}/{k}"] for k in ("before", "after"))
        assert np.abs(before - after).max() > 1e-6, case
        assert np.isfinite(after).all(), case
