"""The wheel holds all that an installation needs, and nothing else."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LOOK = """
import sys
from pathlib import Path
import mgnm_tf, baselines
from importlib.metadata import entry_points
from mgnm_tf.data.recipe import load_recipe, recipe_names
from mgnm_tf.models.registry import model_class, model_names
home = Path(sys.argv[1]).resolve()
for package in (mgnm_tf, baselines):
    assert home in Path(package.__file__).resolve().parents, package
assert "movielens-100k" in recipe_names(), recipe_names()
for name in recipe_names():
    load_recipe(name)
print(len(recipe_names()), sorted(model_names()), model_class("gru4rec"))
print(sorted(point.name for point in entry_points(group="mgnm_tf.models")))
commands = entry_points(group="console_scripts", name="mgnm")
print([point.value for point in commands])
"""

WITHOUT_OTHER_LINKS = """
import sys
from site import addsitedir
sys.meta_path = [f for f in sys.meta_path if "__editable__" not in repr(f)]
for name in [name for name in sys.modules if name.startswith("__editable__")]:
    del sys.modules[name]
"""
"""Forgets that the environment itself may hold an editable installation."""


def all_models():
    """MGNM and every module of `baselines` with recipes beside it."""
    recipes = ROOT.glob("baselines/**/*.toml")
    return sorted(["mgnm", *(path.stem for path in recipes)])


def look(home, search_path):
    """Looks for recipes and models in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOOK, str(home)],
        capture_output=True,
        text=True,
        cwd=Path(home).anchor,
        env={"PYTHONPATH": str(search_path), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def pip(*arguments):
    subprocess.run(
        [sys.executable, "-m", "pip", "-q", *arguments],
        check=True,
        capture_output=True,
    )


def copy_project(target):
    """Copies the project, so that building leaves nothing in the tree."""

    def ignored(folder, names):
        built = {"data": {"recipes"}, "studies": {"files"}}
        return {
            "__pycache__",
            *built.get(Path(folder).name, set()),
        } & set(names)

    for name in ("mgnm_tf", "baselines", "datasets", "studies", "tests"):
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, target)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    copy_project(source)
    target = tmp_path_factory.mktemp("wheel")
    pip(
        "wheel",
        str(source),
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        str(target),
    )
    assert not (source / "mgnm_tf" / "data" / "recipes").exists()
    (built,) = target.glob("*.whl")
    return built


def test_wheel_holds_the_packages_and_the_recipes_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "mgnm_tf",
        "baselines",
    }
    recipes = {path.name for path in ROOT.glob("datasets/*.toml")}
    assert recipes
    assert {
        Path(name).name
        for name in names
        if name.startswith("mgnm_tf/data/recipes/")
    } == recipes
    studies = {
        path.relative_to(ROOT / "studies").as_posix()
        for pattern in ("*.toml", "parts/*.toml", "results/*/*")
        for path in ROOT.glob(f"studies/{pattern}")
        if path.suffix in (".toml", ".json", ".npz")
    }
    assert "results/toys-ideas/ranks.npz" in studies
    home = "mgnm_tf/studies/files/"
    assert studies == {
        name.removeprefix(home) for name in names if name.startswith(home)
    }
    sources = [*ROOT.glob("mgnm_tf/**/*.py"), *ROOT.glob("baselines/**/*.py")]
    assert {path.relative_to(ROOT).as_posix() for path in sources} == {
        name for name in names if name.endswith(".py")
    }
    templates = [
        *ROOT.glob("mgnm_tf/report/templates/*"),
        *ROOT.glob("mgnm_tf/serving/http/page/*"),
    ]
    expected = {path.relative_to(ROOT).as_posix() for path in templates}
    assert expected
    assert expected | {"mgnm_tf/models/models.toml"} <= set(names)
    of_models = {
        path.relative_to(ROOT).as_posix()
        for folder in ("mgnm_tf/models", "baselines")
        for path in ROOT.glob(f"{folder}/**/*.toml")
    }
    assert "baselines/sasrec/sasrec.toml" in of_models <= set(names)
    assert any(name.endswith("LICENSE") for name in names)


def test_wheel_installed_elsewhere_finds_recipes_and_models(wheel, tmp_path):
    pip("install", "--no-deps", "--no-index", "--target", str(tmp_path), wheel)
    found, points, command = look(tmp_path, tmp_path)
    count = len(list(ROOT.glob("datasets/*.toml")))
    models = str(all_models())
    assert found == f"{count} {models} <class 'baselines.gru4rec.GRU4Rec'>"
    assert points == models
    assert command == "['mgnm_tf.cli:main']"


def test_checkout_without_installation_finds_recipes_and_models():
    found = look(ROOT, ROOT)[0]
    count = len(list(ROOT.glob("datasets/*.toml")))
    assert found.startswith(f"{count} {all_models()} ")


def test_editable_installation_finds_recipes_and_models(tmp_path):
    """It links to the checkout, and its metadata lists the models."""
    source = tmp_path / "source"
    source.mkdir()
    copy_project(source)
    pip(
        "install",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--target",
        str(tmp_path / "site"),
        "--editable",
        str(source),
    )
    assert not (source / "mgnm_tf" / "data" / "recipes").exists()
    site = str(tmp_path / "site")
    code = f"{WITHOUT_OTHER_LINKS}sys.path.insert(0, {site!r})\n"
    code += f"addsitedir({site!r})\n"
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code + LOOK, str(source)],
        capture_output=True,
        text=True,
        cwd="/",
        env={"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert result.returncode == 0, result.stderr
    assert "'mgnm'" in result.stdout
