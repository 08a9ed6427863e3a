"""Models by name."""

import importlib.machinery
import subprocess
import sys
import types
from importlib import metadata
from pathlib import Path
from typing import Literal

import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.models import registry
from mgnm_tf.models.registry import create_model
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import model_names

ROOT = Path(__file__).parents[2]

OURS = [
    "popularity",
    "item_knn",
    "sknn",
    "vsknn",
    "youtube_dnn",
    "caser",
    "deeprec_caser",
    "a2svd",
    "gru4rec",
    "sasrec",
    "tisasrec",
    "slirec",
    "tgsrec",
    "mimn",
    "mind",
    "comirec_dr",
    "comirec_sa",
    "surge",
    "nextitnet",
    "narm",
    "srgnn",
    "gcsan",
    "sgnnhn",
    "lessr",
    "niser_plus",
    "dhcn",
    "dsan",
    "srgnn_atten_mixer",
    "sgnnhn_atten_mixer",
    "atten_mixer",
    "mgnm",
]
"""In the order of `models.toml`."""


class Guess:
    """A stand-in for a model of another package."""

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        dropout: float | None = None,
        pooling: Literal["max", "mean"] = "max",
        **kwargs,
    ):
        if embedding_dim < 1:
            raise ValueError("`embedding_dim` must be at least 1.")
        self.sizes = (num_users, num_items)
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.pooling = pooling


@pytest.fixture
def guess(monkeypatch, tmp_path):
    """Puts `Guess` into the entry-point group, as a package would."""
    module = types.ModuleType("their_guess")
    module.Guess = Guess
    module.__spec__ = importlib.machinery.ModuleSpec(
        "their_guess", None, origin=str(tmp_path / "their_guess.py")
    )
    (tmp_path / "guess.toml").write_text(
        "[recommended.model]\nembedding_dim = 32\n[wide.model]\n"
        "embedding_dim = 64\n"
    )
    monkeypatch.setitem(sys.modules, "their_guess", module)
    point = metadata.EntryPoint("guess", "their_guess:Guess", registry.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point])


def test_our_models_are_listed_in_a_checkout(monkeypatch):
    monkeypatch.setattr(metadata, "entry_points", lambda group: [])
    assert model_names() == OURS


@pytest.mark.parametrize("name", OURS)
def test_every_listed_model_keeps_the_contract(name):
    from mgnm_tf.models.base import SequentialRecommender

    cls = model_class(name)
    assert issubclass(cls, SequentialRecommender)
    for label in [name, *(f"{name}:{key}" for key in whole_recipes(name))]:
        model = create_model(label, num_users=3, num_items=7)
        assert (model.num_users, model.num_items) == (3, 7)


def whole_recipes(name):
    recipes = registry.recipes_of(name)
    return [key for key in recipes if not recipes[key].about.part]


def test_a_name_loads_no_other_model():
    code = (
        "import sys; from mgnm_tf.models.registry import model_class; "
        "model_class('gru4rec'); "
        "print('baselines.item_knn' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert result.stdout.strip() == "False"


def test_an_old_installation_hides_no_model(monkeypatch):
    class Ours:
        name = "mgnm-tf"

    point = metadata.EntryPoint("sasrec", "gone:SASRec", registry.GROUP)
    monkeypatch.setattr(
        metadata, "entry_points", lambda group: [point._for(Ours())]
    )
    assert model_names() == OURS
    assert model_class("sasrec").__name__ == "SASRec"


def test_another_package_adds_a_model(guess):
    assert model_names()[-1] == "guess"
    assert model_class("guess").__name__ == "Guess"


def test_recipe_and_options(guess):
    assert create_model("guess", 2, 5).embedding_dim == 32
    model = create_model("guess:wide", 2, 5)
    assert (model.sizes, model.embedding_dim) == ((2, 5), 64)
    options = {"embedding_dim": "8", "dropout": "0.5", "pooling": "mean"}
    model = create_model("guess:wide", 2, 5, options)
    assert model.embedding_dim == 8
    assert model.dropout == 0.5
    assert model.pooling == "mean"
    assert create_model("guess", 2, 5, {"dropout": 0.1}).dropout == 0.1


@pytest.mark.parametrize(
    ("label", "options", "words"),
    [
        ("gues", {}, "Unknown model 'gues'. Did you mean 'guess'?"),
        ("guess:wied", {}, "recipe of guess 'wied'. Did you mean 'wide'?"),
        (
            "guess",
            {"dropuot": "1"},
            "Unknown option of guess 'dropuot'. Did you mean 'dropout'?",
        ),
        (
            "guess",
            {"embedding_dim": "wide"},
            "'embedding_dim' must be an integer. Received: embedding_dim=wide",
        ),
        (
            "guess",
            {"pooling": "sum"},
            "'pooling' must be one of max, mean. Received: pooling=sum",
        ),
        (
            "guess",
            {"embedding_dim": "0"},
            "Model guess: `embedding_dim` must be at least 1.",
        ),
        ("guess", {"num_items": "3"}, "Unknown option of guess"),
    ],
)
def test_errors(guess, label, options, words):
    with pytest.raises(UserError) as caught:
        create_model(label, 2, 5, options)
    assert words in str(caught.value)
