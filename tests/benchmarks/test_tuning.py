"""The study that tunes every model alike."""

import json

import pytest
from typer.testing import CliRunner

from benchmarks.studies import tuning
from mgnm_tf.runs.history import read_history
from tests.training.worlds import small_data

pytestmark = pytest.mark.large
START = {"dropout": 0.5, "temperature": 0.1, "learning_rate": 0.01}
OTHERS = {"dropout": (0.0,), "temperature": (), "learning_rate": (0.02,)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "small"
    small_data().save(path)
    return path


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(tuning, "START", START)
    monkeypatch.setattr(tuning, "OTHERS", OTHERS)
    monkeypatch.setattr(tuning, "EMBEDDING_DIM", 8)
    small = {"shared_negatives": 20, "epochs": 3, "patience": 0}
    monkeypatch.setattr(tuning, "SHARED", {**tuning.SHARED, **small})


def run(data, folder, models="youtube_dnn"):
    return CliRunner().invoke(
        tuning.app,
        [
            *(str(data), "--out", str(folder / "t.json")),
            *("--runs", str(folder / "runs"), "--models", models),
        ],
    )


def test_one_option_at_a_time_and_then_the_best_of_each(
    data, tiny, tmp_path, monkeypatch
):
    done = run(data, tmp_path)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "t.json").read_text())
    assert str(data) not in (tmp_path / "t.json").read_text()
    runs = report["runs"]
    values = [{name: one[name] for name in START} for one in runs]
    star = [START, {**START, "dropout": 0.0}, {**START, "learning_rate": 0.02}]
    assert values[:3] == star
    best = {
        name: max(
            (one for one in runs[:3] if one in (runs[0], runs[at])),
            key=lambda one: one["val_ndcg@5"],
        )[name]
        for name, at in (("dropout", 1), ("learning_rate", 2))
    }
    together = [one for one in [{**START, **best}] if one not in star]
    assert values[3:-1] == together
    top = max(runs[:-1], key=lambda one: one["val_ndcg@5"])
    assert values[-1] == {name: top[name] for name in START}
    assert [one["interest_bias"] for one in runs[-2:]] == [False, True]
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) == len(runs)
    for one in runs:
        name = f"youtube_dnn-{one['dropout']}-0.1-{one['learning_rate']}"
        name += "-True" * one["interest_bias"]
        history = read_history(tmp_path / "runs" / name / "history.csv")
        found = [row["val_ndcg@5"] for row in history]
        assert one["val_ndcg@5"] == pytest.approx(max(found), abs=1e-4)
        assert one["best_epoch"] == found.index(max(found)) + 1
    # Finished runs are read.
    monkeypatch.setattr("mgnm_tf.training.fit.train", None)
    assert run(data, tmp_path).exit_code == 0
    assert json.loads((tmp_path / "t.json").read_text())["runs"] == runs


def test_a_model_with_biases_gets_no_run_for_one(data, tiny, tmp_path):
    assert run(data, tmp_path, "gru4rec").exit_code == 0
    runs = json.loads((tmp_path / "t.json").read_text())["runs"]
    assert not any(one["interest_bias"] for one in runs)


def test_a_run_with_other_settings_is_refused(
    data, tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(tuning, "OTHERS", dict.fromkeys(OTHERS, ()))
    assert run(data, tmp_path).exit_code == 0
    monkeypatch.setattr(tuning, "EMBEDDING_DIM", 4)
    done = run(data, tmp_path)
    assert done.exit_code == 1
    assert "is another run: options is" in " ".join(done.output.split())


def test_an_unknown_model(data, tiny, tmp_path):
    done = run(data, tmp_path, "sasrek")
    assert done.exit_code == 1
    assert "Unknown model 'sasrek'. Did you mean 'sasrec'?" in done.output
