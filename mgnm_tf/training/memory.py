"""The most memory that a run held."""

import os
import resource
import sys
from pathlib import Path

import tensorflow as tf

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak_memory() -> None:
    """Starts a new measurement; `peak_memory` then looks no further back.

    Where the system offers no reset (anywhere but on Linux), the peak is
    that of the process.
    """
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.reset_memory_stats("GPU:0")
    elif os.access(_RESET, os.W_OK):
        _RESET.write_text("5", encoding="ascii")


def peak_memory() -> float:
    """Returns the peak in MiB since `reset_peak_memory`.

    It is the memory of the first GPU if there is one, otherwise the resident
    memory of the process, TensorFlow's own few hundred MiB included.
    """
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return int(value.split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
