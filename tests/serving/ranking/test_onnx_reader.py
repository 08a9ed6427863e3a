"""Requests read by ONNX Runtime, as TensorFlow reads them."""

import numpy as np
import pytest

pytest.importorskip("tf2onnx", reason="needs the extra [onnx]")
pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")

import mgnm_tf.serving.ranking.onnx_reader as module
from mgnm_tf.export.export import export
from mgnm_tf.export.onnx_graphs import write_onnx
from mgnm_tf.export.onnx_steps import step_functions
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.models.registry import create_model
from mgnm_tf.serving.ranking import bounded_ranking
from mgnm_tf.serving.ranking import compiled_ranking
from mgnm_tf.serving.ranking.interest_reader import InterestReader
from mgnm_tf.serving.ranking.onnx_reader import OnnxReader
from mgnm_tf.serving.ranking.onnx_reader import compact
from mgnm_tf.serving.recommender import Recommender

ITEMS, LONGEST = 60, 7
NAMES = [f"item {number}" for number in range(ITEMS)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Returns one export with and one without the steps."""
    options = {"embedding_dim": 6, "num_interests": 2, "num_layers": 1}
    model = create_model("mgnm:paper", 3, ITEMS, options, max_length=LONGEST)
    for weight in model.trainable_variables:
        weight.assign(3.0 * weight)
    words = Vocabularies(["ann", "bob", "cleo"], NAMES, np.arange(ITEMS))
    folder = tmp_path_factory.mktemp("export") / "served"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_ranking, "WORTH_COMPILING", 1)
        export(model, words, folder)
        plain = Recommender.load(folder)
        write_onnx(folder / "onnx", model, LONGEST)
        return Recommender.load(folder), plain


def reader(recommender):
    return recommender._ranking._exact._read


def request(users, random):
    """Returns histories of many lengths, with gaps and unknown items."""
    history = np.full((users, 12), "", object)
    for row in history:
        length = random.integers(0, 13)
        row[:length] = random.choice([*NAMES, "foreign", ""], length)
    names = random.choice(["ann", "cleo", "nobody"], users).astype(object)
    return {"user_id": names, "history": history}


@pytest.mark.parametrize("users", [1, 5, 45])
def test_all_is_read_as_tensorflow_reads_it(pair, users):
    by_onnx, plain = map(reader, pair)
    assert isinstance(by_onnx, OnnxReader)
    assert isinstance(plain, InterestReader)
    random = np.random.default_rng(users)
    inputs = request(users, random)
    encoded, interests, seen, empty = by_onnx(inputs)
    expected, *others = plain(inputs)
    for ours, theirs in zip((interests, seen, empty), others, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        assert ours.shape == theirs.shape
    assert np.abs(interests).max() > 0.1
    vectors = random.normal(size=(users, 9, 6)).astype(np.float32)
    np.testing.assert_allclose(
        by_onnx.score_each(encoded, vectors),
        plain.score_each(expected, vectors),
        atol=1e-5,
    )


def test_lists_are_the_same(pair):
    random = np.random.default_rng(3)
    inputs = request(30, random)
    histories = [[one for one in row if one] for row in inputs["history"]]
    found, expected = (
        one.recommend(histories, k=10, users=inputs["user_id"]) for one in pair
    )
    assert found["item_id"].tolist() == expected["item_id"].tolist()
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-5)


def test_who_has_no_history_alone_gets_the_most_popular(pair):
    found, expected = (one.recommend([[]], k=4) for one in pair)
    assert len(found) == 4
    assert found.equals(expected)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_lists_do_not_depend_on_the_threads(pair, monkeypatch, threads):
    by_onnx, _ = pair
    random = np.random.default_rng(4)
    inputs = request(70, random)
    histories = [[one for one in row if one] for row in inputs["history"]]
    alone = [
        by_onnx.recommend([history], k=10, users=[user])["item_id"].tolist()
        for history, user in zip(histories, inputs["user_id"], strict=True)
    ]
    sizes = []
    ranking = by_onnx._ranking._exact

    def note(given, *others):
        sizes.append(len(given["user_id"]))
        return ranking(given, *others)

    note.threads = threads
    monkeypatch.setattr(by_onnx._ranking, "_exact", note)
    found = by_onnx.recommend(histories, k=10, users=inputs["user_id"])
    assert found["item_id"].tolist() == sum(alone, [])
    assert found["user_id"].tolist() == [
        user
        for user, items in zip(inputs["user_id"], alone, strict=True)
        for _ in items
    ]
    assert max(sizes) == -(-70 // threads)
    assert sum(sizes) == 70


def test_threads_score_all_items_where_the_bound_does_not_pay(
    pair, monkeypatch
):
    by_onnx, plain = pair
    inputs = request(70, np.random.default_rng(6))
    histories = [[one for one in row if one] for row in inputs["history"]]
    expected = plain.recommend(histories, k=10, users=inputs["user_id"])
    ranking, paid = by_onnx._ranking._exact, []

    def note(*given):
        paid.append(ranking(*given) is not None)
        return ranking(*given)

    note.threads = 2
    monkeypatch.setattr(bounded_ranking, "_SHARE", 0.0)
    monkeypatch.setattr(by_onnx._ranking, "_exact", note)
    found = by_onnx.recommend(histories, k=10, users=inputs["user_id"])
    assert paid == [False, False]
    assert found["item_id"].tolist() == expected["item_id"].tolist()
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-5)


def test_few_events_go_together(pair, monkeypatch):
    steps, sizes = reader(pair[0])._steps, []
    encode = steps.encode

    def note(features):
        sizes.append(features["history"].shape)
        return encode(features)

    monkeypatch.setattr(steps, "encode", note)
    monkeypatch.setattr(module, "_EVENTS", 24)
    reader(pair[0])(request(45, np.random.default_rng(5)))
    assert sum(users for users, _ in sizes) == 45
    assert all(users * length <= 24 for users, length in sizes)
    assert max(users for users, _ in sizes) <= module.TOGETHER
    assert len(sizes) > 3


def test_without_onnxruntime_tensorflow_reads(pair, tmp_path, monkeypatch):
    def absent(*_):
        raise ImportError("onnxruntime")

    served = pair[1]
    monkeypatch.setattr(module, "OnnxSteps", absent)
    absent.there = lambda _: True
    found = module.make_reader(
        served.served, served.metadata, served.vocabularies, tmp_path
    )
    assert isinstance(found, InterestReader)


def test_known_items_move_together():
    rows = np.array([[0, 3, 0, 4, 5], [0, 0, 0, 0, 0], [1, 2, 3, 4, 5]])
    expected = [[3, 4, 5], [0, 0, 0], [3, 4, 5]]
    assert compact(rows, 3).tolist() == expected
    assert compact(rows[1:2], 3).tolist() == [[0]]


def test_models_that_read_more_have_no_steps():
    model = create_model("tisasrec", 2, 9, {"embedding_dim": 4}, max_length=5)
    assert step_functions(model) is None
