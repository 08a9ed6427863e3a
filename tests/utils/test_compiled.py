"""Compiled functions give what they gave before."""

import keras
import numpy as np
from keras import ops

from mgnm_tf.utils.compiled import compiled


def test_compiled_function_of_nested_arguments():
    weight = keras.Variable(np.float32(3.0))
    calls = []

    def function(values, shift):
        calls.append(values["x"])
        return {"y": ops.exp(values["x"]) * weight + shift}

    fast = compiled(function)
    x = np.linspace(-1, 1, 7).astype("float32")
    for _ in range(3):
        found = fast({"x": ops.convert_to_tensor(x)}, ops.ones(()))
    np.testing.assert_allclose(found["y"], np.exp(x) * 3 + 1, rtol=1e-6)
    if keras.backend.backend() == "tensorflow":
        assert len(calls) == 1
