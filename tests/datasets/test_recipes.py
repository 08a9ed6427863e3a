"""The recipes that come with the package."""

import re
from pathlib import Path

import pytest

from mgnm_tf.data.recipe import load_recipe
from mgnm_tf.data.recipe import prepare_recipe
from mgnm_tf.data.recipe import recipe_folder
from mgnm_tf.data.recipe import recipe_names
from mgnm_tf.data.steps.filter_steps import check_filters
from mgnm_tf.data.steps.sessions import seconds_of_gap
from mgnm_tf.data.steps.splits import SPLITS
from mgnm_tf.errors import DataError

FOLDER = Path(__file__).parents[2] / "datasets"


def test_names():
    assert recipe_names() == [
        "amazon-beauty",
        "amazon-musical-instruments",
        "amazon-toys-and-games",
        "diginetica",
        "diginetica-lessr",
        "gowalla",
        "lastfm",
        "micro-video",
        "movielens-100k",
        "movielens-1m",
        "planted",
        "yoochoose",
        "yoochoose-1-4",
        "yoochoose-1-64",
    ]


def test_folder_of_a_checkout_and_of_a_wheel(tmp_path, monkeypatch):
    assert recipe_folder() == FOLDER
    package = tmp_path / "mgnm_tf"
    recipes = package / "data" / "recipes"
    recipes.mkdir(parents=True)
    monkeypatch.setattr("mgnm_tf.data.recipe._PACKAGE", package)
    assert recipe_folder() == recipes


def test_datasets_is_no_python_package():
    assert list(FOLDER.glob("**/*.py")) == []


@pytest.mark.parametrize("name", recipe_names())
def test_recipe(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.split.split("=")[0] in SPLITS
    check_filters(recipe.filters)
    assert recipe.sessions_by_gap is None or seconds_of_gap(
        recipe.sessions_by_gap
    )
    assert recipe.sources or recipe.world or recipe.bring
    for source in recipe.sources:
        assert not source.url or source.url.startswith("https://")
        assert re.fullmatch("([0-9a-f]{64})?", source.sha256)
    assert recipe.expected.keys() <= {"events", "users", "items"}
    assert recipe.rating_above is None or any(
        "rating_column" in recipe.read | source.read
        for source in recipe.sources
    )


@pytest.mark.parametrize("name", recipe_names())
def test_readme_has_a_row_with_the_facts(name):
    recipe = load_recipe(name)
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    (row,) = [
        line for line in readme.splitlines() if line.startswith(f"| `{name}`")
    ]
    assert recipe.split in row
    for number in recipe.expected.values():
        assert f"{number:,}" in row


def test_movielens_100k_has_two_sources_in_order():
    first, second = load_recipe("movielens-100k").sources
    assert first.url.endswith("/ml-100k.zip")
    assert (second.package, second.version) == ("recbole", "1.2.1")
    assert len(second.sha256) == 64


def test_paper_settings_of_the_amazon_sets():
    for name in ("amazon-musical-instruments", "amazon-toys-and-games"):
        recipe = load_recipe(name)
        assert recipe.rating_above == 2
        assert recipe.min_user == 2
        assert recipe.split == "temporal"
        assert recipe.ratios == [0.7, 0.1, 0.2]


@pytest.mark.parametrize(
    "name",
    ["micro-video", "diginetica", "diginetica-lessr", "lastfm", "yoochoose"],
)
def test_data_that_has_to_be_brought(name, tmp_path):
    with pytest.raises(DataError, match="has to be brought: .*CSV"):
        prepare_recipe(name, tmp_path / "out")


def test_own_diginetica_file(tmp_path):
    lines = ["session_id,item_id,position,split"]
    for session in range(30):
        part = "test" if session >= 25 else "train"
        lines += [f"{session},{n},{n},{part}" for n in range(1, 4)]
    (tmp_path / "log.csv").write_text("\n".join(lines))
    data = prepare_recipe(
        "diginetica", tmp_path / "out", file=tmp_path / "log.csv"
    )
    assert len(data.positions("test")) == 10


def test_planted(tmp_path):
    data = prepare_recipe("planted", tmp_path / "out")
    assert (data.num_users, data.num_items) == (2000, 1500)
    assert data.num_categories == 12
    assert len(data.positions("test")) == 2000
