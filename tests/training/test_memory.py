import numpy as np
import pytest

from mgnm_tf.training.memory import peak_memory
from mgnm_tf.training.memory import reset_peak_memory


def test_the_peak_is_that_since_the_reset():
    reset_peak_memory()
    before = peak_memory()
    block = np.ones(100 * 2**17)  # 100 MiB
    assert block[-1] == 1
    held = peak_memory()
    assert 90 < held - before < 140
    del block
    # The kernel counts pages for each thread and adds them up now and then.
    assert peak_memory() == pytest.approx(held, abs=10)
    reset_peak_memory()
    assert peak_memory() < held - 50
