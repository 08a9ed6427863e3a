"""A model of another package, with its own recipes, takes part."""

import json
import sys

import pytest

from mgnm_tf.models.registry import model_names
from mgnm_tf.models.registry import recipes_of
from mgnm_tf.studies.compare import compare
from tests.training.worlds import small_data

MODULE = '''
"""Scores an item by its inner product with the newest one."""

from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import valid_positions


@register
class TheirNewest(SingleVectorRecommender):
    """Looks at the newest item alone."""

    def __init__(self, num_users, num_items, embedding_dim: int = 16, **kwargs):
        super().__init__(num_users, num_items, embedding_dim, **kwargs)
        self.built = True

    def user_vector(self, features, training=False):
        history = features["history"]
        return last_valid(
            self.item_embedding(history), valid_positions(history)
        )
'''
RECIPES = """
[recommended]
model = {embedding_dim = 4}
[recommended.training]
objective = "bpr"
optimizer = {name = "adam", learning_rate = 0.02}
max_length = 20
batch_size = 64
epochs = 2
validation_negatives = 20

[wide.about]
part = true
[wide.model]
embedding_dim = 8
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs the package: files, and what an installer writes of it."""
    (tmp_path / "their_package").mkdir()
    (tmp_path / "their_package" / "__init__.py").touch()
    (tmp_path / "their_package" / "newest.py").write_text(MODULE)
    (tmp_path / "their_package" / "their_newest.toml").write_text(RECIPES)
    installed = tmp_path / "their_package-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: their-package\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        "[mgnm_tf.models]\ntheir_newest = their_package.newest:TheirNewest\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("their_package.newest", "their_package"):
        sys.modules.pop(name, None)


def test_it_is_compared_by_its_own_recipes(package, tmp_path):
    assert model_names()[-1] == "their_newest"
    assert list(recipes_of("their_newest")) == ["recommended", "wide"]
    small_data().save(tmp_path / "data")
    out = tmp_path / "c"
    labels = ["popularity", "their_newest", "their_newest+wide"]
    summary = compare(tmp_path / "data", labels, [0], out)
    assert summary["failed"] == []
    assert list(summary["models"]) == labels
    for label, width in zip(labels[1:], (4, 8)):
        path = out / label / "seed-0" / "config.json"
        config = json.loads(path.read_text())
        assert config["options"] == {"embedding_dim": width}
        assert (config["objective"], config["negatives"]) == ("bpr", 5)
        assert config["optimizer"]["name"] == "adam"
