"""Lists of an exported model, by its categories or its vectors."""

import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.errors import UserError
from mgnm_tf.export import Vocabularies
from mgnm_tf.serving.diverse_lists import DiverseLists
from mgnm_tf.serving.diversity import diversify
from mgnm_tf.serving.item_vectors import ItemVectors
from mgnm_tf.serving.requests.known_ids import KnownIds

NAMES = ["tea", "milk", "bread", "salt"]
KNOWN = KnownIds(Vocabularies([], NAMES, np.arange(4)))
TABLE = np.array([[0, 0], [1, 0], [1, 0], [0, 1], [1, 1]], np.float32)
NO = -np.inf
IDS = np.array(
    [["tea", "milk", "salt", "bread"], ["milk", "tea", "", ""]], object
)
SCORES = np.array([[4.0, 3.0, 2.0, 1.0], [2.0, 1.0, NO, NO]], np.float32)


class Served:
    item_table = tf.constant(TABLE)


class Retrieval:
    """Has other vectors than the table, and one more item."""

    def vectors(self, ids):
        rows = ["", *NAMES, "new"]
        at = np.array([rows.index(one) for one in ids.flat])
        return np.vstack([1 - TABLE, [[5.0, 0.0]]])[at].reshape(*ids.shape, 2)


def lists(categories=None, retrieval=None, served=Served):
    vectors = ItemVectors(served, {"model": "Sums"}, KNOWN, retrieval)
    return DiverseLists(KNOWN, categories, vectors)


def test_by_vectors_of_the_table():
    ids, scores = lists().choose(IDS, SCORES, 2, 10.0)
    assert ids.tolist() == [["tea", "bread"], ["milk", "tea"]]
    assert scores.tolist() == [[4.0, 1.0], [2.0, 1.0]]


def test_by_vectors_of_the_index():
    given = np.array([["new", "milk", "tea", "salt"]], object)
    retrieval = Retrieval()
    found, _ = lists(retrieval=retrieval).choose(given, SCORES[:1], 4, 3.0)
    vectors = retrieval.vectors(given)
    order = diversify(SCORES[:1], 4, 3.0, vectors=vectors)[0]
    assert order.tolist() != [0, 1, 2, 3]
    assert found[0].tolist() == given[0, order].tolist()


def test_by_categories_of_which_an_added_item_has_none():
    kinds = np.array([1, 1, 2, 1], np.int32)
    # Without the table, which is not read.
    ids, _ = lists(kinds, served=None).choose(IDS, SCORES, 2, 10.0)
    assert ids.tolist() == [["tea", "bread"], ["milk", "tea"]]
    given = np.array([["tea", "milk", "new", "salt"]], object)
    ids, _ = lists(kinds).choose(given, SCORES[:1], 3, 10.0)
    assert ids.tolist() == [["tea", "new", "milk"]]


def test_a_list_that_is_short_ends_in_nothing():
    ids, scores = lists().choose(IDS[1:], SCORES[1:], 4, 10.0)
    assert ids.tolist() == [["milk", "tea", "", ""]]
    assert scores.tolist() == [[2.0, 1.0, NO, NO]]


def test_neither_categories_nor_vectors():
    with pytest.raises(UserError, match="Sums has no item vectors"):
        lists(served=None).choose(IDS, SCORES, 2, 1.0)
