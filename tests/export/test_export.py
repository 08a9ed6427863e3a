import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from baselines.gru4rec import GRU4Rec
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.export import export
from mgnm_tf.export import scorer
from mgnm_tf.export import served_model
from mgnm_tf.serving import Recommender
from mgnm_tf.utils.files import sha256
from tests.export.worlds import COUNTS
from tests.export.worlds import ITEMS
from tests.export.worlds import USERS
from tests.export.worlds import Sums
from tests.export.worlds import by_hand
from tests.export.worlds import export_sums
from tests.export.worlds import no_space
from tests.export.worlds import words


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return export_sums(tmp_path_factory.mktemp("export") / "served")


@pytest.fixture(scope="module")
def signatures(folder):
    return tf.saved_model.load(folder / "1").signatures


def recommend(signatures, users, history, k, exclude_seen=False):
    found = signatures["recommend"](
        user_id=tf.constant(users),
        history=tf.constant(history),
        k=tf.constant(k),
        exclude_seen=tf.constant(exclude_seen),
    )
    ids = [[one.decode() for one in row] for row in found["item_ids"].numpy()]
    return ids, found["scores"].numpy()


def test_the_folder_says_what_is_in_it(folder):
    header = json.loads((folder / "export.json").read_text())
    assert header["model"] == "Sums"
    assert (header["num_users"], header["num_items"]) == (3, 9)
    assert header["max_length"] == 3
    assert not header["reads_times"]
    inputs = header["signatures"]["recommend"]["inputs"]
    assert inputs["history"] == {"dtype": "string", "shape": [None, None]}
    assert set(header["signatures"]) == {
        "serving_default",
        "recommend",
        "score",
    }
    for name, digest in header["sha256"].items():
        assert sha256(folder / name) == digest
    text = (folder / "vocabulary" / "items.txt").read_bytes().decode()
    assert text.split("\n") == [*ITEMS, ""]
    counts = (folder / "vocabulary" / "item_counts.txt").read_text()
    assert counts.split() == [str(count) for count in COUNTS]
    card = (folder / "README.md").read_text()
    for part in (
        "last 3",
        "popularity",
        "`candidates` (?, ?) string",
        "`k` () or (?,) int32",
        "| licence | not stated |",
    ):
        assert part in card


class PassesUsersOn(Sums):
    """Leaves what it makes of the user to `score`."""

    def encode(self, features, training=False):
        encoded = super().encode(features, training)
        return {**encoded, "user": ops.convert_to_tensor(features["user"])}

    def score(self, encoded, candidates, training=False):
        user = ops.cast(encoded["user"], "float32")
        return super().score({**encoded, "user": user}, candidates, training)


@pytest.mark.parametrize("kind", [Sums, PassesUsersOn, GRU4Rec])
def test_ids_of_users_are_kept_where_they_are_read(kind, tmp_path):
    folder = export(kind(3, 9), words(), tmp_path / "served", max_length=3)
    reads = kind is not GRU4Rec
    header = json.loads((folder / "export.json").read_text())
    assert header["reads_users"] == reads and header["num_users"] == 3
    texts = (folder / "vocabulary" / "users.txt").read_text(encoding="utf-8")
    assert texts.split() == (USERS if reads else [])
    saved = (folder / "1" / "saved_model.pb").read_bytes()
    assert (b"bob" in saved) == reads
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert ("no id of a\n  user" in card) != ("its mean user" in card) == reads
    signatures = tf.saved_model.load(folder / "1").signatures
    score = signatures["score"](
        user_id=tf.constant(["bob", "nobody"]),
        history=tf.constant([["tea"], ["tea"]]),
        candidates=tf.constant([["milk"], ["milk"]]),
    )["scores"].numpy()
    assert (score[0] != score[1]) == reads


def test_padding_may_stand_anywhere_and_the_last_items_count(signatures):
    history = ["é", "", "tea", "no item", "milk", "日本", ""]
    _, scores = recommend(signatures, ["bob"], [history], 9)
    expected = np.sort(by_hand(["tea", "milk", "日本"], "bob"))[::-1]
    np.testing.assert_allclose(scores[0], expected)


def test_seen_items_are_left_out_however_old_they_are(signatures):
    history = ["é", "tea", "milk", "日本", "[b]"]
    ids, scores = recommend(signatures, ["x"], [history], 11, True)
    assert set(ids[0][:4]) == set(ITEMS) - set(history)
    assert ids[0][4:] == [""] * 7
    assert np.all(scores[0, 4:] == -np.inf)


@pytest.mark.parametrize("shape", [(1,), (2,), (2, 1), (1, 1)])
def test_options_may_be_repeated_for_each_row(signatures, shape):
    users, history = ["bob", "ann"], [["tea", "milk"], ["é", ""]]
    expected = recommend(signatures, users, history, 3, True)
    k, exclude_seen = np.full(shape, 3, "int32"), np.full(shape, True)
    found = recommend(signatures, users, history, k, exclude_seen)
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])


