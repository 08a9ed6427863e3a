"""TensorFlow without what it says of the machine when it is imported."""

import logging
import os
import sys
import tempfile


def load_tensorflow() -> None:
    """Imports TensorFlow without what it says of CPU features and CUDA.

    It writes to the file descriptor, before any setting of it is read.
    """
    if "tensorflow" in sys.modules:
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            import tensorflow
        except BaseException:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    tensorflow.get_logger().setLevel(logging.ERROR)
