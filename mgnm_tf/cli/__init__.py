"""The command `mgnm`."""

import os

from mgnm_tf.cli import comparison as comparison
from mgnm_tf.cli import data as data
from mgnm_tf.cli import estimate as estimate
from mgnm_tf.cli import explain as explain
from mgnm_tf.cli import models as models
from mgnm_tf.cli import serve as serve
from mgnm_tf.cli import serving as serving
from mgnm_tf.cli import start as start
from mgnm_tf.cli import study as study
from mgnm_tf.cli import training as training
from mgnm_tf.cli import tune as tune
from mgnm_tf.cli.app import app


def main() -> None:
    """Runs the command line."""
    # Without a GPU, TensorFlow's C++ code logs errors that are none; what
    # does go wrong is raised as an exception, too.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    app(prog_name="mgnm")