def test_an_empty_history_is_served_by_popularity(signatures):
    ids, scores = recommend(signatures, ["ann", "?"], [["", ""], ["", "x"]], 4)
    # Equally frequent items stand in the order of the vocabulary.
    assert ids == [["milk", "x\u2028y", "tea", "[b]"]] * 2
    np.testing.assert_allclose(scores[0], np.array([9, 8, 5, 4]) / 36)


def test_a_very_long_history(signatures):
    history = ["tea", *[""] * 10, *["milk"] * 99_989]
    ids, scores = recommend(signatures, ["ann"], [history], 2, True)
    assert ids == [["é", "[b]"]]
    assert scores[0, 0] == 9 * 6 + 1


def test_no_users_and_no_history_columns(signatures):
    nobody, nothing = tf.zeros([0], tf.string), tf.zeros([0, 4], tf.string)
    assert recommend(signatures, nobody, nothing, 3)[0] == []
    ids, _ = recommend(signatures, ["ann"], tf.zeros([1, 0], tf.string), 1)
    assert ids == [["milk"]]


@pytest.mark.parametrize(
    ("signature", "changes", "sentence"),
    [
        ("recommend", {"k": 0}, "`k` must be at least 1"),
        ("recommend", {"k": [1, 2]}, "`k` must be one value, or the same"),
        ("recommend", {"exclude_seen": [True, False]}, "`exclude_seen` must"),
        ("recommend", {"user_id": ["a", "b"]}, "the same number of rows"),
        ("score", {"candidates": [["a"], ["b"]]}, "`candidates` must have as"),
    ],
)
def test_the_graph_refuses_what_does_not_fit(
    signatures, signature, changes, sentence
):
    inputs = {"user_id": ["ann"], "history": [["tea"]]}
    if signature == "recommend":
        inputs |= {"k": 3, "exclude_seen": True}
    inputs = {key: tf.constant(x) for key, x in (inputs | changes).items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        signatures[signature](**inputs)


@pytest.mark.parametrize("pairs", [None, 6])
def test_work_in_pieces_gives_the_same(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(scorer, "_CHUNK", 4)
    monkeypatch.setattr(scorer, "_CHUNK_OF_PAIRS", 4)
    monkeypatch.setattr(scorer, "_SCORES", 18)
    monkeypatch.setattr(scorer, "_PAIRS", 7)
    monkeypatch.setattr(served_model, "_PARALLEL_FROM", 5)
    model = Sums(len(USERS), len(ITEMS), pairs=pairs)
    export(model, words(), tmp_path / "e", max_length=3)
    signatures = tf.saved_model.load(tmp_path / "e" / "1").signatures
    histories = [["tea"], ["milk"], [""], ["é"], ["日本"]]
    users = ["ann", "x", "ann", "bob", "x"]
    expected = np.stack(
        [by_hand(*pair) for pair in zip(histories, users, strict=True)]
    )
    ids, scores = recommend(signatures, users, histories, 9)
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1))
    assert ids[0] == ITEMS[::-1]
    scores = signatures["score"](
        user_id=tf.constant(users),
        history=tf.constant(histories),
        candidates=tf.constant([ITEMS] * 5),
    )
    np.testing.assert_allclose(scores["scores"], expected)


def test_pieces_of_a_table_give_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(scorer, "_CHUNK", 4)
    monkeypatch.setattr(served_model, "_PARALLEL_FROM", 5)
    model = GRU4Rec(3, 9, embedding_dim=4, tied=False)
    export(model, words(), tmp_path / "e", max_length=3)
    served = tf.saved_model.load(tmp_path / "e" / "1")
    rows = {"user": np.array([1]), "history": np.array([[2, 3]])}
    expected = model({**rows, "candidates": np.arange(1, 10)[None]})
    ids, scores = recommend(served.signatures, ["ann"], [ITEMS[1:3]], 9)
    np.testing.assert_allclose(
        scores, -np.sort(-np.asarray(expected), axis=1), rtol=1e-5
    )
    assert ids[0] == [ITEMS[i] for i in np.argsort(-np.asarray(expected)[0])]


def test_half_precision_is_kept(tmp_path):
    model = GRU4Rec(3, 9, embedding_dim=4, dtype="mixed_float16")
    export(model, words(), tmp_path / "e", max_length=3)
    served = tf.saved_model.load(tmp_path / "e" / "1").signatures
    rows = {"user": np.array([1]), "history": np.array([[2, 3]])}
    expected = model({**rows, "candidates": np.array([[4, 5, 6]])})
    assert keras.backend.standardize_dtype(expected.dtype) == "float16"
    scores = served["score"](
        user_id=tf.constant(["ann"]),
        history=tf.constant([ITEMS[1:3]]),
        candidates=tf.constant([ITEMS[3:6]]),
    )["scores"]
    assert scores.dtype == tf.float32
    np.testing.assert_array_equal(scores, np.asarray(expected, "float32"))


