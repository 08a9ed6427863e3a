"""Candidates of many interests, against sorting all products."""

import json
import sys

import numpy as np
import pytest

from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.utils.files import sha256

pytest.importorskip("faiss", reason="needs the extra [retrieval]")

from mgnm_tf.index import interest_index as index_module
from mgnm_tf.index import vector_search as module
from mgnm_tf.index.interest_index import InterestIndex
from tests.export.worlds import no_space

KINDS = ("flat", "ivf", "hnsw")


def made(count=600, dim=6, seed=0):
    """Returns vectors of very different norms, and interests (5, 4, d)."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, dim)).astype(np.float32)
    vectors *= random.lognormal(sigma=0.5, size=(count, 1)).astype("float32")
    interests = 3 * random.normal(size=(5, 4, dim)).astype(np.float32)
    return vectors, interests


def exact(vectors, ids, interests, k):
    """Returns the set of the k best ids of each interest, for each user."""
    found = []
    for user in interests:
        best = np.argsort(-(user @ vectors.T), axis=1)[:, :k]
        found.append(sorted(set(ids[best].ravel().tolist())))
    return found


def lists(found):
    return [row[row >= 0].tolist() for row in found]


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_of_all_interests(kind):
    vectors, interests = made()
    ids = np.arange(600) * 3 + 1
    built = InterestIndex.build(vectors, ids, kind)
    assert (built.kind, len(built), built.dim) == (kind, 600, 6)
    found = built.search(interests, 10, effort=100.0)
    assert found.dtype == np.int64
    expected = exact(vectors, ids, interests, 10)
    assert lists(found) == expected
    assert found.shape == (5, max(map(len, expected)))
    assert not (np.diff((found < 0).astype(int), axis=1) < 0).any()


@pytest.mark.parametrize("kind", KINDS)
def test_more_than_there_are(kind):
    vectors, interests = made(30)
    found = InterestIndex.build(vectors, kind=kind).search(
        interests, 1000, effort=100.0
    )
    assert lists(found) == [list(range(30))] * 5


@pytest.mark.parametrize("kind", KINDS)
def test_removed_vectors_are_not_found_and_added_ones_are(kind):
    vectors, interests = made()
    built = InterestIndex.build(vectors, kind=kind)
    gone = built.search(interests[:1], 20, effort=100.0)[0]
    built.remove(gone)
    more = np.random.default_rng(9).normal(size=(40, 6)).astype(np.float32)
    built.add(np.arange(1000, 1040), more)
    left = np.setdiff1d(np.arange(600), gone)
    ids = np.concatenate([left, np.arange(1000, 1040)])
    np.testing.assert_array_equal(built.ids, ids)
    assert gone[0] not in built and 1000 in built and len(built) == len(ids)
    rest = np.concatenate([vectors[left], more])
    found = built.search(interests, 10, effort=100.0)
    assert lists(found) == exact(rest, ids, interests, 10)
    np.testing.assert_array_equal(built.vectors(ids[-50:]), rest[-50:])


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_comes_back_with_another_vector(kind):
    vectors, interests = made(100)
    built = InterestIndex.build(vectors, kind=kind)
    best = int(np.argmax(vectors @ interests[0, 0]))
    built.remove([best])
    assert best not in built.search(interests[:1, :1], 5, effort=100.0)
    built.add([best], -vectors[[best]])
    assert best not in built.search(interests[:1, :1], 5, effort=100.0)
    assert best in built.search(-interests[:1, :1], 5, effort=100.0)
    np.testing.assert_array_equal(built.vectors([best]), -vectors[[best]])


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_index_is_the_same_index(kind, tmp_path):
    vectors, interests = made()
    built = InterestIndex.build(vectors, kind=kind)
    built.remove([1, 2, 3])
    built.save(tmp_path / "index")
    loaded = InterestIndex.load(tmp_path / "index")
    assert loaded.kind == kind
    np.testing.assert_array_equal(loaded.ids, built.ids)
    np.testing.assert_array_equal(
        loaded.search(interests, 9), built.search(interests, 9)
    )
    more = np.ones((1, 6), np.float32)
    for one in (built, loaded):
        one.add([1], more)
    np.testing.assert_array_equal(
        loaded.search(interests, 9), built.search(interests, 9)
    )
    with pytest.raises(OutputExistsError):
        loaded.save(tmp_path / "index")
    loaded.save(tmp_path / "index", overwrite=True)
    assert 1 in InterestIndex.load(tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_the_kind_follows_the_size(monkeypatch):
    monkeypatch.setattr(module, "IVF_FROM", 100)
    kinds = [InterestIndex.build(made(n)[0]).kind for n in (99, 100)]
    assert kinds == ["flat", "ivf"]
    assert module.kind_for(5_000_000) == "ivf"


def test_less_effort_finds_less():
    vectors, interests = made(3000)
    built = InterestIndex.build(vectors, kind="ivf")
    wanted = exact(vectors, np.arange(3000), interests, 20)

    def recall(effort):
        found = lists(built.search(interests, 20, effort))
        kept = [len(set(a) & set(b)) for a, b in zip(found, wanted)]
        return sum(kept) / sum(map(len, wanted))

    assert recall(0.1) < recall(1.0) < recall(100.0) == 1.0


def test_users_without_direction_and_nobody():
    vectors, interests = made()
    built = InterestIndex.build(vectors)
    found = built.search(np.zeros((1, 4, 6), np.float32), 5)
    assert found.shape[0] == 1 and (found >= 0).all()
    assert built.search(interests[:0], 5).shape == (0, 0)
    built.remove(range(600))
    assert len(built) == 0
    assert built.search(interests, 5).shape == (5, 0)
    assert built.vectors(np.zeros((2, 0), int)).shape == (2, 0, 6)
    with pytest.raises(KeyError):
        built.vectors([5])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"vectors": np.zeros(3)}, r"shape \(items, width\)"),
        ({"vectors": np.zeros((0, 3))}, "at least one row"),
        ({"vectors": np.full((2, 3), np.nan)}, "`vectors` must be finite"),
        ({"ids": [1]}, "`ids` must be 2 integers"),
        ({"ids": [0.5, 1.0]}, "`ids` must be 2 integers"),
        ({"ids": [1, 1]}, "must be different"),
        ({"ids": [-1, 1]}, "at least 0. Received: -1"),
        ({"kind": "ivff"}, "Did you mean 'ivf'"),
    ],
)
def test_what_cannot_be_built(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        InterestIndex.build(**{"vectors": np.zeros((2, 3)), **arguments})


def test_what_cannot_be_searched_added_or_removed():
    vectors, interests = made()
    built = InterestIndex.build(vectors)
    for call, sentence in (
        (lambda: built.search(interests[0], 5), "`interests` must have"),
        (lambda: built.search(interests[..., :5], 5), "`interests` must have"),
        (lambda: built.search(interests, 0), "`k` must be at least 1"),
        (lambda: built.search(interests, 5, 0.0), "`effort` must be"),
        (lambda: built.add([5], vectors[:1]), "holds the id 5 already"),
        (lambda: built.add([700], vectors[:1, :5]), r"shape \(items, 6\)"),
        (lambda: built.remove([5, 700]), "does not hold the id 700"),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()
    assert len(built) == 600


def broken(folder, damage):
    """Damages a saved index in one way."""
    header = json.loads((folder / "index.json").read_text())
    if damage == "no header":
        (folder / "index.json").unlink()
    elif damage == "foreign header":
        (folder / "index.json").write_text("[]")
    elif damage == "poor header":
        (folder / "index.json").write_text('{"format": 1}')
    elif damage == "vectors":
        content = bytearray((folder / "vectors.faiss").read_bytes())
        content[len(content) // 2] ^= 1
        (folder / "vectors.faiss").write_bytes(content)
    elif damage == "no vectors":
        (folder / "vectors.faiss").unlink()
    elif damage == "no index":
        (folder / "vectors.faiss").write_bytes(b"something else")
        header["sha256"]["vectors.faiss"] = sha256(folder / "vectors.faiss")
        (folder / "index.json").write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("no header", "index.json cannot be read"),
        ("foreign header", "is not an index of this version"),
        ("poor header", "no index that can be read"),
        ("vectors", "vectors.faiss is damaged"),
        ("no vectors", "no index that can be read"),
        ("no index", "no index that can be read"),
    ],
)
def test_a_damaged_folder_ends_in_a_sentence(damage, sentence, tmp_path):
    InterestIndex.build(made()[0]).save(tmp_path / "index")
    broken(tmp_path / "index", damage)
    with pytest.raises(UserError, match=sentence) as caught:
        InterestIndex.load(tmp_path / "index")
    assert "\n" not in str(caught.value)


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match=r'pip install "mgnm-tf\[retrieval\]"'):
        InterestIndex.build(made()[0])


def test_one_more_coordinate_gives_all_one_norm_and_keeps_products():
    vectors, interests = made(50)
    radius = np.linalg.norm(vectors, axis=1).max()
    lifted = index_module._lift(vectors, radius)
    np.testing.assert_allclose(
        np.linalg.norm(lifted, axis=1), radius, rtol=1e-5
    )
    np.testing.assert_array_equal(lifted[:, :-1], vectors)
    assert InterestIndex.build(vectors, kind="ivf").radius == radius


def test_a_full_disk(tmp_path):
    index = InterestIndex.build(np.eye(3, dtype="float32"))
    sentence = "index could not be written: .*; nothing was left of it"
    with pytest.raises(UserError, match=sentence):
        with no_space(20):
            index.save(tmp_path / "index")
    assert list(tmp_path.iterdir()) == []
