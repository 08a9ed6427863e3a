import shutil

import numpy as np
import pandas as pd
import pytest

from baselines.comirec_sa import ComiRecSA
from baselines.timirec.timirec import TiMiRec
from mgnm_tf.errors import UserError
from mgnm_tf.export import export
from mgnm_tf.serving import Recommender
from mgnm_tf.serving.ranking import compiled_ranking
from mgnm_tf.serving.requests import request_blocks
from mgnm_tf.serving.requests.read_requests import read_requests
from tests.baselines.test_all_models import DATA
from tests.baselines.test_all_models import NOW
from tests.baselines.test_all_models import learned
from tests.export.worlds import ITEMS
from tests.export.worlds import by_hand
from tests.export.worlds import export_sums
from tests.export.worlds import words


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return export_sums(tmp_path_factory.mktemp("export") / "served")


@pytest.fixture(scope="module")
def recommender(folder):
    return Recommender.load(folder)


@pytest.fixture(scope="module")
def with_interests(tmp_path_factory):
    model = ComiRecSA(3, 9, embedding_dim=4, num_interests=2, max_length=3)
    path = tmp_path_factory.mktemp("interests") / "served"
    return Recommender.load(export(model, words(), path))


def test_recommendations_of_lists(recommender):
    found = recommender.recommend(
        [["tea", "milk"], []], k=3, users=["Ünal", "nobody"]
    )
    assert list(found.columns) == ["user_id", "rank", "item_id", "score"]
    assert list(found["user_id"]) == ["Ünal"] * 3 + ["nobody"] * 3
    assert list(found["rank"]) == [1, 2, 3] * 2
    assert list(found["item_id"]) == [
        *ITEMS[:-4:-1],
        *("milk", ITEMS[6], "tea"),
    ]
    assert list(found["score"][:3]) == [30.0, 27.0, 24.0]


def test_users_that_are_not_named_are_numbered(recommender):
    found = recommender.recommend([["tea"], ["milk"]], k=1)
    assert list(found["user_id"]) == [0, 1]
    assert list(found["score"]) == [9.0, 18.0]


def test_recommendations_of_a_table(recommender):
    table = pd.DataFrame(
        [
            ("bob", "[b]", 50),
            ("ann", "tea", 20),
            ("bob", "é", 10),
            ("ann", "milk", 30),
        ],
        columns=["user_id", "item_id", "timestamp"],
    )
    found = recommender.recommend(table, k=9)
    # What was seen is left out, which is two items of nine.
    assert list(found["user_id"]) == ["bob"] * 7 + ["ann"] * 7
    assert found["score"][0] == 7 * 17 + 2
    found = recommender.recommend(table, k=9, exclude_seen=False)
    assert len(found) == 18
    assert recommender.recommend(table.iloc[:0], k=2).empty


def test_the_times_of_a_table_order_it(recommender):
    rows = [(7, "tea", 4), (7, "milk", 3), (7, "日本", 2), (7, "é", 1)]
    names = ["user_id", "item_id", "timestamp"]
    table = pd.DataFrame(rows, columns=names)
    expected = by_hand(["日本", "milk", "tea"])
    assert recommender.score(table, [ITEMS])[0].tolist() == expected.tolist()
    expected = by_hand(["tea", "milk", "日本", "é"])
    scores = recommender.score(table[names[:2]], [ITEMS])
    assert scores[0].tolist() == expected.tolist()


def test_of_fewer_items_all_are_taken(recommender, caplog):
    caplog.set_level("INFO", "mgnm_tf")
    found = recommender.recommend([["tea"]], k=20, exclude_seen=False)
    assert len(recommender.recommend([["tea"]], k=10**9)) == 8
    assert sorted(found["item_id"]) == sorted(ITEMS)
    assert "There are 9 items, so a user gets at most 9, not 20." in caplog.text
    assert len(recommender.recommend([["tea"]])) == 8


@pytest.mark.parametrize(
    "ids",
    [
        ["007", "3"],
        [7, 3],
        [7.0, 3.0],
        np.array([7, 3], "int32"),
        np.array([7, 3], "float32"),
        pd.Series([7.0, 3.0]),
    ],
    ids=lambda ids: type(ids).__name__,
)
def test_ids_are_text_and_whole_numbers_are_printed(ids):
    table = pd.DataFrame({"user_id": "ann", "item_id": ids})
    expected = ["007", "3"] if ids[0] == "007" else ["7", "3"]
    for histories in ([ids], table):
        found = read_requests(histories, None, None, reads_times=False)
        assert found.items.tolist() == expected