def test_the_weights_of_a_model_are_read_under_its_policy(tmp_path):
    class Scaled(Sums):
        def __init__(self):
            keras.Model.__init__(self, dtype="mixed_float16")
            self.num_users, self.num_items = len(USERS), len(ITEMS)
            self.factor = self.add_weight(shape=(1,), initializer="ones")
            self.factor.assign([0.1])
            self.built = True

        def score(self, encoded, candidates, training=False):
            candidates = ops.cast(candidates, self.compute_dtype)
            user = ops.cast(encoded["user"][:, None], self.compute_dtype)
            return user + candidates * self.factor

    model = Scaled()
    recommender = Recommender.load(export(model, words(), tmp_path / "e"))
    rows = {"user": np.array([0]), "history": np.array([[1]])}
    expected = model({**rows, "candidates": np.arange(1, 10)[None]})
    scores = recommender.score([["tea"]], [ITEMS])
    np.testing.assert_array_equal(scores, np.asarray(expected, "float32"))
    assert scores[0, 2] == np.float16(0.1) * np.float16(3)


SERVE = """
import sys
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1] + "/1").signatures["serving_default"]
found = served(
    user_id=tf.constant(["bob"]), history=tf.constant([["tea", "milk"]]),
    k=tf.constant(2), exclude_seen=tf.constant(True),
)
assert not {"mgnm_tf", "baselines"} & set(sys.modules)
sys.stdout.buffer.write(b"|".join(found["item_ids"].numpy()[0]))
print(found["scores"].numpy()[0])
"""


def test_a_process_without_this_package_serves_it(folder, tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", SERVE, str(folder)],
        capture_output=True,
        cwd=tmp_path,
        env={"PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    assert result.stdout.decode().split("[2")[0] == "é|[b]"
    assert "29" in result.stdout.decode()


@pytest.mark.parametrize("size", [0, 20, 5_000])
def test_a_full_disk(tmp_path, size):
    model = Sums(len(USERS), len(ITEMS))
    sentence = "e could not be written: File too large; nothing was left of it."
    with pytest.raises(UserError, match=f"^{tmp_path}/{sentence}$"):
        with no_space(size):
            export(model, words(), tmp_path / "e")
    assert list(tmp_path.iterdir()) == []


def test_the_licence_of_the_data(tmp_path):
    model = Sums(len(USERS), len(ITEMS))
    cards = [
        ({"Data": {"name": "x"}}, "| licence | not stated |"),
        ({"Data": {"licence": "CC0"}}, "| licence | CC0 |"),
        ({"Data": "Of licence CC0."}, "Of licence CC0."),
    ]
    for place, (card, line) in enumerate(cards):
        folder = export(model, words(), tmp_path / str(place), card=card)
        text = (folder / "README.md").read_text()
        assert line in text
        assert text.count("licence") == 1


def test_what_is_there_stays_and_what_fails_leaves_nothing(tmp_path):
    model = Sums(len(USERS), len(ITEMS))
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputExistsError, match="exists already"):
        export(model, words(), tmp_path / "taken")
    with pytest.raises(UserError, match="made for 3 users, but the voc.* 2;"):
        export(model, words(user_ids=["a", "b"]), tmp_path / "new")
    with pytest.raises(UserError, match="`max_length` must be at least 1"):
        export(model, words(), tmp_path / "new", max_length=0)
    with pytest.raises(UserError, match="must be a SequentialRecommender"):
        export(keras.Sequential(), words(), tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_model_that_reads_the_candidate_is_refused(tmp_path):
    class Curious(Sums):
        required_features = ("candidate_category",)

    with pytest.raises(UserError, match="reads `candidate_category`, which"):
        export(Curious(3, 9), words(), tmp_path / "e")

    class OfKinds(Sums):
        required_features = ("history_category",)

        def encode(self, features, training=False):
            return super().encode(
                {**features, "history": features["history_category"]}
            )

    with pytest.raises(UserError, match="reads categories, but the vocabul"):
        export(OfKinds(3, 9), words(), tmp_path / "e")
    kinds = words(item_categories=[4, 5, 1, 1, 1, 1, 1, 1, 1])
    folder = export(OfKinds(3, 9), kinds, tmp_path / "e")
    scores = Recommender.load(folder).score([["tea", "milk"]], [["milk"]])
    assert scores.tolist() == [[18.0]]


def test_a_history_longer_than_the_model_reads_is_refused(tmp_path):
    model = Sums(len(USERS), len(ITEMS))
    model.max_length = 5
    with pytest.raises(UserError, match="at most 5 items. Received: max_l"):
        export(model, words(), tmp_path / "e", max_length=6)
