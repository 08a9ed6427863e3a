import numpy as np
import pandas as pd

from mgnm_tf.serving.reasons import find_reasons

FOUND = {
    "interests": np.array([[[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]]]),
    "level": np.array([0, 0, 1]),
    "interest": np.array([1, 2, 1]),
    "attention": np.array(
        [[[0.2, 0.1, 0.3, 0.35, 0.05], [0.02, 0.9, 0.08, 0, 0], [0] * 5]]
    ),
}
HISTORY = ["a", "b", "c", "d", "e"]


class Fake:
    """Stands for a recommender whose interests are known."""

    def __init__(self, found):
        self.found = found
        self.metadata = {"signatures": {"interests": {}} if found else {}}

    def interests(self, histories, users):
        assert (histories, users) == ([HISTORY], ["u"])
        return self.found

    def item_vectors(self, items):
        vectors = {"x": [1.0, -9.0], "y": [-9.0, 1.0], "z": [1.0, 1.0]}
        return np.array([vectors[item] for item in items])


def reasons_of(found):
    table = pd.DataFrame({"item_id": ["z", "y", "x"]})
    return find_reasons(Fake(found), "u", HISTORY, table)


def test_level_interest_and_what_feeds_it():
    headings, rows = reasons_of(FOUND)
    assert headings == ("level", "interest", "fed by")
    assert rows == [
        ("1", "1", ""),
        ("0", "2", "b 90%"),
        ("0", "1", "d 35%, c 30%, a 20%"),
    ]


def test_models_without_interests_and_empty_histories_have_none():
    assert reasons_of({}) == ((), [()] * 3)
    one_vector = {"interests": FOUND["interests"][:, :1]}
    assert reasons_of(one_vector) == ((), [()] * 3)
    empty = {**FOUND, "attention": 0 * FOUND["attention"]}
    assert reasons_of(empty) == ((), [()] * 3)


class Mixture(Fake):
    """Stands for one whose model predicts which interest is next."""

    def __init__(self):
        super().__init__(FOUND)
        self.metadata["signatures"]["interest_distribution"] = {}

    def interest_distribution(self, histories, users):
        # Without a share the third interest would win all.
        shares = np.array([[0.2, 0.79, 0.01]])
        level = np.zeros(3, int)
        return {**FOUND, "level": level, "distribution": shares}


def test_of_a_mixture_what_adds_most_to_the_score():
    table = pd.DataFrame({"item_id": ["z", "y", "x"]})
    _, rows = find_reasons(Mixture(), "u", HISTORY, table)
    assert [row[1] for row in rows] == ["2", "2", "1"]