def test_what_is_not_known_is_said(recommender, with_interests, caplog):
    table = pd.DataFrame(
        [("ann", "tea"), ("eve", "tea"), ("eve", "no"), ("ann", "no")],
        columns=["user_id", "item_id"],
    )
    users = "1 of 2 users (for example 'eve') and "
    sentence = (
        "The model does not know {}1 of 2 items (for example 'no'), so 2 of 4 "
        "events are left out."
    )
    # It reads histories alone.
    with_interests.interests(table)
    lists = np.array([["tea", "no"], ["tea", "no"]])
    recommender.recommend(lists, users=np.array(["ann", "eve"]))
    recommender.score(table, [["tea"], ["tea"]])
    assert [one.message for one in caplog.records] == [
        sentence.format(""),
        *[sentence.format(users)] * 2,
    ]
    caplog.clear()
    recommender.recommend([["tea"], []])
    assert not caplog.records


def test_ids_in_another_form_are_said(recommender, caplog):
    table = pd.DataFrame({"user_id": ["ann"], "item_id": [7]})
    found = recommender.recommend(table, k=2)
    assert found["item_id"].tolist() == ["milk", "x\u2028y"]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message == (
        "The request: the model knows none of the 1 items, for example '7'; "
        "an item that it knows is 'tea'. Give the ids as they are in the data "
        "that it was trained on."
    )


def test_what_is_not_known_need_not_be_said(folder, caplog):
    recommender = Recommender.load(folder)
    recommender.warns_of_unknown = False
    recommender.recommend([["no"]], users=["nobody"])
    assert not caplog.records


MOMENTS = [1_704_103_200_900, 1_704_103_200_100, 1_704_103_200_500]  # ms


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(np.array(MOMENTS, "datetime64[ms]"), id="datetime64"),
        pytest.param(pd.to_datetime(MOMENTS, unit="ms", utc=True), id="zone"),
        pytest.param(np.array(MOMENTS) / 1000, id="floats"),
        pytest.param(np.array(MOMENTS) * 1_000_000, id="nanoseconds"),
        pytest.param(
            [f"2024-01-01T10:00:00.{ms % 1000:03}Z" for ms in MOMENTS],
            id="text",
        ),
    ],
)
def test_times_inside_a_second_order_a_table(recommender, times):
    table = pd.DataFrame(
        {"user_id": 7, "item_id": ["é", "tea", "milk"], "timestamp": times}
    )
    found = read_requests(table, None, None, reads_times=True)
    assert found.items.tolist() == ["tea", "milk", "é"]
    assert found.item_times.tolist() == [1_704_103_200] * 3
    assert found.times.tolist() == [1_704_103_200]


def test_scores(recommender):
    scores = recommender.score(
        np.array([["tea", ""], ["", "milk"]]),
        [["é", "no"], ["tea", "日本"]],
        users=["bob", "ann"],
    )
    np.testing.assert_array_equal(scores, [[11, -np.inf], [3, 13]])
    assert recommender.score([], []).shape == (0, 0)


def test_blocks_give_the_same(folder, recommender, monkeypatch):
    histories = [ITEMS[:n] for n in (1, 9, 0, 4, 2)]
    expected = recommender.recommend(histories, k=4)
    expected_scores = recommender.score(histories, [ITEMS] * 5)
    monkeypatch.setattr(request_blocks, "_CELLS", 10)
    sizes = []
    original = recommender._ranking.best
    monkeypatch.setattr(
        recommender._ranking,
        "best",
        lambda inputs, *rest: (
            sizes.append(len(inputs["user_id"])),
            original(inputs, *rest),
        )[1],
    )
    found = recommender.recommend(histories, k=4)
    assert sizes == [1, 1, 2, 1]
    pd.testing.assert_frame_equal(found, expected)
    scores = recommender.score(histories, [ITEMS] * 5)
    np.testing.assert_array_equal(scores, expected_scores)


def test_a_very_long_history(recommender):
    found = recommender.recommend([ITEMS[:1] * 100_000, ["milk"]], k=1)
    assert list(found["score"]) == [27.0, 18.0]


def test_interests(with_interests):
    found = with_interests.interests([["tea"], ["milk", "no", "é", "[b]"]])
    assert found["interests"].shape == (2, 2, 4)
    assert found["level"].tolist() == [0, 0]
    assert found["interest"].tolist() == [1, 2]
    assert found["attention"].shape == (2, 2, 4)
    np.testing.assert_allclose(found["attention"].sum(axis=2), 1, rtol=1e-5)
    assert not found["attention"][1][:, 1].any()
    products = found["interests"] @ with_interests.item_vectors(ITEMS).T
    scores = with_interests.score([["tea"], ITEMS[1:2]], [ITEMS] * 2)
    np.testing.assert_allclose(products[0].max(axis=0), scores[0], rtol=1e-4)


