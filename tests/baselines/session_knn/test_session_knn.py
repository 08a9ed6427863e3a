"""S-kNN and V-S-kNN against sets and dictionaries."""

import numpy as np
import pytest

from baselines.session_knn.session_knn import expand
from baselines.session_knn.sknn import SKNN
from baselines.session_knn.vsknn import VSKNN
from baselines.session_knn.vsknn import WEIGHTINGS
from tests.reference import numpy_session_knn as oracle

SESSIONS, ITEMS = 60, 14


def made_events(seed=0):
    """Returns the items of each session, with repeats, newest first."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 9, SESSIONS)
    return [random.integers(1, ITEMS, size).tolist() for size in lengths]


EVENTS = made_events()
SETS = [set(session) for session in EVENTS]
COUNTS = np.bincount(np.concatenate(EVENTS), minlength=ITEMS + 1)
TABLE = {
    "offsets": np.cumsum([0, *(len(s) for s in SETS)]),
    "items": np.concatenate([sorted(s) for s in SETS]),
    "item_counts": COUNTS,
}
HISTORIES = [
    [3, 5, 5, 1],
    [1],
    [],
    [2, 7, 4, 9, 2, 11],
    # Nobody has item 14; the newest items of a long one.
    [14, 13],
    [14],
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
]


def made(cls=SKNN, **options):
    model = cls(SESSIONS, ITEMS, int(COUNTS.sum()), **options)
    model.load_tables({"training_sessions": TABLE})
    return model


def scores_of(model, histories=HISTORIES, padding=2):
    width = max(len(history) for history in histories) + padding
    rows = [history + [0] * (width - len(history)) for history in histories]
    features = {
        "user": np.zeros(len(rows), "int32"),
        "history": np.array(rows, "int32"),
    }
    return np.asarray(model.encode(features))


def expected(function, *arguments, **options):
    result = np.zeros((len(HISTORIES), ITEMS + 1))
    for row, history in zip(result, HISTORIES):
        for item, value in function(history, *arguments, **options).items():
            row[item] = value
    return result


@pytest.mark.parametrize("similarity", ["cosine", "jaccard"])
@pytest.mark.parametrize(("k", "sample"), [(100, 500), (5, 500), (7, 9)])
def test_sknn(similarity, k, sample):
    model = made(num_neighbors=k, sample_size=sample, similarity=similarity)
    wanted = expected(oracle.sknn, SETS, k, sample, similarity)
    np.testing.assert_allclose(scores_of(model), wanted, rtol=1e-5, atol=1e-6)
    assert (wanted > 0).sum() > 30


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"similarity": "cosine"},
        {"last": 2},
        {"last": 2, "remind": False},
        {"last": 3, "similarity": "cosine"},
        {"remind": False},
        {"idf_weight": 2.0},
        {"sample_size": 9},
        *({"weighting": name, "similarity": "cosine"} for name in WEIGHTINGS),
        *({"score_weighting": name} for name in WEIGHTINGS),
    ],
)
def test_vsknn(options):
    model = made(VSKNN, num_neighbors=8, **options)
    wanted = expected(oracle.vsknn, SETS, COUNTS, k=8, **options)
    np.testing.assert_allclose(scores_of(model), wanted, rtol=1e-5, atol=1e-6)
    if options not in ({}, {"weighting": "div"}, {"score_weighting": "div"}):
        plain = scores_of(made(VSKNN, num_neighbors=8))
        assert np.abs(scores_of(model) - plain).max() > 1e-3


def test_the_defaults_are_those_of_the_oracle():
    wanted = expected(oracle.sknn, SETS)
    np.testing.assert_allclose(scores_of(made()), wanted, rtol=1e-5)
    wanted = expected(oracle.vsknn, SETS, COUNTS)
    np.testing.assert_allclose(scores_of(made(VSKNN)), wanted, rtol=1e-5)


@pytest.mark.parametrize("cls", [SKNN, VSKNN])
def test_rows_do_not_see_each_other_nor_the_padding(cls):
    model = made(cls, num_neighbors=8, sample_size=20)
    together = scores_of(model)
    for row, history in enumerate(HISTORIES):
        alone = scores_of(model, [history], padding=1)
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-6)


def test_nothing_to_find_is_no_error():
    assert not scores_of(made(), [[], [14]]).any()
    empty = SKNN(3, ITEMS)
    assert not scores_of(empty).any()
    empty.fit([], verbose=0)


def test_equal_neighbours_are_taken_most_recent_first():
    model = SKNN(3, 4, 6, num_neighbors=2)
    table = {
        "offsets": [0, 2, 4, 6],
        "items": [1, 2, 1, 3, 1, 4],
        "item_counts": [0, 3, 1, 1, 1],
    }
    model.load_tables({"training_sessions": table})
    found = scores_of(model, [[1]])[0]
    assert found[2] == found[3] > 0
    assert found[4] == 0


def test_item_numbers_do_not_matter():
    order = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(14)])
    sets = [sorted(order[list(s)]) for s in SETS]
    counts = np.zeros_like(COUNTS)
    counts[order] = COUNTS
    model = VSKNN(SESSIONS, ITEMS, int(COUNTS.sum()), num_neighbors=8)
    model.load_tables(
        {
            "training_sessions": {
                **TABLE,
                "items": np.concatenate(sets),
                "item_counts": counts,
            }
        }
    )
    renamed = [order[history].tolist() for history in HISTORIES]
    np.testing.assert_allclose(
        scores_of(model, renamed)[:, order],
        scores_of(made(VSKNN, num_neighbors=8)),
        rtol=1e-6,
    )


def test_expand():
    slots, offsets, real = expand(np.array([0, 2, 0, 1, 0], "int32"))
    np.testing.assert_array_equal(slots[:-1], [1, 1, 3])
    np.testing.assert_array_equal(offsets[:-1], [0, 1, 0])
    np.testing.assert_array_equal(real, [True, True, True, False])


def test_pairs_of_a_batch_fit_into_int32():
    model = SKNN(2**29, 2)
    assert model.max_batch_size(512, 10) == 2
    assert made().max_batch_size(512, 10) == 512


def test_fit_needs_the_table():
    with pytest.raises(ValueError, match="SKNN reads tables of the data"):
        SKNN(SESSIONS, ITEMS, 5).fit([], verbose=0)
    made().fit([], verbose=0)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`num_neighbors` must be at least 1"):
        made(num_neighbors=0)
    with pytest.raises(ValueError, match="`sample_size` must be at least 1"):
        made(sample_size=0)
    with pytest.raises(ValueError, match="`num_events` must be at least 0"):
        SKNN(1, 2, -1)
    with pytest.raises(ValueError, match="Unknown similarity 'vec'"):
        made(similarity="vec")
    with pytest.raises(ValueError, match="Unknown similarity 'jaccard'"):
        made(VSKNN, similarity="jaccard")
    with pytest.raises(ValueError, match="Unknown weighting 'cubic'"):
        made(VSKNN, weighting="cubic")
    with pytest.raises(ValueError, match="Unknown score_weighting 'cubic'"):
        made(VSKNN, score_weighting="cubic")
    with pytest.raises(ValueError, match="`idf_weight` must be between 0"):
        made(VSKNN, idf_weight=-1.0)
    with pytest.raises(ValueError, match="`last` must be at least 1"):
        made(VSKNN, last=0)
    with pytest.raises(ValueError, match="reads the table 'training_sess"):
        made().load_tables({"other": TABLE})
    with pytest.raises(ValueError, match="as many sessions, items and events"):
        SKNN(SESSIONS, ITEMS, 5).load_tables({"training_sessions": TABLE})
