"""Serves a SavedModel with TensorFlow alone and prints what that costs.

    python -m benchmarks.serve FOLDER REQUEST.npz WINDOWS

It does not import `mgnm_tf`, as a server would not.
"""

import json
import sys
import time

import numpy as np
import tensorflow as tf

from benchmarks.resident import peak_resident


def main(folder: str, request: str, windows: str) -> None:
    """Loads the model, asks it, prints JSON."""
    before = peak_resident()
    begin = time.perf_counter()
    served = tf.saved_model.load(folder)
    load_seconds = time.perf_counter() - begin
    features = {
        name: tf.constant(values) for name, values in np.load(request).items()
    }
    np.asarray(served.serve(features))  # The first one compiles.
    milliseconds = []
    for _ in range(int(windows)):
        begin = time.perf_counter()
        np.asarray(served.serve(features))
        milliseconds.append(1000 * (time.perf_counter() - begin))
    result = {
        "load_seconds": load_seconds,
        "request_ms": milliseconds,
        "memory_mib": peak_resident(),
        "tensorflow_mib": before,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
