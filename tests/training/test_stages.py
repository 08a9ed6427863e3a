"""Stages, and runs that start from other runs."""

import shutil

import keras
import numpy as np
import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.models import registry
from mgnm_tf.models.loading import load_model
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.run import Run
from mgnm_tf.training import fit
from mgnm_tf.training import gradient
from mgnm_tf.training.stages import made_stage
from mgnm_tf.training.stages import stages_of
from tests.training import worlds

pytestmark = pytest.mark.usefixtures("eagerly")

QUICK = {
    "epochs": 1,
    "batch_size": 64,
    "validation_negatives": 50,
    "max_length": 10,
}


def stage(after="", **options):
    return Recipe.model_validate(
        {
            "model": {"embedding_dim": 8, **options},
            "training": {**QUICK, "after": after},
        }
    )


RECIPES = {
    "first": stage(),
    "second": stage("first", dropout=0.5),
    "third": stage("gru4rec:second"),
    "round": stage("about"),
    "about": stage("round"),
    "wide": stage("youtube_dnn:other"),
}


STAGED = "comirec_plus:first"
OF_TIMIREC = {
    "comirec_plus": {
        "first": stage(),
        "long": stage().model_copy(
            update={
                "training": stage().training.model_copy(
                    update={"epochs": 3, "patience": 3}
                )
            }
        ),
        "wide": stage(num_interests=3),
        "plain": stage(transformer=False),
    },
    "timirec_plus": {
        "second": stage(STAGED),
        "best": stage("comirec_plus:long"),
        "wide": stage("comirec_plus:wide"),  # And 4 interests by default.
        "plain": stage("comirec_plus:plain"),
        "other": stage("gru4rec:first"),
        "nothing": stage("comirec_plus:nothing"),
        "joint": stage(),
    },
    "timirec": {"second": stage("comirec_plus:plain")},
}


def small_data(seed=0):
    """Returns data of few batches."""
    return worlds.small_data(25, seed)


@pytest.fixture(autouse=True)
def recipes(monkeypatch):
    """Gives GRU4Rec stages, and another model one of another width."""

    def recipes_of(name):
        if name == "youtube_dnn":
            return {"other": stage(embedding_dim=4)}
        return OF_TIMIREC.get(name, RECIPES)

    monkeypatch.setattr(registry, "recipes_of", recipes_of)


def weights_of(run):
    weights = load_model(run / run_folder.MODEL).weights
    return {weight.path: np.asarray(weight) for weight in weights}


def test_a_stage_is_an_ordinary_run_whose_best_weights_are_the_start(
    tmp_path, monkeypatch
):
    starts = []

    def by_gradient(model, data, config, folder, *rest):
        path = gradient.start_of(config, folder)
        if path:
            gradient.start_from(model, path)
            starts.append({w.path: np.asarray(w) for w in model.weights})
        return original(model, data, config, folder, *rest)

    original = fit.fit_with_validation
    monkeypatch.setattr(fit, "fit_with_validation", by_gradient)
    out = tmp_path / "run"
    fit.train(small_data(), "gru4rec:third", out, verbose=0, seed=3)
    second = out / run_folder.STAGE
    first = second / run_folder.STAGE
    for run, label in ((second, "gru4rec:second"), (first, "gru4rec:first")):
        config, _ = run_folder.read_run(run)
        assert (config.recipe, config.seed) == (label, 3)
    for start, run in zip(starts, (first, second), strict=True):
        for path, value in weights_of(run).items():
            np.testing.assert_array_equal(start[path], value)
    assert not (first / run_folder.STAGE).exists()
    again = tmp_path / "again"
    fit.train(small_data(), "gru4rec:third", again, verbose=0, seed=3)
    for path, value in weights_of(again).items():
        np.testing.assert_array_equal(value, weights_of(out)[path])


