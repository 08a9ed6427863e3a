"""What a run was made with: versions, device, data."""

import platform
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.utils.cores import usable_cores
from mgnm_tf.version import __version__

_PACKAGES = (tf, keras, np, pd, pa)
_PACKAGE = Path(__file__).resolve().parent.parent


def device_name() -> str:
    """Returns the device that TensorFlow trains on, in words.

    Returns:
        For example `"CPU (2 cores)"` or `"GPU (NVIDIA H100)"`.
    """
    names = [
        tf.config.experimental.get_device_details(device).get(
            "device_name", device.name
        )
        for device in tf.config.list_physical_devices("GPU")
    ]
    if names:
        return f"GPU ({', '.join(names)})"
    return f"CPU ({len(usable_cores())} cores)"


def describe_environment(
    data: SequenceDataset, path: str | None, parameters: int
) -> dict[str, Any]:
    """Returns the content of `environment.json`.

    Args:
        data: the data set that is trained on.
        path: the folder it was read from, if any.
        parameters: the number of weights of the model.
    """
    return {
        "date": date.today().isoformat(),
        "mgnm_tf": __version__,
        "commit": current_commit(),
        "python": platform.python_version(),
        "packages": {
            package.__name__: package.__version__ for package in _PACKAGES
        },
        "platform": platform.platform(),
        "backend": keras.backend.backend(),
        "device": device_name(),
        "parameters": parameters,
        "data": {
            "name": data.metadata.get("name") or "unnamed",
            "path": path,
            "fingerprint": data.fingerprint,
            "metadata": data.metadata,
        },
    }


def current_commit() -> str:
    """Returns the commit of this package, "" where it is in no checkout.

    A "+" behind it says that files of the package were changed since.
    """

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(_PACKAGE), *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:  # There is no git.
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if git("ls-files", "--error-unmatch", "version.py") is None:
        return ""
    changed = git("status", "--porcelain", "--untracked-files=no", ".")
    return f"{git('rev-parse', '--short=10', 'HEAD')}{'+' if changed else ''}"
