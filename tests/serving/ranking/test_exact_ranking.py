"""The best items by a bound, against the scores of all items."""

import keras
import numpy as np
import pandas as pd
import pytest

from mgnm_tf.export import Vocabularies
from mgnm_tf.export import export
from mgnm_tf.index import list_search
from mgnm_tf.index.make_index import index_of
from mgnm_tf.models.registry import create_model
from mgnm_tf.serving import Recommender
from mgnm_tf.serving.ranking import bounded_ranking
from mgnm_tf.serving.ranking import compiled_ranking
from mgnm_tf.serving.ranking.compiled_ranking import request_specs
from mgnm_tf.serving.ranking.interest_reader import InterestReader
from mgnm_tf.serving.ranking.retrieval import Retrieval

ITEMS = 1500
NAMES = [f"item {number}, é" for number in range(ITEMS)]
HISTORIES = [
    [NAMES[number] for number in np.random.default_rng(n).permutation(90)[:n]]
    for n in (1, 4, 0, 15, 40)
]


def both(folder, model, monkeypatch):
    """Returns a recommender by the bound, and one by the signature."""
    counts = np.arange(ITEMS)[::-1] + 1
    export(model, Vocabularies(["ann"], NAMES, counts), folder)
    plain = Recommender.load(folder)
    monkeypatch.setattr(compiled_ranking, "WORTH_COMPILING", 1)
    bounded = Recommender.load(folder)
    return bounded, plain


def made(name, options=None, scale=1.0):
    """Returns a model whose item vectors are of very different lengths."""
    keras.utils.set_random_seed(0)
    model = create_model(name, 1, ITEMS, options)
    random = np.random.default_rng(5)
    for weight in model.trainable_variables:
        if weight.shape and weight.shape[0] >= ITEMS:
            values = random.normal(size=weight.shape)
            values *= random.lognormal(sigma=0.4, size=(len(values), 1))
            weight.assign(scale * values)
    return model


def assert_same(found, expected):
    assert found[["user_id", "rank"]].equals(expected[["user_id", "rank"]])
    pairs = [set(zip(x["user_id"], x["item_id"])) for x in (found, expected)]
    assert pairs[0] == pairs[1]
    np.testing.assert_allclose(
        found["score"], expected["score"], rtol=1e-4, atol=1e-5
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("comi") / "export"
        model = made("comirec_sa", {"embedding_dim": 8})
        yield both(folder, model, patch)


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("k", [1, 20])
def test_the_lists_are_the_exact_ones(pair, exclude_seen, k, monkeypatch):
    bounded, plain = pair
    # Who scores everything is found out.
    monkeypatch.setattr(bounded._ranking, "_compiled", None)
    monkeypatch.setattr(bounded._ranking, "_recommend", None)
    for histories in (HISTORIES, HISTORIES[3:4]):
        given = {"k": k, "exclude_seen": exclude_seen}
        assert_same(
            bounded.recommend(histories, **given),
            plain.recommend(histories, **given),
        )


def test_pieces_of_users_change_nothing(pair, monkeypatch):
    bounded, plain = pair
    monkeypatch.setattr(bounded_ranking, "_FLOATS", 1000)
    assert_same(bounded.recommend(HISTORIES), plain.recommend(HISTORIES))


def test_all_items_are_scored_where_the_bound_does_not_pay(pair, monkeypatch):
    bounded, plain = pair
    expected = plain.recommend(HISTORIES, k=1000)
    assert_same(bounded.recommend(HISTORIES, k=1000), expected)
    monkeypatch.setattr(bounded_ranking, "_SHARE", 0.0)
    assert_same(bounded.recommend(HISTORIES), plain.recommend(HISTORIES))
    # Of a history with most of what is long.
    long = [NAMES[:1200]]
    assert_same(bounded.recommend(long), plain.recommend(long))


def test_attention_over_interests_of_levels(tmp_path, monkeypatch):
    options = {"num_layers": 1, "sequence_encoder": None, "embedding_dim": 8}
    bounded, plain = both(tmp_path / "e", made("mgnm", options), monkeypatch)
    assert bounded._ranking._exact is not None
    assert_same(bounded.recommend(HISTORIES), plain.recommend(HISTORIES))


def test_a_model_whose_scores_are_sums_scores_everything(tmp_path, monkeypatch):
    options = {
        "num_layers": 1,
        "sequence_encoder": None,
        "embedding_dim": 8,
        "level_pooling": "sum",
    }
    bounded, plain = both(tmp_path / "e", made("mgnm", options), monkeypatch)
    assert bounded.metadata["scores_within_products"] is False
    assert bounded._ranking._exact is None
    pd.testing.assert_frame_equal(
        bounded.recommend(HISTORIES), plain.recommend(HISTORIES), rtol=1e-4
    )


def test_an_export_of_an_earlier_version(pair):
    _, plain = pair
    metadata = dict(plain.metadata)
    del metadata["scores_within_products"]
    older = Recommender(plain.served, metadata, plain.vocabularies)
    assert older._ranking._exact is None
    assert_same(older.recommend(HISTORIES), plain.recommend(HISTORIES))


def test_many_users_with_lists(pair, tmp_path, monkeypatch):
    pytest.importorskip("faiss", reason="needs the extra [retrieval]")
    _, plain = pair
    index = index_of(plain.served, "ivf")
    random = np.random.default_rng(1)
    histories = [
        [NAMES[number] for number in random.integers(0, ITEMS, 6)]
        for _ in range(40)
    ]
    expected = plain.recommend(histories)
    searched = Retrieval(
        plain.served,
        InterestReader(plain.served, request_specs(plain.metadata), 50),
        plain.vocabularies,
        index,
        together=True,
    )
    with_index = Recommender(
        plain.served, plain.metadata, plain.vocabularies, searched
    )
    pairs = set(zip(expected["user_id"], expected["item_id"]))
    few = with_index.recommend(histories)
    shared = len(pairs & set(zip(few["user_id"], few["item_id"])))
    assert 0.8 * len(pairs) < shared < len(pairs)
    # All lists give the exact answer; where it does not pay, so do others.
    monkeypatch.setattr(
        list_search, "lists_together", lambda number, *_: number
    )
    for share in (1.0, 0.0):
        monkeypatch.setattr(bounded_ranking, "_SHARE", share)
        assert_same(with_index.recommend(histories), expected)
