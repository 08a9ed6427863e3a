import dataclasses
import json

import pandas as pd
import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.experiments import compare as module
from mgnm_tf.experiments.compare import compare
from mgnm_tf.experiments.summary import significance_of
from mgnm_tf.training.evaluate_run import evaluate_run
from tests.training.worlds import small_data

MODELS = ["popularity", "item_knn"]
PROTOCOL = Protocol(negatives=50)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "small"
    small_data().save(path)
    return path


def run(data, out, models=MODELS, seeds=(0, 1), **arguments):
    arguments.setdefault("protocol", PROTOCOL)
    return compare(data, models, list(seeds), out, **arguments)


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("compare") / "a"
    summary = run(data, out)
    return out, summary


def no_training(monkeypatch):
    def train(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(module, "train", train)


def test_every_run_has_its_folder_and_its_row(made):
    out, _ = made
    results = pd.read_csv(out / "results.csv")
    assert list(zip(results["model"], results["seed"], strict=True)) == [
        ("popularity", 0),
        ("item_knn", 0),
        ("popularity", 1),
        ("item_knn", 1),
    ]
    assert set(results["status"]) == {"finished"}
    for row in results.itertuples(index=False):
        metrics = json.loads((out / row.folder / "metrics.json").read_text())
        assert metrics["test"]["gauc"] == pytest.approx(row.gauc)
        assert (out / row.folder / "model.keras").exists()


def test_metrics_are_means_over_the_seeds(made):
    out, summary = made
    assert json.loads((out / "metrics.json").read_text()) == summary
    results = pd.read_csv(out / "results.csv")
    for name, rows in results.groupby("model"):
        entry = summary["models"][name]
        for metric in PROTOCOL.metric_names:
            mean = pytest.approx(rows[metric].mean())
            assert entry["test"][metric] == mean
        assert entry["seeds"] == [0, 1]
        assert entry["parameters"] == rows["parameters"].iloc[0] > 0
    best = results.groupby("model")["ndcg@5"].mean().idxmax()
    assert summary["model"] == best == summary["best"]["ndcg@5"]
    assert summary["test"] == summary["models"][best]["test"]
    assert summary["protocol"] == PROTOCOL.to_dict()
    assert summary["failed"] == []
    assert (out / "report.html").exists()


def test_a_second_call_trains_nothing(data, made, monkeypatch):
    out, summary = made
    no_training(monkeypatch)
    assert run(data, out) == summary
    assert list(run(data, out, ["item_knn"])["models"]) == ["item_knn"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"settings": {"epochs": 3}}, "another epochs: it is 3, was 20"),
        ({"protocol": Protocol()}, "another negatives: it is 1000, was 50"),
        (
            {"options": {"item_knn": {"last": "1"}}},
            "item_knn/seed-0 was made with other options: options",
        ),
    ],
)
def test_other_settings_are_refused(change, message, data, made, monkeypatch):
    no_training(monkeypatch)
    with pytest.raises(UserError, match=message):
        run(data, made[0], **change)


def test_other_data_and_other_folders_are_refused(made, tmp_path, data):
    small_data(num_users=40).save(tmp_path / "other")
    with pytest.raises(UserError, match="on other data"):
        run(tmp_path / "other", made[0])
    with pytest.raises(UserError, match="holds no comparison"):
        run(data, tmp_path)


def test_an_evaluation_by_another_protocol_is_made_good(data, made):
    out, summary = made
    other = dataclasses.replace(PROTOCOL, negatives="all")
    evaluate_run(out / "popularity" / "seed-0", data, other, verbose=0)
    assert run(data, out) == summary


def test_a_failed_model_does_not_end_the_others(data, tmp_path, monkeypatch):
    def train(data, config, *args, **kwargs):
        if config.model == "popularity":
            raise RuntimeError("out of <luck>")
        return original(data, config, *args, **kwargs)

    original = module.train
    monkeypatch.setattr(module, "train", train)
    summary = run(data, tmp_path / "a", seeds=[0])
    assert summary["failed"] == [
        {"model": "popularity", "seed": 0, "error": "out of <luck>"}
    ]
    assert list(summary["models"]) == ["item_knn"]
    results = pd.read_csv(tmp_path / "a" / "results.csv")
    assert list(results["status"]) == ["failed", "finished"]
    page = (tmp_path / "a" / "report.html").read_text()
    assert "out of &lt;luck&gt;" in page
    monkeypatch.undo()
    assert run(data, tmp_path / "a", seeds=[0])["failed"] == []


def test_all_models_may_fail(data, tmp_path, monkeypatch):
    def train(*args, **kwargs):
        raise UserError("no")

    monkeypatch.setattr(module, "train", train)
    summary = run(data, tmp_path / "a", seeds=[0])
    assert summary["models"] == {}
    assert len(summary["failed"]) == 2


def test_an_interruption_ends_the_comparison(data, tmp_path, monkeypatch):
    def train(data, config, *args, **kwargs):
        if config.model == "item_knn":
            raise KeyboardInterrupt
        return original(data, config, *args, **kwargs)

    original = module.train
    monkeypatch.setattr(module, "train", train)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "a", seeds=[0])
    assert (tmp_path / "a" / "popularity" / "seed-0").exists()


def test_unusable_requests_leave_nothing(data, tmp_path):
    with pytest.raises(UserError, match="Did you mean 'item_knn'"):
        run(data, tmp_path / "a", ["itemknn"])
    with pytest.raises(UserError, match="is not a data folder"):
        run(tmp_path, tmp_path / "a")
    with pytest.raises(UserError, match="Did you mean 'epochs'"):
        run(data, tmp_path / "a", settings={"epoch": 3})
    assert not (tmp_path / "a").exists()


def evaluation(ranks):
    users = [f"u{index}" for index in range(len(ranks))]
    samples = pd.DataFrame(
        {
            "user_id": users,
            "item_id": users,
            "position": range(len(ranks)),
            "rank": pd.Series(ranks, dtype="float32"),
            "num_negatives": 50,
        }
    )
    return Evaluation(PROTOCOL, samples)


def test_significance_is_against_the_best_of_each_metric():
    good = evaluation([0.0, 1.0] * 20)
    worse = evaluation([2.0, 30.0] * 20)
    same = evaluation([1.0, 0.0] * 20)
    pvalues = significance_of(
        {"good": [good, good], "worse": [worse], "same": [same]},
        {"gauc": "good", "hit@5": "same"},
    )
    assert pvalues["worse"]["gauc"] < 1e-6
    assert pvalues["same"]["gauc"] > 0.5
    assert pvalues["good"] == {"hit@5": 1.0}


def test_one_model_or_one_user_is_not_tested():
    one = evaluation([1.0, 2.0])
    assert significance_of({"a": [one]}, {"gauc": "a"}) == {}
    lone = evaluation([1.0])
    assert significance_of({"a": [lone], "b": [lone]}, {"gauc": "a"}) == {}
