"""The FLOPs of MGNM, by hand and by what they must double with."""

import numpy as np
import pytest

from benchmarks.flops import mgnm_flops
from benchmarks.flops import model_flops
from mgnm_tf.models.mgnm import MGNM

PAPER = {
    "length": 100,
    "dim": 16,
    "interests": 4,
    "layers": 3,
    "iterations": 3,
    "candidates": 6,
}


def test_a_case_counted_by_hand():
    # m=3, d=2, K=1, L=1, tau=2, C=5, so 2 levels and 2 sequences:
    adjacency = 2 * 9 * 2
    propagation = 2 * 9 * 2 + 2 * 3 * 2 * 2
    projections = 2 * (2 * 3 * 2 * 2)
    # 2 sequences, 3 steps, 2 directions, each 2 products of 2 by 8.
    lstm = 2 * 3 * 2 * (2 * 2 * 8 + 2 * 2 * 8)
    output = 2 * 3 * (2 * 4 * 2)
    # 2 sums and 1 comparison of 3 items of width 2.
    routing = 2 * (2 + 1) * (2 * 3 * 2)
    interests = 2 * (2 * 2 * 2)
    scores = 2 * (2 * 2) * 5
    expected = adjacency + propagation + projections + lstm + output
    expected += routing + interests + scores
    assert mgnm_flops(3, 2, 1, 1, 2, 5) == expected


def test_without_graph_and_encoder_little_is_left():
    # Projection, one weighted sum, the interest, one score.
    assert mgnm_flops(1, 1, 1, 0, 1, 1) == 2 + 2 + 2 + 2


@pytest.mark.parametrize(
    ("name", "degree"), [("length", 2), ("dim", 2), ("candidates", 1)]
)
def test_growth_is_that_of_a_polynomial(name, degree):
    values = [mgnm_flops(**{**PAPER, name: n}) for n in (8, 16, 24, 32)]
    differences = np.diff(values, n=degree)
    assert (differences == differences[0]).all() and differences[0] > 0
    assert (np.diff(values, n=degree + 1) == 0).all()


def test_the_encoder_dominates_and_is_linear_in_the_length():
    short, long = (mgnm_flops(**{**PAPER, "length": n}) for n in (50, 100))
    assert 1.9 < long / short < 2.3


def test_a_model_is_read_for_its_sizes():
    lengths = np.array([1, 7, 100])
    flops = model_flops(MGNM(3, 9), lengths, 6)
    assert flops[2] == mgnm_flops(**PAPER)
    assert flops.shape == (3,)


def test_other_models_are_not_described():
    assert model_flops(MGNM(3, 9, interest_extractor="sum"), [1], 6) is None
