"""The command `mgnm`."""

import os

from mgnm_tf.cli import comparison as comparison
from mgnm_tf.cli import data as data
from mgnm_tf.cli import training as training
from mgnm_tf.cli.app import app


def main() -> None:
    """Runs the command line."""
    # 2: errors of TensorFlow's C++ code are shown, warnings are not.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    app(prog_name="mgnm")
