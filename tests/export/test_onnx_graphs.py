"""Encoder and item vectors for ONNX."""

import builtins
import json
from dataclasses import replace

import numpy as np
import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.export import onnx_graphs as module
from mgnm_tf.export.export_run import export_run
from mgnm_tf.export.onnx_graphs import compare_onnx
from mgnm_tf.export.onnx_graphs import import_onnx
from mgnm_tf.export.onnx_graphs import write_onnx
from mgnm_tf.models.registry import create_model
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.training.build import make_model
from mgnm_tf.training.fit import train
from tests.training.worlds import small_data


@pytest.fixture(scope="module")
def data():
    return small_data(25)


@pytest.fixture
def onnxruntime():
    pytest.importorskip("tf2onnx", reason="needs the extra [onnx]")
    return pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")


@pytest.mark.usefixtures("eagerly")
def test_an_export_of_a_run_has_the_graphs(onnxruntime, data, tmp_path):
    config = TrainConfig(
        model="youtube_dnn", max_length=5, epochs=1, batch_size=64
    )
    run = train(data, config, tmp_path / "run", verbose=0)
    found = export_run(run, tmp_path / "e", data, onnx=True)
    assert found.onnx.records == len(data.positions("test"))
    assert 0 <= found.onnx.difference < 1e-5
    assert "ONNX Runtime gave all items" in found.describe()
    header = json.loads((tmp_path / "e" / "export.json").read_text())
    history = {"dtype": "int32", "shape": [None, 5]}
    assert header["onnx"]["encoder.onnx"]["history"] == history
    assert "onnx/scorer.onnx" in header["sha256"]
    # A client that has neither this package nor TensorFlow.
    folder = tmp_path / "e" / "onnx"
    encoder = onnxruntime.InferenceSession(folder / "encoder.onnx")
    given = {"history": np.array([[3, 4, 0, 0, 0]], np.int32)}
    if "user" in header["onnx"]["encoder.onnx"]:
        given["user"] = np.zeros(1, np.int32)
    (interests,) = encoder.run(["interests"], given)
    vectors = np.load(folder / "item_vectors.npy")
    scores = (interests @ vectors[1:].T).max(axis=1)
    assert scores.shape == (1, data.num_items)


def test_scores_are_those_of_the_model(onnxruntime, data, tmp_path):
    options = {"embedding_dim": 8, "num_interests": 2}
    model = make_model(data, configure("mgnm", options=options, max_length=6))
    described = write_onnx(tmp_path / "onnx", model, 6)
    vectors = {"dtype": "float32", "shape": [None, 8]}
    assert described["scorer.onnx"]["vectors"] == vectors
    found = compare_onnx(tmp_path / "onnx", model, data, 6, records=32)
    assert found.difference < 1e-5
    weight = model.item_embedding.embeddings
    weight.assign(weight + np.random.default_rng(0).normal(size=weight.shape))
    with pytest.raises(UserError, match="does not give the scores of the mod"):
        compare_onnx(tmp_path / "onnx", model, data, 6, records=32)


def test_a_model_without_vectors_is_refused(onnxruntime, data, tmp_path):
    config = TrainConfig(model="item_knn", max_length=5)
    run = train(data, config, tmp_path / "run", verbose=0)
    with pytest.raises(UserError, match="ItemKNN does not score items by vec"):
        export_run(run, tmp_path / "e", data, onnx=True)
    assert not (tmp_path / "e").exists()


def test_what_onnx_cannot_express_is_said(onnxruntime, tmp_path):
    model = create_model("timirec", 3, 9, {"embedding_dim": 4}, max_length=5)
    with pytest.raises(UserError, match="TiMiRec cannot be written as ONNX by"):
        write_onnx(tmp_path / "onnx", model, 5)


def test_without_the_packages_the_extra_is_named(monkeypatch):
    def absent(name, *rest, **more):
        if name in ("tf2onnx", "onnxruntime"):
            raise ImportError(name)
        return original(name, *rest, **more)

    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match=r"mgnm-tf\[onnx\]"):
        import_onnx()


def test_the_sentence_of_the_check():
    check = module.OnnxCheck(1200, 3.2e-7)
    assert "1,200 test records" in check.describe()
    assert "3.2e-07" in replace(check, records=1).describe()
