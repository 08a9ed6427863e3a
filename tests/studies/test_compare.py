import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.slices import slice_metrics
from mgnm_tf.runs.run_folder import BEYOND_ACCURACY
from mgnm_tf.runs.run_folder import RANKS
from mgnm_tf.studies import runner as module
from mgnm_tf.studies.compare import compare
from mgnm_tf.studies.plan import plan_runs
from mgnm_tf.studies.summary import significance_of
from mgnm_tf.studies.summary import summarise
from mgnm_tf.training.evaluate_run import evaluate_run
from tests.training.worlds import small_data

MODELS = ["popularity", "item_knn"]
PROTOCOL = Protocol(negatives=50, max_length=20)


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


def test_models_with_histories_of_different_lengths(
    data, tmp_path, monkeypatch
):
    """The candidates of item-kNN and of popularity are the same."""
    out, own = tmp_path / "out", {"item_knn": {"max_length": 5}}
    protocol = Protocol(negatives=50, exclude="user")
    settings = {"max_length": 20}
    rest = {"settings": settings, "options": own, "seeds": [0]}
    summary = run(data, out, protocol=protocol, **rest)
    assert summary["protocol"]["max_length"] == 20
    lengths, negatives = {}, []
    for model in MODELS:
        evaluation = Evaluation.load(out / model / "seed-0" / RANKS)
        lengths[model] = evaluation.protocol.max_length
        negatives.append(evaluation.samples["num_negatives"])
    assert lengths == {"popularity": 20, "item_knn": 5}
    pd.testing.assert_series_equal(*negatives)
    with monkeypatch.context() as patch:
        patch.setattr(module, "train", None)
        patch.setattr(module, "evaluate_run", None)
        assert run(data, out, protocol=protocol, **rest) == summary
    with pytest.raises(UserError, match="of 20 events and item_knn of 5"):
        run(data, tmp_path / "other", **rest)


def test_a_run_is_told_of_those_of_its_seed(data, tmp_path, monkeypatch):
    """One of them may be the stage before it."""
    told, train = {}, module.train

    def listen(data, config, out, **settings):
        made = [path.parent.name for path in settings["made_runs"]]
        told[out.parent.name, out.name] = made
        return train(data, config, out, **settings)

    monkeypatch.setattr(module, "train", listen)
    run(data, tmp_path / "out")
    for seed in ("seed-0", "seed-1"):
        assert told["popularity", seed] == []
        assert told["item_knn", seed] == ["popularity"]


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


def test_slices_are_those_of_each_run(data, made):
    out, _ = made
    found = pd.read_csv(out / "slices.csv")
    dataset = SequenceDataset.load(data)
    runs = found.groupby(["model", "seed"], sort=False)
    assert len(runs) == 4
    for (model, seed), rows in runs:
        ranks = Evaluation.load(out / model / f"seed-{seed}" / RANKS)
        pd.testing.assert_frame_equal(
            rows.drop(columns=["model", "seed"]).reset_index(drop=True),
            slice_metrics(ranks, dataset),
        )


def test_recommendations_are_measured_once_a_run(made):
    out, _ = made
    found = [
        json.loads((out / name / "seed-0" / BEYOND_ACCURACY).read_text())
        for name in MODELS
    ]
    assert found[0]["records"] == found[1]["records"] > 50
    assert found[0]["coverage"] < found[1]["coverage"]
    page = (out / "report.html").read_text()
    for title in ("Slices", "Coverage and novelty", "Metrics"):
        assert f"<h2>{title}</h2>" in page
    for one in found:
        assert f"<td>{100 * one['coverage']:.1f}%</td>" in page


def test_runs_of_an_earlier_version_have_no_coverage(data, made, tmp_path):
    out = shutil.copytree(made[0], tmp_path / "old")
    for path in out.glob(f"item_knn/*/{BEYOND_ACCURACY}"):
        path.unlink()
    assert run(data, out) == made[1]
    page = (out / "report.html").read_text()
    assert page.count("<td>-</td>") == 4
    for path in out.glob(f"popularity/*/{BEYOND_ACCURACY}"):
        path.unlink()
    run(data, out)
    assert "Coverage and novelty" not in (out / "report.html").read_text()


def test_a_second_call_trains_nothing(data, made, monkeypatch):
    out, summary = made
    no_training(monkeypatch)
    assert run(data, out) == summary
    assert list(run(data, out, ["item_knn"])["models"]) == ["item_knn"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"settings": {"epochs": 3}}, "other options: epochs is 3, was None"),
        ({"protocol": Protocol()}, "negatives is 'all', was 50"),
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


