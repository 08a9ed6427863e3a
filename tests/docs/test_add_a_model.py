"""The model of "Add a model" is complete, keeps the contract and has a name."""

import importlib.util
import sys

import numpy as np
import pytest

from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import recipes_of
from tests.docs.pages import blocks
from tests.docs.test_running import run_page
from tests.docs.test_running import write_log
from tests.testing import run_model_test

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = "docs/add-a-model.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files of the page, installed for this module.

    An installation is a folder on the path with the metadata of the package;
    its entry points are those of the page's `pyproject.toml`.
    """
    path = tmp_path_factory.mktemp("my_models")
    write_log(path)
    for block in blocks(PAGE):
        if block.mark.startswith("file "):
            (path / block.mark.removeprefix("file ")).write_text(block.text)
    project = tomllib.loads((path / "pyproject.toml").read_text())["project"]
    metadata = path / f"my_models-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\n"
        f"Name: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = ["[mgnm_tf.models]"]
    for name, target in project["entry-points"]["mgnm_tf.models"].items():
        lines.append(f"{name} = {target}")
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    sys.path.insert(0, str(path))
    yield path
    sys.path.remove(str(path))
    sys.modules.pop("recency_mean", None)


def test_it_keeps_the_contract(folder):
    cls = model_class("recency_mean")
    model = cls(5, 30, embedding_dim=8, temperature=0.5)
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.normal(size=weight.shape))
    features = {
        "user": np.array([1, 2, 0], np.int32),
        "history": np.array([[3, 4, 5], [6, 7, 0], [8, 0, 0]], np.int32),
        "candidates": np.array([[9, 10], [11, 12], [13, 14]], np.int32),
    }
    run_model_test(model, features)
    same = cls.from_config(model.get_config())
    assert same.half_life == 3.0 and same.temperature == 0.5


def test_newer_items_weigh_more(folder):
    model = model_class("recency_mean")(1, 4, embedding_dim=4, half_life=1.0)
    table = np.eye(5, 4, k=-1, dtype=np.float32)  # item i is unit vector i
    model.item_embedding.set_weights([table])
    vector = model.user_vector({"history": np.array([[1, 2, 3, 0]])})
    np.testing.assert_allclose(vector, [[1 / 7, 2 / 7, 4 / 7, 0]], rtol=1e-6)


def test_its_recipes_are_found(folder):
    assert {*recipes_of("recency_mean")} == {"recommended", "slow"}
    assert importlib.util.find_spec("recency_mean").origin == str(
        folder / "recency_mean.py"
    )


def test_the_page_runs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    printed = run_page(PAGE, folder)
    assert "'ndcg@5': " in printed
    assert "half_life" in printed
    assert (folder / "runs/a/model.keras").is_file()
    assert (folder / "runs/b/report.html").is_file()
