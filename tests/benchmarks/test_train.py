"""Which batches are measured."""

import numpy as np
import pytest

from benchmarks.train import typical_stretch


@pytest.mark.parametrize(
    ("widths", "steps", "start"),
    [
        ([100, 100, 4, 4, 100, 4], 2, 1),
        ([4, 4, 4, 4, 100, 4, 4, 100], 4, 1),
        ([8, 4], 5, 0),
    ],
)
def test_a_stretch_is_as_wide_as_the_epoch(widths, steps, start):
    assert typical_stretch(np.array(widths), steps) == start