def test_an_evaluation_by_another_protocol_changes_nothing(data, made):
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


def test_data_in_memory_are_those_of_the_folder(data, made, tmp_path):
    out, summary = made
    for _ in range(2):  # Also of a comparison that is there.
        found = run(SequenceDataset.load(data), tmp_path / "a")
        assert found["test"] == summary["test"]
    ranks = [
        pd.read_parquet(folder / "item_knn" / "seed-1" / RANKS)
        for folder in (out, tmp_path / "a")
    ]
    pd.testing.assert_frame_equal(*ranks)
    shutil.rmtree(tmp_path / "a" / "item_knn")
    run(SequenceDataset.load(data), tmp_path / "a")


def test_lists_are_lists_and_data_are_data(data, tmp_path):
    with pytest.raises(UserError, match="a list of models. Received: 'mgnm'"):
        run(data, tmp_path / "a", models="mgnm")
    with pytest.raises(UserError, match="a list of seeds. Received: 3"):
        compare(data, MODELS, 3, tmp_path / "a")
    with pytest.raises(TypeError, match="`data` must be a data set"):
        run(pd.DataFrame(), tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_unusable_requests_leave_nothing(data, tmp_path):
    with pytest.raises(UserError, match="Did you mean 'item_knn'"):
        run(data, tmp_path / "a", ["itemknn"])
    with pytest.raises(UserError, match="is not a data folder"):
        run(tmp_path, tmp_path / "a")
    with pytest.raises(UserError, match="Did you mean 'epochs'"):
        run(data, tmp_path / "a", settings={"epoch": 3})
    assert not (tmp_path / "a").exists()


def test_the_metrics_say_how_many_samples_there_were(made):
    _, summary = made
    assert summary["samples"] == {"ranked": 59, "without_negatives": 0}


def test_a_run_by_another_protocol_is_no_part_of_the_table(data, tmp_path):
    out = tmp_path / "a"
    run(data, out, ["popularity"], seeds=[0])
    runs = plan_runs(["popularity"], [0], {}, {})
    other = dataclasses.replace(PROTOCOL, k=(10,))
    folder = out / "popularity" / "seed-0"
    sentence = "by another protocol than the comparison's: k is 5, was 10"
    whole = (folder / "metrics.json").read_text()
    evaluate_run(folder, data, other, verbose=0, replace=True)
    with pytest.raises(UserError, match=sentence):
        summarise(out, runs, [], PROTOCOL)
    # As a process that was killed between the two files leaves them.
    (folder / "metrics.json").write_text(whole)
    with pytest.raises(UserError, match=sentence):
        summarise(out, runs, [], PROTOCOL)


def test_a_run_that_an_older_version_changed_is_evaluated_anew(data, tmp_path):
    out = tmp_path / "a"
    summary = run(data, out, ["popularity"], seeds=[0])
    other = dataclasses.replace(PROTOCOL, k=(10,))
    folder = out / "popularity" / "seed-0"
    evaluate_run(folder, data, other, verbose=0, replace=True)
    assert run(data, out, ["popularity"], seeds=[0]) == summary


def test_a_comparison_of_an_older_version_goes_on(data, made, monkeypatch):
    out, summary = made
    shared = json.loads((out / "comparison.json").read_text())
    for name in ("later_only", "shuffle_ties", "aggregate", "tied_scores"):
        del shared["protocol"][name]
    (out / "comparison.json").write_text(json.dumps(shared))
    no_training(monkeypatch)
    assert run(data, out) == summary


def test_a_comparison_without_recipes_is_refused_in_one_sentence(
    data, made, tmp_path
):
    shared = json.loads((made[0] / "comparison.json").read_text())
    shared["training"] = shared.pop("settings")
    (tmp_path / "comparison.json").write_text(json.dumps(shared))
    with pytest.raises(UserError, match="of an earlier version of mgnm_tf"):
        run(data, tmp_path)


def test_the_first_k_chooses_the_winner(data, tmp_path):
    protocol = dataclasses.replace(PROTOCOL, k=(1, 5))
    summary = run(data, tmp_path / "a", seeds=[0], protocol=protocol)
    names = ["gauc", "ndcg@1", "hit@1", "mrr@1", "ndcg@5", "hit@5", "mrr@5"]
    assert list(summary["test"]) == list(summary["best"]) == names
    assert summary["model"] == summary["best"]["ndcg@1"]
    assert json.loads((tmp_path / "a" / "metrics.json").read_text()) == summary
    results = pd.read_csv(tmp_path / "a" / "results.csv")
    assert set(names) < set(results.columns)


def test_more_negatives_than_items_is_the_whole_catalogue(data, tmp_path):
    summary = run(data, tmp_path / "a", ["popularity"], [0], protocol=None)
    assert summary["protocol"]["negatives"] == "all"
    again = run(data, tmp_path / "a", ["popularity"], [0], protocol=None)
    assert again == summary
    stored = json.loads((tmp_path / "a" / "comparison.json").read_text())
    assert stored["protocol"] == summary["protocol"]


def evaluation(ranks, users=None, protocol=PROTOCOL):
    if users is None:
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
    return Evaluation(protocol, samples)


def drawn(seed, level=10, samples=300):
    """Returns the evaluation of a run: ranks around a level."""
    random = np.random.default_rng(seed)
    users = [f"u{n % 100}" for n in range(samples)]
    return evaluation(random.integers(0, 2 * level, samples), users)


def test_significance_is_against_the_best_of_each_metric():
    models = {
        "good": [drawn(seed, 3) for seed in range(3)],
        "worse": [drawn(seed, 20) for seed in range(3, 6)],
        "same": [drawn(seed, 3) for seed in range(6, 10)],
    }
    pvalues = significance_of(models, {"gauc": "good", "hit@5": "same"})
    assert pvalues["worse"]["gauc"] < 1e-4
    assert pvalues["same"]["gauc"] > 0.05
    assert list(pvalues["good"]) == ["hit@5"]
    assert list(pvalues["worse"]) == ["gauc", "hit@5"]


def test_five_runs_of_one_recipe_as_five_models_get_no_star():
    models = {f"model {seed}": [drawn(seed)] for seed in range(5)}
    best = dict.fromkeys(PROTOCOL.metric_names, "model 0")
    assert significance_of(models, best) == {}


@pytest.mark.parametrize("few", [1, 2])
def test_models_with_few_seeds_are_not_tested(few):
    models = {
        "many": [drawn(seed, 3) for seed in range(3)],
        "few": [drawn(seed, 20) for seed in range(3, 3 + few)],
        "fixed": [drawn(9, 20)] * 2,
    }
    best = {"gauc": "many", "hit@5": "few"}
    pvalues = significance_of(models, best)
    # A model whose runs rank everything alike draws nothing.
    assert list(pvalues) == ["fixed"]
    assert list(pvalues["fixed"]) == ["gauc"]


@pytest.mark.parametrize("weighting", ["samples", "users"])
def test_the_test_is_on_the_mean_that_the_table_shows(weighting):
    protocol = dataclasses.replace(PROTOCOL, gauc_weighting=weighting)
    users = ["a"] * 8 + ["b", "c"]
    one = evaluation([10] * 8 + [20, 20], users, protocol)
    other = evaluation([12.5] * 8 + [10, 10], users, protocol)
    models = {"one": [one] * 3, "other": [other] * 3}
    means = {name: runs[0].metrics()["gauc"] for name, runs in models.items()}
    pvalue = significance_of(models, {"gauc": "one"})["other"]["gauc"]
    if weighting == "samples":
        assert means["one"] == pytest.approx(means["other"])
        assert pvalue == pytest.approx(1.0)
    else:
        assert means["other"] > means["one"] + 0.05
        assert pvalue < 0.3


def test_a_pool_is_tested_over_users():
    protocol = dataclasses.replace(PROTOCOL, aggregate="user_pool")
    users = ["a"] * 4 + ["b", "c", "d"]
    one = evaluation([0] * 4 + [9, 9, 9], users, protocol)
    other = evaluation([9] * 4 + [0, 0, 9], users, protocol)
    models = {"one": [one] * 3, "other": [other] * 3}
    per_user = [models[name][0].per_user()["hit@5"] for name in models]
    expected = stats.ttest_rel(*per_user).pvalue
    found = significance_of(models, {"hit@5": "other"})
    assert found["one"]["hit@5"] == pytest.approx(expected)


def test_other_samples_are_not_compared():
    models = {"a": [drawn(0)] * 3, "b": [drawn(0, samples=299)] * 3}
    with pytest.raises(UserError, match="b ranked other samples than .* a;"):
        significance_of(models, {"gauc": "a"})


def test_one_model_or_one_user_is_not_tested():
    one = evaluation([1.0, 2.0])
    assert significance_of({"a": [one] * 3}, {"gauc": "a"}) == {}
    lone = evaluation([1.0])
    models = {"a": [lone] * 3, "b": [lone] * 3}
    assert significance_of(models, {"gauc": "a"}) == {}