def test_interest_distribution(with_interests, tmp_path):
    sizes = {"embedding_dim": 4, "num_interests": 2, "num_layers": 1}
    model = TiMiRec(3, 9, max_length=3, **sizes)
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(random.normal(size=weight.shape))
    recommender = Recommender.load(export(model, words(), tmp_path / "e"))
    histories = [["tea"], ["milk", "no", "é", "[b]"]]
    found = recommender.interest_distribution(histories)
    shares = found["distribution"]
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert np.abs(shares[0] - shares[1]).max() > 0.01
    assert found["interests"].shape == (2, 2, 4)
    assert found["interest"].tolist() == [1, 2]
    assert found["attention"].shape == (2, 2, 4)
    user = np.einsum("bk,bkd->bd", shares, found["interests"])
    np.testing.assert_allclose(
        user @ recommender.item_vectors(ITEMS).T,
        recommender.score(histories, [ITEMS] * 2),
        rtol=1e-4,
        atol=1e-5,
    )
    one = recommender.interests(histories)
    assert set(one) == {"interests"}
    np.testing.assert_allclose(one["interests"][:, 0], user, rtol=1e-4)
    with pytest.raises(UserError, match="ComiRecSA does not predict which"):
        with_interests.interest_distribution(histories)


def test_compiled_scores_are_the_same(with_interests, monkeypatch):
    histories = [["tea"], [], ["milk", "é"], ["[b]"], ["日本"]]
    expected = with_interests.recommend(histories, k=5)
    monkeypatch.setattr(compiled_ranking, "WORTH_COMPILING", 1)
    compiled = Recommender(
        with_interests.served,
        with_interests.metadata,
        with_interests.vocabularies,
    )
    assert compiled._ranking._compiled is not None
    found = compiled.recommend(histories, k=5)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4)


def test_diversity_changes_the_order(with_interests):
    plain = with_interests.recommend([["tea"]], k=4)
    same = with_interests.recommend([["tea"]], k=4, diversity=1e-9)
    pd.testing.assert_frame_equal(plain, same)
    other = with_interests.recommend([["tea"]], k=4, diversity=100.0)
    assert list(other["item_id"]) != list(plain["item_id"])
    assert other["item_id"][0] == plain["item_id"][0]
    score = dict(
        zip(ITEMS, with_interests.score([["tea"]], [ITEMS])[0], strict=True)
    )
    for row in other.itertuples():
        assert row.score == pytest.approx(score[row.item_id])


def test_a_model_that_reads_times(tmp_path):
    model = learned("slirec")
    path = export(model, words_of_data(), tmp_path / "e", max_length=4)
    recommender = Recommender.load(path)
    table = pd.DataFrame(
        {
            "user_id": ["1", "1", "2"],
            "item_id": ["01", "02", "03"],
            "timestamp": NOW - np.array([7200, 3600, 60]),
        }
    )
    scores = recommender.score(table, [["04", "05"], ["04", "05"]])
    features = {
        "user": np.array([1, 2]),
        "history": np.array([[1, 2], [3, 0]]),
        "history_time": NOW - np.array([[7200, 3600], [60, NOW]]),
        "candidate_time": NOW - np.array([[3600] * 2, [60] * 2]),
        "candidates": np.array([[4, 5], [4, 5]]),
    }
    np.testing.assert_allclose(scores, model(features), rtol=1e-4)
    features["candidate_time"] = np.full((2, 2), NOW)
    later = recommender.score(
        table, features["candidates"].astype("U2"), times=[NOW, NOW]
    )
    assert np.all(later == -np.inf)  # "4" is no id, "04" is.
    later = recommender.score(table, [["04", "05"]] * 2, times=[NOW, NOW])
    np.testing.assert_allclose(later, model(features), rtol=1e-4)
    with pytest.raises(UserError, match="reads times: give `histories` as a"):
        recommender.recommend([["01"]], k=1)
    with pytest.raises(UserError, match="the table has no column 'timestamp'"):
        recommender.recommend(table.iloc[:, :2], k=1)
    table["timestamp"] = pd.to_datetime(table["timestamp"], unit="s")
    for times in ([NOW + 0.5] * 2, [pd.Timestamp(NOW, unit="s")] * 2):
        later = recommender.score(table, [["04", "05"]] * 2, times=times)
        np.testing.assert_allclose(later, model(features), rtol=1e-4)
    with pytest.raises(UserError, match="`times` must be 2 times, one for"):
        recommender.recommend(table, k=1, times=[NOW])
    with pytest.raises(UserError, match="`times`, row 1.* found soon, expect"):
        recommender.recommend(table, k=1, times=["soon", "later"])