def test_a_stage_that_was_made_is_not_trained_again(tmp_path, monkeypatch):
    trained = []

    def by_gradient(model, data, config, *rest):
        trained.append(config.recipe)
        return original(model, data, config, *rest)

    original = fit.fit_with_validation
    monkeypatch.setattr(fit, "fit_with_validation", by_gradient)
    data, runs = small_data(), []
    for name in ("first", "second", "third"):
        out = tmp_path / name
        label = f"gru4rec:{name}"
        fit.train(data, label, out, verbose=0, seed=3, made_runs=runs)
        runs.append(out)
    assert trained == ["gru4rec:first", "gru4rec:second", "gru4rec:third"]
    alone = tmp_path / "alone"
    fit.train(data, "gru4rec:third", alone, verbose=0, seed=3)
    for path, value in weights_of(alone).items():
        np.testing.assert_array_equal(value, weights_of(runs[2])[path])
    # A run of its own, or inside another; other seeds or data are others.
    (stage, *_) = stages_of(configure("gru4rec:third", seed=3))
    assert made_stage(stage, data.fingerprint, runs) == runs[1]
    inside = runs[2] / run_folder.STAGE
    assert made_stage(stage, data.fingerprint, [runs[0], runs[2]]) == inside
    assert made_stage(stage, small_data(1).fingerprint, runs) is None
    (stage, *_) = stages_of(configure("gru4rec:third", seed=4))
    assert made_stage(stage, data.fingerprint, runs) is None


def test_a_run_that_is_killed_after_its_stage_ends_as_a_whole_one(
    tmp_path, monkeypatch
):
    class Killed(BaseException):
        pass

    def die(*args):
        raise Killed

    whole, out = tmp_path / "whole", tmp_path / "run"
    fit.train(small_data(), "gru4rec:second", whole, verbose=0)
    with monkeypatch.context() as patch:
        patch.setattr(gradient, "start_from", die)
        with pytest.raises(Killed):
            fit.train(small_data(), "gru4rec:second", out, verbose=0)
    stage_before = run_folder.partial_path(out) / run_folder.STAGE
    assert stage_before.is_dir()
    written = (stage_before / run_folder.MODEL).stat().st_mtime_ns
    fit.train(small_data(), "gru4rec:second", out, verbose=0)
    path = out / run_folder.STAGE / run_folder.MODEL
    assert path.stat().st_mtime_ns == written
    for path, value in weights_of(out).items():
        np.testing.assert_array_equal(value, weights_of(whole)[path])


def test_a_circle_of_stages_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(UserError, match="go round in a circle: gru4rec:round"):
        fit.train(small_data(), "gru4rec:round", tmp_path / "r", verbose=0)
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_does_not_fit_or_is_given_twice(tmp_path):
    with pytest.raises(UserError, match="Not one weight of .* fits GRU4Rec"):
        fit.train(small_data(), "gru4rec:wide", tmp_path / "r", verbose=0)
    config = configure("gru4rec:second", init_from=str(tmp_path))
    with pytest.raises(UserError, match="give one of them"):
        stages_of(config)


def test_a_run_starts_from_any_run(tmp_path):
    fit.train(small_data(), "gru4rec:first", tmp_path / "a", verbose=0)
    one = {"learning_rate": 1e-12, "init_from": str(tmp_path / "a")}
    fit.train(small_data(), "gru4rec:first", tmp_path / "b", verbose=0, **one)
    before, after = weights_of(tmp_path / "a"), weights_of(tmp_path / "b")
    for path, value in before.items():
        np.testing.assert_allclose(after[path], value, atol=1e-6)


def starts_of(monkeypatch):
    """Returns a list that gets each start: weights, steps of the optimizer."""
    starts = []
    original = gradient._fit

    def by_epochs(model, *rest):
        weights = {w.path: np.asarray(w) for w in model.weights}
        starts.append((type(model).__name__, weights, model.optimizer))
        assert int(model.optimizer.iterations) == 0
        return original(model, *rest)

    monkeypatch.setattr(gradient, "_fit", by_epochs)
    return starts


@pytest.mark.parametrize("label", ["timirec_plus:best", "timirec:second"])
def test_timirec_starts_from_the_best_extractor_with_a_new_optimizer(
    tmp_path, monkeypatch, label
):
    starts = starts_of(monkeypatch)
    out = tmp_path / "run"
    fit.train(small_data(), label, out, verbose=0)
    (first, _, before), (second, weights, optimizer) = starts
    assert (first, second) == ("ComiRecPlus", label_class(label))
    assert optimizer is not before
    best = weights_of(out / run_folder.STAGE)
    taken = {path for path in weights if not path.startswith("predictor/")}
    taken = {path for path in taken if "seed" not in path}
    assert taken == {path for path in best if "seed" not in path}
    for path in taken:
        np.testing.assert_array_equal(weights[path], best[path])


