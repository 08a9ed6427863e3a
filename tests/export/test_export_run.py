import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.export import Vocabularies
from mgnm_tf.export import export_run as module
from mgnm_tf.export.export_run import export_run
from mgnm_tf.export.verification import verify
from mgnm_tf.models.loading import load_model
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.serving import Recommender
from mgnm_tf.training.evaluate_run import evaluate_run
from mgnm_tf.training.fit import train
from tests.training.worlds import small_data


@pytest.fixture(scope="module")
def data():
    return small_data()


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return train(
        data, TrainConfig(model="item_knn", max_length=5), out, verbose=0
    )


@pytest.fixture(scope="module")
def learned_run(data, tmp_path_factory):
    """A run of a model with vectors."""
    out = tmp_path_factory.mktemp("learned") / "run"
    config = TrainConfig(
        model="youtube_dnn", max_length=5, epochs=1, batch_size=64
    )
    return train(data, config, out, verbose=0)


def test_the_metrics_are_those_of_the_run(run, data, tmp_path):
    steps = []
    found = export_run(
        run, tmp_path / "e", data, progress=lambda *step: steps.append(step)
    )
    metrics = json.loads((run / "metrics.json").read_text())
    assert found.in_memory == pytest.approx(metrics["test"], abs=1e-12)
    assert found.exported == pytest.approx(metrics["test"], abs=1e-12)
    assert found.records == found.total == found.equal == 59
    assert found.different == 0
    assert steps[-1] == (59, 59)
    header = json.loads((tmp_path / "e" / "export.json").read_text())
    assert header["fingerprints"]["data"] == data.fingerprint
    assert header["run"]["config"]["model"] == "item_knn"
    assert header["verification"]["exported"] == found.exported
    card = (tmp_path / "e" / "README.md").read_text()
    for part in (
        "all 59 test records",
        "| NDCG@5 |",
        "among the whole catalogue",
    ):
        assert part in card
    recommender = Recommender.load(tmp_path / "e")
    assert len(recommender.recommend([[data.item_ids[0]]], k=3)) == 3


def test_no_folder_of_this_machine_is_told(data, tmp_path):
    about = {"source": str(tmp_path / "log.csv"), "licence": "CC0"}
    data = dataclasses.replace(data, metadata={**data.metadata, **about})
    data.save(tmp_path / "data")
    config = TrainConfig(model="popularity", max_length=5)
    run = train(tmp_path / "data", config, tmp_path / "run", verbose=0)
    export_run(run, tmp_path / "e")
    header = json.loads((tmp_path / "e" / "export.json").read_text())
    assert header["run"]["name"] == "run"
    assert header["card"]["Data"]["source"] == "log.csv"
    assert "| licence | CC0 |" in (tmp_path / "e" / "README.md").read_text()
    for path in (tmp_path / "e").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(tmp_path).encode() not in content
            assert str(Path.cwd()).encode() not in content


def test_of_many_records_a_sample_is_drawn(run, data, tmp_path):
    found = export_run(run, tmp_path / "e", data, sample=20)
    assert (found.records, found.total) == (20, 59)
    assert "a sample of 20 of 59 test records" in found.describe()
    with pytest.raises(UserError, match="`sample` must be at least 1"):
        export_run(run, tmp_path / "f", data, sample=0)


@pytest.mark.parametrize("exclude", ["history", "none", "user"])
def test_the_whole_catalogue_is_a_protocol_too(run, data, tmp_path, exclude):
    copy = shutil.copytree(run, tmp_path / "run")
    protocol = Protocol(negatives="all", max_length=5, exclude=exclude, k=3)
    metrics = evaluate_run(copy, data, protocol, verbose=0, replace=True)
    found = export_run(copy, tmp_path / "e", data)
    assert found.protocol == protocol
    assert found.exported == pytest.approx(metrics["test"], abs=1e-6)


def test_another_history_length_is_not_that_of_the_model(run, data, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    other = Protocol(max_length=9)
    evaluate_run(copy, data, other, verbose=0, replace=True)
    found = export_run(copy, tmp_path / "e", data)
    assert found.protocol == Protocol(max_length=5)


def test_the_export_ranks_every_record_of_the_data_as_they_are(
    run, data, tmp_path
):
    copy = shutil.copytree(run, tmp_path / "run")
    other = Protocol(
        negatives=50, max_length=5, later_only=True, shuffle_ties=1, k=(1, 5)
    )
    evaluate_run(copy, data, other, verbose=0, replace=True)
    found = export_run(copy, tmp_path / "e", data)
    assert found.protocol == Protocol(negatives=50, max_length=5, k=(1, 5))


def test_a_model_that_ranks_differently_is_not_exported(
    run, data, tmp_path, monkeypatch
):
    def mixed_up(data):
        words = Vocabularies.from_data(data)
        items = np.roll(words.item_ids, 1)
        return Vocabularies(words.user_ids, items, words.item_counts)

    class MixedUp:
        from_data = staticmethod(mixed_up)

    monkeypatch.setattr(module, "Vocabularies", MixedUp)
    sentence = r"not the one that was evaluated: of 59 .* ranked differently, "
    with pytest.raises(UserError, match=sentence + "for example user '"):
        export_run(run, tmp_path / "e", data)
    assert list(tmp_path.iterdir()) == []


def test_a_small_change_of_the_weights_is_seen(learned_run, data, tmp_path):
    export_run(learned_run, tmp_path / "e", data)
    model = load_model(learned_run / "model.keras")
    weight = model.trainable_weights[0]
    weight.assign(weight * 1.01)
    found = verify(
        tmp_path / "e" / "1", model, data, Protocol(max_length=5), 100
    )
    assert found.different == 59
    assert "through the SavedModel" in found.example


def test_an_index_beside_it(learned_run, data, tmp_path):
    pytest.importorskip("faiss")
    export_run(learned_run, tmp_path / "e", data, index=True)
    recommender = Recommender.load(tmp_path / "e")
    assert len(recommender.index) == data.num_items
    export_run(learned_run, tmp_path / "plain", data)
    plain = Recommender.load(tmp_path / "plain")
    assert plain.index is None
    histories = [[data.item_ids[0]], [data.item_ids[5], data.item_ids[7]]]
    pd.testing.assert_frame_equal(
        recommender.recommend(histories, k=5),
        plain.recommend(histories, k=5),
        rtol=1e-4,
    )


def test_a_model_without_vectors_has_no_index(run, data, tmp_path):
    pytest.importorskip("faiss")
    with pytest.raises(UserError, match="so no index can find its items"):
        export_run(run, tmp_path / "e", data, index=True)
    assert not (tmp_path / "e").exists()


def test_what_cannot_be_exported(run, data, tmp_path):
    with pytest.raises(OutputExistsError, match="exists already"):
        export_run(run, run, data)
    with pytest.raises(UserError, match="There is no run folder"):
        export_run(tmp_path / "none", tmp_path / "e", data)
    (tmp_path / "half.partial").mkdir()
    with pytest.raises(UserError, match="half.partial is an unfinished run"):
        export_run(tmp_path / "half", tmp_path / "e", data)
    unfinished = shutil.copytree(run, tmp_path / "run.partial")
    (unfinished / "backup").mkdir()
    with pytest.raises(UserError, match="run.partial is an unfinished run; c"):
        export_run(unfinished, tmp_path / "e", data)
    with pytest.raises(UserError, match="fingerprints differ"):
        export_run(run, tmp_path / "e", small_data(num_users=40))
    assert not (tmp_path / "e").exists()
