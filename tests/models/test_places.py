"""Every model stands in each place that "Adding a baseline" lists.

`CONTRIBUTING.md` has that list. The signature in `tests/public_api.txt` is
checked by `tests/test_public_api.py`.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import baselines
import mgnm_tf.models
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.recipes.toml import read_recipes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
LIST = "mgnm_tf/models/models.toml"
LISTED = tomllib.loads((ROOT / LIST).read_text(encoding="utf-8"))


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def classes():
    """Returns the models of the tree that no other one is derived from."""
    found = set()
    for package in (baselines, mgnm_tf.models):
        prefix = package.__name__ + "."
        for module in pkgutil.walk_packages(package.__path__, prefix):
            members = vars(importlib.import_module(module.name)).values()
            found |= {
                member
                for member in members
                if inspect.isclass(member)
                and issubclass(member, SequentialRecommender)
                and member.__module__ == module.name
            }
    return {cls for cls in found if not found & {*cls.__subclasses__()}}


def recipe_files():
    """Returns the path of every file of recipes of the tree."""
    files = [*ROOT.glob("baselines/**/*.toml")]
    files += ROOT.glob("mgnm_tf/models/*.toml")
    return [path.relative_to(ROOT) for path in files if path != ROOT / LIST]


def missing_lines(listed, targets, files):
    """Returns a sentence on each line that the list of models lacks.

    Args:
        listed: name -> "module:Class", the list.
        targets: "module:Class" of the classes that are in the tree.
        files: paths of the files of recipes that are in the tree.
    """
    lines = {target.split(":")[0].split(".")[-1]: target for target in targets}
    sentences = [
        f'Add to {LIST}: {name} = "{target}"'
        for name, target in sorted(lines.items())
        if target not in listed.values()
    ]
    return sentences + [
        f"{file} has recipes of {file.stem!r}, which {LIST} does not list."
        for file in files
        if file.stem not in listed and file.stem not in lines
    ]


def missing_places(name, target):
    """Returns a sentence on each other place that lacks a model.

    Args:
        name: its name.
        target: "module:Class".
    """
    module, cls = target.split(":")
    path = module.replace(".", "/")
    if not (ROOT / f"{path}.py").is_file():
        return [f"{LIST} lists {name}, but there is no {path}.py: write it."]
    folder = Path(path).parent
    sentences = []
    recipes = ROOT / folder / f"{name}.toml"
    whole = recipes.is_file() and any(
        not recipe.about.part for recipe in read_recipes(recipes).values()
    )
    if not whole:
        sentences.append(
            f"Write {folder / name}.toml with the recipes of {name}: "
            "[recommended.about] with its `source`, [recommended.model], "
            "[recommended.training]; the same for mgnm_paper."
        )
    tests = Path("tests", folder.as_posix().removeprefix("mgnm_tf/"))
    files = [tests / f"test_{stem}.py" for stem in (name, folder.name)]
    if not any((ROOT / file).is_file() for file in files):
        sentences.append(f"Write {files[0]}, which tests the formula.")
    if f"[`{name}`]({path}.py)" not in read("README.md"):
        sentences.append(
            'Add to the table "Models" of README.md: '
            f"| [`{name}`]({path}.py) | ... |, or to a row of its kind."
        )
    link = f"[{cls}](api/models.md#{module}.{cls})"
    row = rf"^\| `{name}` \| .+ \| {re.escape(link)} \|$"
    if not re.search(row, read("docs/models.md"), re.M):
        sentences.append(
            f"Add to the table of docs/models.md: | `{name}` | ... | {link} |"
        )
    if f"`{name}`" not in read("CHANGELOG.md"):
        sentences.append(f'Name `{name}` in CHANGELOG.md, "Unreleased".')
    return sentences


def test_the_list_has_every_model_of_the_tree():
    targets = [f"{cls.__module__}:{cls.__name__}" for cls in classes()]
    missing = missing_lines(LISTED, targets, recipe_files())
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("name", LISTED)
def test_a_model_stands_in_every_place(name):
    missing = missing_places(name, LISTED[name])
    assert not missing, "\n".join(missing)


def test_a_class_or_a_recipe_without_a_line_is_seen():
    targets = ["baselines.a:A", "baselines.b.c:C"]
    files = [Path("baselines/a.toml"), Path("baselines/d.toml")]
    assert missing_lines({"a": targets[0]}, targets, files) == [
        f'Add to {LIST}: c = "baselines.b.c:C"',
        f"baselines/d.toml has recipes of 'd', which {LIST} does not list.",
    ]
    found = {cls.__name__ for cls in classes()}
    assert {"MGNM", "SKNN", "SGNNHNAttenMixer"} <= found
    assert "SequentialRecommender" not in found


def test_each_place_that_lacks_a_model_is_named():
    words = ["other.toml", "test_other.py", "README", "docs/models", "CHANGE"]
    missing = missing_places("other", "baselines.narm:NARM")
    assert len(missing) == len(words)
    for sentence, word in zip(missing, words):
        assert word in sentence
    assert missing_places("other", "baselines.other:Other") == [
        f"{LIST} lists other, but there is no baselines/other.py: write it."
    ]
