"""Serves a SavedModel with TensorFlow alone and prints what that costs.

    python serve.py FOLDER REQUEST.npz WINDOWS

It imports nothing of this project, as a server would not.
"""

import json
import resource
import sys
import time

import numpy as np
import tensorflow as tf


def memory() -> float:
    """Returns the most memory of the process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main(folder: str, request: str, windows: str) -> None:
    """Loads the model, asks it, prints JSON."""
    before = memory()
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
        "memory_mib": memory(),
        "tensorflow_mib": before,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
