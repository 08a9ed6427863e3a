"""What a user has seen is left out, however it is looked up."""

import numpy as np
import pytest

from mgnm_tf.serving.ranking import candidates
from mgnm_tf.serving.ranking.candidates import seen_rows
from mgnm_tf.serving.ranking.candidates import without


@pytest.mark.parametrize("compared", [0, candidates._COMPARED])
def test_what_a_user_has_seen_is_left_out(compared, monkeypatch):
    monkeypatch.setattr(candidates, "_COMPARED", compared)
    random = np.random.default_rng(0)
    found = random.integers(-1, 9, (50, 6))
    seen = random.integers(0, 9, (50, 3))
    left = without(found, seen)
    for mine, row, taken in zip(left, found, seen, strict=True):
        expected = [-1 if one in taken else one for one in row]
        # Row 0 is nothing, so that it cannot be seen.
        expected = [
            one if one else mine[place] for place, one in enumerate(expected)
        ]
        assert mine.tolist() == expected
    assert (left == -1).sum() > (found == -1).sum()
    none = np.zeros((50, 0), np.int64)
    assert without(found, none) is found


def test_seen_rows_stand_together():
    seen = np.array([[0, 3, 0, 1], [0, 0, 2, 0]])
    assert seen_rows(seen).tolist() == [[3, 1], [2, 0]]
