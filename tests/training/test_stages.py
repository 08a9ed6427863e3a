"""Stages, and runs that start from other runs."""

import numpy as np
import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.models import registry
from mgnm_tf.models.loading import load_model
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import configure
from mgnm_tf.training import fit
from mgnm_tf.training.stages import stages_of
from tests.training.worlds import small_data

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


@pytest.fixture(autouse=True)
def recipes(monkeypatch):
    """Gives GRU4Rec stages, and another model one of another width."""

    def recipes_of(name):
        if name == "youtube_dnn":
            return {"other": stage(embedding_dim=4)}
        return RECIPES

    monkeypatch.setattr(registry, "recipes_of", recipes_of)


def weights_of(run):
    weights = load_model(run / run_folder.MODEL).weights
    return {weight.path: np.asarray(weight) for weight in weights}


def test_a_stage_is_an_ordinary_run_whose_best_weights_are_the_start(
    tmp_path, monkeypatch
):
    starts = []

    def by_gradient(model, data, config, folder, *rest):
        path = fit.start_of(config, folder)
        if path:
            fit.start_from(model, path)
            starts.append({w.path: np.asarray(w) for w in model.weights})
        return original(model, data, config, folder, *rest)

    original = fit._fit_by_gradient
    monkeypatch.setattr(fit, "_fit_by_gradient", by_gradient)
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
        patch.setattr(fit, "start_from", die)
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
