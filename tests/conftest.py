"""Options, markers and guards of the whole suite."""

import gc
import os
import shutil
import socket
import sys
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The suite is timed on two cores; more threads only get in each other's way.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "2")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--run-large",
        action="store_true",
        help="also run the tests marked `large`",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--run-large"):
        return
    skip = pytest.mark.skip(reason="large; run with --run-large")
    for item in items:
        # Not `item.keywords`, which has the names of folders, too.
        if item.get_closest_marker("large"):
            item.add_marker(skip)


def pytest_collection_finish():
    """Takes what is imported out of garbage collection.

    Every run of a study ends with a collection, which otherwise looks at all
    objects of TensorFlow each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seeds():
    """Starts every test from the same random state and dtype policy."""
    keras = sys.modules.get("keras")
    if keras is None:  # Tests of data alone need not load it.
        return
    keras.config.set_dtype_policy("float32")
    tf = sys.modules["tensorflow"]
    if tf.compat.v1.get_seed(1)[0] != 0:
        keras.utils.set_random_seed(0)
        return
    # Whenever TensorFlow is given a seed, it forgets all that it has compiled,
    # and a model that several tests share would be compiled for each of them.
    with mock.patch.object(tf.random, "set_seed"):
        keras.utils.set_random_seed(0)


@pytest.fixture
def eagerly():
    """Lets Keras train and rank without graphs.

    For short trainings whose graphs other tests prove: a graph takes longer
    to make than a few steps.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Refuses connections to other machines: the suite runs offline."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family == socket.AF_INET and address[0] not in (
            "127.0.0.1",
            "localhost",
        ):
            raise OSError(f"A test tried to reach {address}.")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def browser():
    """The program of a Chromium; without one the test is skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on this machine; apt-get install chromium")
