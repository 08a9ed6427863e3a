"""Saved models are loaded by their path, in a process that knows none."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import keras
import numpy as np
import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.metrics import NDCG
from mgnm_tf.metrics import GroupAUC
from mgnm_tf.models.loading import load_model
from mgnm_tf.models.registry import create_model

ROOT = Path(__file__).parents[2]
FEATURES = {
    "user": np.array([1, 2], np.int32),
    "history": np.array([[3, 4, 5], [6, 0, 0]], np.int32),
    "candidates": np.array([[7, 8, 1], [9, 1, 2]], np.int32),
}
LABELS = np.array([[1, 0, 0], [1, 0, 0]], np.float32)

FRESH = """
import sys
import numpy as np
import mgnm_tf
batch = dict(np.load(sys.argv[2]))
labels = batch.pop("labels")
for path in sys.argv[3:]:
    model = mgnm_tf.load_model(path)
    figures = model.evaluate(batch, labels, verbose=0, return_dict=True)
    np.savez(path + ".npz", scores=model(batch), **figures)
"""


def made(name):
    keras.utils.set_random_seed(0)
    model = create_model(name, 3, 9, {"embedding_dim": 4})
    model.compile(metrics=[NDCG(5), GroupAUC()])
    model.fit(FEATURES, LABELS, verbose=0)
    return model


def test_a_fresh_process_loads_any_model_with_its_metrics(tmp_path):
    np.savez(tmp_path / "batch.npz", **FEATURES, labels=LABELS)
    names = ("mgnm", "gru4rec", "comirec_dr")
    models = {str(tmp_path / f"{name}.keras"): made(name) for name in names}
    for path, model in models.items():
        model.save(path)
    done = subprocess.run(
        [
            *(sys.executable, "-c", FRESH, "-"),
            *(str(tmp_path / "batch.npz"), *models),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for path, model in models.items():
        found = dict(np.load(path + ".npz"))
        np.testing.assert_allclose(
            found.pop("scores"), model(FEATURES), rtol=1e-6
        )
        figures = model.evaluate(FEATURES, LABELS, verbose=0, return_dict=True)
        assert {"loss", "ndcg@5", "gauc"} == set(found)
        for metric, value in figures.items():
            np.testing.assert_allclose(found[metric], value, rtol=1e-5)


def test_the_optimizer_comes_along(tmp_path):
    model = made("gru4rec")
    model.save(tmp_path / "m.keras")
    restored = load_model(tmp_path / "m.keras")
    for ours, theirs in zip(
        model.optimizer.variables, restored.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_what_cannot_be_loaded_ends_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match="no.keras does not exist"):
        load_model(tmp_path / "no.keras")
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(b"no archive")
    with pytest.raises(UserError, match="damaged.keras cannot be loaded"):
        load_model(damaged)
    with ZipFile(tmp_path / "foreign.keras", "w") as archive:
        archive.writestr(
            "config.json",
            '{"class_name": "MGNN", "registered_name": "other>MGNN"}',
        )
    with pytest.raises(UserError, match="'MGNN'. Did you mean 'MGNM'"):
        load_model(tmp_path / "foreign.keras")
