"""What models say that they can do, and whether they can."""

import numpy as np
import pytest

from mgnm_tf import MGNM
from mgnm_tf.models.capabilities import CAPABILITIES
from mgnm_tf.models.registry import model_class
from tests.evaluation.models import SumVector

FEATURES = {
    "user": np.array([1, 2], "int32"),
    "history": np.array([[3, 4, 5, 6], [7, 0, 0, 0]], "int32"),
    "candidates": np.array([[1, 2, 8], [9, 3, 7]], "int32"),
}
PRODUCTS = {"interests", "item_vectors", "score_vectors"}
EXPECTED = {
    "mgnm": {*PRODUCTS, "attention", "levels"},
    "mind": {*PRODUCTS, "attention"},
    "timirec": {*PRODUCTS, "attention", "interest_distribution"},
    "gru4rec": {*PRODUCTS, "positions"},
    "youtube_dnn": PRODUCTS,
    "caser": PRODUCTS,
    "popularity": set(),
}
"""Some of each kind; those of all models stand in `tests/public_api.txt`."""


@pytest.mark.parametrize("name", EXPECTED)
def test_what_models_can_do(name):
    assert model_class(name)(4, 9).capabilities == EXPECTED[name]


@pytest.mark.parametrize(
    "extractor, attends",
    [
        ("capsule", True),
        ("sum", True),
        ("bilstm", False),
        ("self_attention", False),
    ],
)
def test_mgnm_by_its_extractor(extractor, attends):
    model = MGNM(4, 9, interest_extractor=extractor)
    assert ("attention" in model.capabilities) == attends
    assert model.capabilities | {"attention"} == EXPECTED["mgnm"]
    if extractor != "self_attention":
        options = {"interest_extractor": extractor, "embedding_dim": 4}
        mixed = MGNM(4, 9, **options, distillation_temperature=0.1)
        expected = EXPECTED["mgnm"] - {"levels"} | {"interest_distribution"}
        assert mixed.capabilities | {"attention"} == expected
    if attends:
        model.history_attention(FEATURES)
    else:
        with pytest.raises(AttributeError, match="has no history attention"):
            model.history_attention(FEATURES)


def test_deeprec_caser_scores_by_a_network():
    model = model_class("deeprec_caser")(4, 9)
    assert model.capabilities == frozenset()
    with pytest.raises(AttributeError, match="has no interest vectors"):
        model.interests(FEATURES)


def test_a_model_has_what_it_writes():
    class Vectors(SumVector):
        def item_vectors(self):
            return self.table.embeddings

    assert SumVector(4, 9).capabilities == frozenset()
    assert Vectors(4, 9).capabilities == {"item_vectors"}
    assert set().union(*EXPECTED.values()) == set(CAPABILITIES)
