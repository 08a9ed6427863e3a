"""`mgnm tune`, and the option `--track`."""

import pytest

from mgnm_tf.runs import run_folder
from tests.test_cli import mgnm
from tests.test_cli import refused
from tests.training.worlds import small_data

pytest.importorskip("optuna", reason="optuna is not installed: mgnm_tf[tune]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    small_data().save(folder / "data")
    (folder / "space.toml").write_text(
        "[space]\nshrinkage = {low = 0.0, high = 9.0}\n"
    )
    return folder


def tune(folder, *more):
    return (
        *("tune", "item_knn", "--data", folder / "data"),
        *("--out", folder / "tuned", "--space", folder / "space.toml", *more),
    )


def test_a_search_ends_with_a_recipe_that_can_be_trained(folder):
    stdout, stderr = mgnm(*tune(folder, "--trials", 2))
    assert "Trial 0 (1 of 2): val_ndcg@5 0." in stderr
    assert "Trial 1 (2 of 2): val_ndcg@5 0." in stderr
    assert "Best epoch" not in stderr and "Device" not in stderr
    first, second = stdout.splitlines()
    assert first.startswith("Best of 2 trials: trial ")
    assert "the recipe as it was" in first
    recipe = folder / "tuned" / "recipe.toml"
    assert second == (
        f"mgnm train --recipe {recipe} --data {folder / 'data'} --out RUN "
        "trains it."
    )
    again, stderr = mgnm(*tune(folder, "--trials", 2))
    assert (again, stderr) == (stdout, "")
    out = folder / "run"
    mgnm(
        *("train", "--recipe", recipe, "--data", folder / "data"),
        *("--out", out, "--track", "tensorboard"),
    )
    assert (out / run_folder.TENSORBOARD).is_dir()
    assert (out / run_folder.RECIPE).exists()


def test_mistakes_end_in_a_sentence(folder, tmp_path):
    line = refused(*tune(folder, "--trials", 0))
    assert line == "`trials` (`--trials`) must be at least 1. Received: 0"
    space = tmp_path / "space.toml"
    space.write_text("[space]\nshrinkag = [0.0]\n")
    line = refused(
        *("tune", "item_knn", "--data", folder / "data"),
        *("--out", tmp_path / "a", "--space", space),
    )
    assert "'shrinkag'. Did you mean 'shrinkage'" in line
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("command", ["train", "compare"])
def test_an_unknown_tracker(folder, tmp_path, command):
    named = ["--models"] if command == "compare" else []
    line = refused(
        *(command, *named, "popularity", "--data", folder / "data"),
        *("--out", tmp_path / "a", "--track", "tensorbord"),
    )
    assert "Unknown tracker 'tensorbord'. Did you mean 'tensorboard'" in line
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_comparison_is_followed(folder, tmp_path, jobs):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    mgnm(
        *("compare", "--models", "popularity,item_knn", "--jobs", jobs),
        *("--data", folder / "data", "--out", tmp_path / "a"),
        *("--track", "tensorboard", "--max-length", 20),
    )
    for model in ("popularity", "item_knn"):
        run = tmp_path / "a" / model / "seed-0"
        assert (run / run_folder.TENSORBOARD / "test").is_dir()
