"""Recommendations through an index, against the whole catalogue."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.export import Vocabularies
from mgnm_tf.export import export
from mgnm_tf.models.registry import create_model
from mgnm_tf.serving import Recommender

pytest.importorskip("faiss", reason="needs the extra [retrieval]")

from mgnm_tf.index.make_index import make_index

ITEMS, WIDTH = 2500, 64
NAMES = [f"item {number}, é" for number in range(ITEMS)]
COUNTS = np.arange(ITEMS)[::-1] + 1
HISTORIES = [
    [NAMES[number] for number in np.random.default_rng(n).permutation(40)[:n]]
    for n in (1, 4, 15, 40)
]


def made_export(folder, name, model_options=None, **options):
    """Exports a model whose item vectors lie apart, with a flat index."""
    keras.utils.set_random_seed(0)
    words = Vocabularies(["ann"], NAMES, COUNTS, **options)
    model = create_model(name, 1, ITEMS, model_options)
    random = np.random.default_rng(5)
    for weight in model.trainable_variables:
        if weight.shape and weight.shape[0] >= ITEMS:
            weight.assign(random.normal(size=weight.shape))
    export(model, words, folder)
    make_index(folder, tf.saved_model.load(folder / "1"))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_export(tmp_path_factory.mktemp("comi") / "e", "comirec_sa")


@pytest.fixture
def changeable(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "export")


def without_index(folder, tmp_path):
    target = shutil.copytree(folder, tmp_path / "plain")
    shutil.rmtree(target / "index")
    return Recommender.load(target)


def assert_same(found, expected):
    columns = ["user_id", "rank"]
    assert found[columns].equals(expected[columns])
    # Scores that agree within rounding may change places.
    assert (found["item_id"] == expected["item_id"]).mean() > 0.99
    pairs = [set(zip(x["user_id"], x["item_id"])) for x in (found, expected)]
    assert pairs[0] == pairs[1]
    np.testing.assert_allclose(
        found["score"], expected["score"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_an_exact_index_gives_the_exact_list(folder, tmp_path, exclude_seen):
    exact = without_index(folder, tmp_path)
    found = Recommender.load(folder)
    assert exact.index is None and found.index.kind == "flat"
    for k in (1, 10, ITEMS):
        given = {"k": k, "exclude_seen": exclude_seen}
        assert_same(
            found.recommend(HISTORIES, **given),
            exact.recommend(HISTORIES, **given),
        )


@pytest.mark.parametrize(
    ("name", "options"),
    [("mgnm", {"num_layers": 1, "sequence_encoder": None}), ("gru4rec", {})],
)
def test_other_models_by_attention_or_with_one_vector(name, options, tmp_path):
    folder = made_export(tmp_path / "export", name, options)
    exact = without_index(folder, tmp_path)
    assert_same(
        Recommender.load(folder).recommend(HISTORIES, users=["ann"] * 4),
        exact.recommend(HISTORIES, users=["ann"] * 4),
    )


def test_who_has_seen_what_is_near_is_served_what_is_left(folder, tmp_path):
    exact = without_index(folder, tmp_path)
    near = exact.recommend(HISTORIES[2:3], k=1200, exclude_seen=False)
    # All that is near was seen, long before what the model reads.
    long = [near["item_id"].tolist() * 2 + HISTORIES[2] * 7, HISTORIES[1]]
    expected = exact.recommend(long, k=10)
    found = Recommender.load(folder)
    assert_same(found.recommend(long, k=10), expected)
    for one in (found, exact):
        table = one.recommend(long[:1], k=10)
        assert len(table) == 10 and not set(table["item_id"]) & set(long[0])


def test_an_empty_history_is_served_what_is_popular(changeable):
    found = Recommender.load(changeable)
    found.remove_items([NAMES[0], NAMES[2]])
    table = found.recommend([[], HISTORIES[1], ["never seen"]], k=3)
    for user in (0, 2):
        mine = table[table["user_id"] == user]
        assert mine["item_id"].tolist() == [NAMES[1], NAMES[3], NAMES[4]]
        shares = COUNTS[[1, 3, 4]] / COUNTS.sum()
        np.testing.assert_allclose(mine["score"], shares, rtol=1e-5)


def test_removed_items_are_gone_for_good(changeable):
    first = Recommender.load(changeable)
    before = first.recommend(HISTORIES, k=10)
    gone = before["item_id"].unique().tolist()[:12]
    first.remove_items(gone)
    for one in (first, Recommender.load(changeable)):
        after = one.recommend(HISTORIES, k=10)
        assert len(after) == 40
        assert not set(gone) & set(after["item_id"])
    kept = before[~before["item_id"].isin(gone)]
    assert set(zip(kept["user_id"], kept["item_id"])) <= set(
        zip(after["user_id"], after["item_id"])
    )


def test_added_items_are_scored_by_their_vectors(changeable):
    first = Recommender.load(changeable)
    interests = first.interests(HISTORIES)["interests"]
    vectors = interests[:, 0]  # Next to one interest of each user.
    vectors = 50 * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"new {user}" for user in range(4)]
    first.add_items(names, vectors)
    expected = np.einsum("bnd,bd->bn", interests, vectors).max(axis=1)
    for one in (first, Recommender.load(changeable)):
        table = one.recommend(HISTORIES, k=5).set_index(["user_id", "item_id"])
        scores = [table["score"][user, names[user]] for user in range(4)]
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
        # What is in the history is not recommended again.
        seen = [[*history, names[0]] for history in HISTORIES]
        assert names[0] not in set(one.recommend(seen, k=5)["item_id"])
        again = one.recommend(seen, k=5, exclude_seen=False)
        assert names[0] in set(again["item_id"])
        known = one.item_vectors([NAMES[3]])[0]
        np.testing.assert_allclose(
            one.item_vectors([names[2], NAMES[3], names[0]]),
            [vectors[2], known, vectors[0]],
            rtol=1e-6,
        )
        np.testing.assert_allclose(known, first.item_vectors()[3], rtol=1e-6)


def test_an_item_comes_back(changeable):
    found = Recommender.load(changeable)
    expected = found.recommend(HISTORIES, k=5)
    best = expected["item_id"][0]
    found.remove_items([best])
    found.add_items([best], found.item_vectors([best]))
    assert_same(
        Recommender.load(changeable).recommend(HISTORIES, k=5), expected
    )


def test_nothing_is_left(changeable):
    found = Recommender.load(changeable)
    found.remove_items(NAMES[3:])
    table = found.recommend([HISTORIES[3], []], k=10, exclude_seen=False)
    assert set(table["item_id"]) == set(NAMES[:3]) and len(table) == 6
    found.remove_items(NAMES[:3])
    assert len(found.recommend(HISTORIES, k=10)) == 0


def test_what_cannot_be_added_or_removed(changeable):
    found = Recommender.load(changeable)
    one = np.ones((1, WIDTH), np.float32)
    for call, sentence in (
        (lambda: found.add_items([NAMES[4]], one), "is there already"),
        (lambda: found.add_items(["a", "a"], [*one, *one]), "different"),
        (lambda: found.add_items([""], one), "`ids` must be text"),
        (lambda: found.add_items(["a\nb"], one), "no line break"),
        (lambda: found.add_items(["a"], one[:, :3]), r"shape \(items, 64\)"),
        (lambda: found.add_items(["a", "b"], one), "`ids` must be 1 integers"),
        (lambda: found.remove_items([NAMES[1], "x"]), "There is no item 'x'"),
    ):
        with pytest.raises(UserError, match=sentence):
            call()
    assert len(found.index) == ITEMS
    assert len(Recommender.load(changeable).index) == ITEMS


def test_without_an_index_items_stay_as_they_are(folder, tmp_path):
    plain = without_index(folder, tmp_path)
    with pytest.raises(UserError, match="mgnm export --index"):
        plain.remove_items([NAMES[1]])


def test_models_of_another_kind_have_no_index(tmp_path):
    words = Vocabularies([], NAMES[:9], COUNTS[:9])
    export(create_model("popularity", 0, 9), words, tmp_path / "e")
    with pytest.raises(UserError, match="no index can find its items"):
        make_index(tmp_path / "e", tf.saved_model.load(tmp_path / "e" / "1"))
    assert not (tmp_path / "e" / "index").exists()


def test_an_index_is_made_once(changeable):
    served = tf.saved_model.load(changeable / "1")
    with pytest.raises(OutputExistsError):
        make_index(changeable, served)


@pytest.mark.parametrize("damage", ["added_items.txt", "vectors.faiss"])
def test_a_damaged_index_ends_in_a_sentence(changeable, damage):
    (changeable / "index" / damage).unlink()
    with pytest.raises(UserError, match=damage):
        Recommender.load(changeable)


def test_lists_become_more_varied(tmp_path):
    kinds = np.arange(ITEMS) % 4 + 1
    folder = made_export(
        tmp_path / "e", "comirec_sa", item_categories=kinds.astype("int32")
    )
    found = Recommender.load(folder)
    found.add_items(["new"], found.item_vectors(NAMES[:1]))
    kind_of = dict(zip(NAMES, kinds.tolist())) | {"new": 0}

    def number_of_kinds(diversity):
        table = found.recommend(HISTORIES, k=8, diversity=diversity)
        assert table.groupby("user_id").size().tolist() == [8] * 4
        each = table["item_id"].map(kind_of).groupby(table["user_id"])
        return [sorted(values.value_counts()) for _, values in each]

    assert number_of_kinds(0.0) != [[2, 2, 2, 2]] * 4
    for counts in number_of_kinds(1e6):
        assert max(counts) <= 2