def words_of_data():
    from mgnm_tf.export import Vocabularies

    return Vocabularies.from_data(DATA)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"histories": "tea"}, "must be a sequence of seq.* Received: str"),
        ({"histories": 3}, "must be a sequence of sequences.* Received: int"),
        ({"histories": ["tea"]}, r"'tea' \(str\) in row 0"),
        ({"histories": [[1.5]]}, r"ids as text. Received: 1.5 \(float\) at 0"),
        ({"histories": [[None]]}, "ids as text. Received: None"),
        ({"histories": [[["tea"]]]}, r"Received: \['tea'\] \(list\)"),
        ({"histories": np.zeros((2, 2, 2))}, r"two axes.*shape \(2, 2, 2\)"),
        ({"histories": [[2.0**53]]}, r"ids as text. Received: 9007\d+\.0"),
        ({"histories": [[float("nan")]]}, "ids as text. Received: nan"),
        ({"k": 0}, "`k` must be at least 1. Received: k=0"),
        ({"k": 2.0}, "`k` must be an integer. Received: k=2.0"),
        ({"users": ["a", "b"]}, "each of the 1 histories. Received: 2 users"),
        ({"users": [["a"]]}, "`users` must hold ids as text"),
        ({"exclude_seen": "no"}, "`exclude_seen` must be True or False"),
        ({"diversity": -1.0}, "`diversity` must be between 0.0 and inf"),
        (
            {"histories": pd.DataFrame({"user_id": ["a"]})},
            "has no column 'item_id'; columns found: 'user_id'",
        ),
        (
            {
                "histories": pd.DataFrame(
                    {"user_id": "a", "item_id": ["b", None]}
                )
            },
            "row 2, column 'item_id': the id is empty",
        ),
        (
            {
                "histories": pd.DataFrame(
                    {"user_id": ["a"], "item_id": ["b"], "timestamp": ["soon"]}
                )
            },
            "row 1, column 'timestamp': found soon, expected seconds",
        ),
    ],
)
def test_arguments_that_cannot_be_used(recommender, arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        recommender.recommend(**{"histories": [["tea"]], "k": 1, **arguments})


def test_candidates_that_cannot_be_used(recommender):
    for candidates, sentence in (
        ([["tea"], ["milk"]], "a row for each of the 1 users. Received: 2"),
        ("tea", "`candidates` must be a sequence of sequences"),
        ([[1.5]], "`candidates` must hold ids as text"),
    ):
        with pytest.raises(UserError, match=sentence):
            recommender.score([["tea"]], candidates)
    with pytest.raises(UserError, match="as many items in each row"):
        recommender.score([["tea"]] * 2, [["tea"], ["tea", "milk"]])


def test_what_a_model_has_not(recommender):
    with pytest.raises(UserError, match="Sums has no interest vectors"):
        recommender.interests([["tea"]])
    with pytest.raises(UserError, match="Sums has no item vectors"):
        recommender.item_vectors()


def test_an_unknown_item_has_no_vector(with_interests):
    assert with_interests.item_vectors().shape == (9, 4)
    with pytest.raises(UserError, match="does not know the item 'no'"):
        with_interests.item_vectors(["tea", "no"])


def damage(path, name):
    file = path / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (shutil.rmtree, "There is no export folder"),
        (lambda p: (p / "export.json").unlink(), "is not an export folder"),
        (
            lambda p: (p / "export.json").write_text("{"),
            "export.json is not a JSON file",
        ),
        (
            lambda p: (p / "export.json").write_text("[1]"),
            "does not describe an export",
        ),
        (
            lambda p: (p / "export.json").write_text(
                '{"format": "mgnm_tf export", "format_version": 2}'
            ),
            "has format version 2, this program reads version 1",
        ),
        (
            lambda p: (p / "export.json").write_text(
                '{"format": "mgnm_tf export", "format_version": 1}'
            ),
            "is damaged: 'model' is missing",
        ),
        (
            lambda p: damage(p, "1/saved_model.pb"),
            "saved_model.pb is damaged: its SHA-256",
        ),
        (
            lambda p: damage(p, "vocabulary/items.txt"),
            "items.txt is damaged: its SHA-256",
        ),
        (
            lambda p: (p / "vocabulary" / "users.txt").unlink(),
            "users.txt is missing",
        ),
    ],
)
def test_a_damaged_or_foreign_folder(folder, tmp_path, change, sentence):
    copy = shutil.copytree(folder, tmp_path / "copy")
    change(copy)
    with pytest.raises(UserError, match=sentence):
        Recommender.load(copy)


def test_a_foreign_saved_model(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "1" / "saved_model.pb").write_bytes(b"no model")
    header = (copy / "export.json").read_text()
    from mgnm_tf.utils.files import sha256

    old = sha256(folder / "1" / "saved_model.pb")
    new = sha256(copy / "1" / "saved_model.pb")
    (copy / "export.json").write_text(header.replace(old, new))
    with pytest.raises(UserError, match="/1 cannot be loaded"):
        Recommender.load(copy)