def label_class(label):
    return registry.model_class(label.partition(":")[0]).__name__


def test_the_best_epoch_is_taken_and_not_the_last(tmp_path, monkeypatch):
    """The second epoch of three is the best by its rank."""
    values = iter([0.1, 0.3, 0.2, 0.1])
    seen = []

    class Ranked(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_ndcg@5"] = next(values)
            seen.append({w.path: np.asarray(w) for w in self.model.weights})

    original = gradient._callbacks
    monkeypatch.setattr(
        gradient, "_callbacks", lambda *args: [Ranked(), *original(*args)]
    )
    starts = starts_of(monkeypatch)
    out = tmp_path / "run"
    fit.train(small_data(), "timirec_plus:best", out, verbose=0)
    assert Run(out / run_folder.STAGE).best_epoch == 2
    table = "item_embedding/embeddings"
    np.testing.assert_array_equal(starts[1][1][table], seen[1][table])
    assert np.abs(starts[1][1][table] - seen[2][table]).max() > 1e-4


@pytest.mark.parametrize(
    "label, message",
    [
        (
            "wide",
            r"same sizes: extractor/attention/kernel is \(8, 4\) here and",
        ),
        ("plain", "trains ComiRecPlus, which has no extractor/block/query"),
        ("other", "gru4rec:first trains GRU4Rec, which has no extractor"),
        ("nothing", "recipe of comirec_plus.*nothing"),
    ],
)
def test_a_first_stage_that_does_not_fit_is_not_trained(
    tmp_path, label, message
):
    with pytest.raises(UserError, match=message) as error:
        fit.train(small_data(), f"timirec_plus:{label}", tmp_path / "r")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_no_first_stage_of_timirec(tmp_path):
    data = small_data()
    for label in (STAGED, "comirec_plus:wide", "gru4rec:first"):
        fit.train(data, label, tmp_path / label, verbose=0)
    for label, given, message in (
        ("gru4rec:first", data, "trains GRU4Rec, which has no extractor"),
        ("comirec_plus:wide", data, r"is \(8, 4\) here and \(8, 3\) in"),
        (STAGED, small_data(seed=1), "need the same data, but .* on others"),
        ("not there", data, "There is no run folder"),
    ):
        with pytest.raises(UserError, match=message):
            fit.train(
                given,
                "timirec_plus:joint",
                tmp_path / "r",
                verbose=0,
                init_from=str(tmp_path / label),
            )
        shutil.rmtree(tmp_path / "r.partial", ignore_errors=True)


def test_training_at_once_says_so(tmp_path, caplog):
    with caplog.at_level("INFO"):
        fit.train(small_data(), "timirec_plus:joint", tmp_path / "r", verbose=0)
    assert "timirec_plus:joint is trained at once, without" in caplog.text


def test_a_stage_has_the_sizes_of_the_layers_that_it_gives(tmp_path):
    given = {"num_interests": "3", "embedding_dim": 4, "dropout": 0.25}
    config = configure("timirec_plus:second", options=given)
    (first,) = stages_of(config)
    assert first.options == {"num_interests": 3, "embedding_dim": 4}
    fit.train(small_data(), config, tmp_path / "run", verbose=0)
    weights = weights_of(tmp_path / "run" / run_folder.STAGE)
    assert weights["extractor/attention/kernel"].shape == (8, 3)
    assert weights["item_embedding/embeddings"].shape[1] == 4


def test_a_stage_without_an_option_of_its_run_has_its_own():
    config = configure("timirec_plus:other", options={"num_interests": 3})
    assert stages_of(config)[0].options == {"embedding_dim": 8}


def test_a_stage_reads_histories_of_the_length_of_the_run():
    config = configure("timirec_plus:second", max_length=7)
    assert stages_of(config)[0].max_length == 7
