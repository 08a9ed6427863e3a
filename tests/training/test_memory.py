import numpy as np

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
    assert peak_memory() == held
    reset_peak_memory()
    assert peak_memory() < held - 50
