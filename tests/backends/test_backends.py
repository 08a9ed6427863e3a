"""The same numbers on Keras's other backends."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.backends import one_step

ROOT = Path(__file__).parents[2]
# Most of the time is that of XLA, for three hundred steps that run once.
SOON_COMPILED = (
    "--xla_backend_optimization_level=0 "
    "--xla_llvm_disable_expensive_passes=true"
)


@pytest.fixture(scope="module", params=["jax", "torch"])
def results(request, tmp_path_factory):
    """Returns the numbers of TensorFlow and of the other backend."""
    backend = request.param
    if importlib.util.find_spec(backend) is None:
        pytest.skip(
            f"{backend} is not installed; the extra [dev] brings jax, and "
            "`pip install torch` the other"
        )
    path = tmp_path_factory.mktemp(backend) / "numbers.npz"
    done = subprocess.run(
        [sys.executable, "-m", "tests.backends.one_step", str(path)],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": SOON_COMPILED,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = dict(np.load(path))
    assert str(found.pop("backend")) == backend
    return one_step.run_all(), found


def test_every_layer_was_run(results):
    from mgnm_tf import layers

    seen = {key.split("/")[0].split("_")[0] for key in results[0]}
    contracts = {"InterestExtractor"}
    assert set(layers.__all__) - contracts <= seen


def test_numbers_agree_with_tensorflow(results):
    ours, theirs = results
    assert len(ours) > 100
    assert set(ours) == set(theirs)
    for name, expected in ours.items():
        np.testing.assert_allclose(
            theirs[name], expected, rtol=2e-4, atol=2e-5, err_msg=name
        )


def test_the_step_changed_the_weights(results):
    for case in {key.split("/")[0] for key in results[0]}:
        before, after = (results[0][f"{case}/{k}"] for k in ("before", "after"))
        assert np.abs(before - after).max() > 1e-6, case
        assert np.isfinite(after).all(), case
