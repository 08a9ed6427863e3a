"""The test part after every epoch, as published session code reads it."""

from dataclasses import replace

import keras

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.evaluation.evaluate import evaluate
from mgnm_tf.evaluation.protocol import Protocol


class WatchTest(keras.callbacks.Callback):
    """Ranks the test part at the end of each epoch and decides nothing.

    Published code of session models reports, of every metric by itself, the
    best of all epochs on the test part. With the columns that this adds to
    the history (`test_hit@20`, ...) such a number can stand beside that of
    the epoch that validation chose, which is lower and the honest one.

    Args:
        data: the data set.
        protocol: how to evaluate; its part is taken as "test".
    """

    def __init__(self, data: SequenceDataset, protocol: Protocol):
        super().__init__()
        self.data = data
        self.protocol = replace(protocol, part="test")

    def on_epoch_end(self, epoch, logs=None):
        if logs is None:
            return
        found = evaluate(self.model, self.data, self.protocol, verbose=0)
        for name, value in found.metrics().items():
            logs[f"test_{name}"] = value
