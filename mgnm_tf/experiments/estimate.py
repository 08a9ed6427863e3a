"""How long a training will take, from a few measured steps."""

import math
import time
from dataclasses import dataclass

import keras

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.pipeline import num_batches
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model
from mgnm_tf.training.config import TrainConfig

TRAINING_STEPS, VALIDATION_STEPS = 6, 3


@dataclass(frozen=True)
class Estimate:
    """What one run of a model costs.

    Args:
        start: seconds until the first step is compiled.
        epoch: seconds of an epoch with its validation.
        epochs: the most epochs.
    """

    start: float
    epoch: float
    epochs: int

    @property
    def seconds(self) -> float:
        """The most seconds of a run, without its evaluation on the test."""
        return self.start + self.epochs * self.epoch


def estimate_run(data: SequenceDataset, config: TrainConfig) -> Estimate:
    """Measures a few steps of training and validation of a fresh model.

    A model that counts instead of training takes one pass over the data; it
    is not measured and taken for free.

    Args:
        data: the data set.
        config: the configuration of the run.

    Returns:
        The estimate, for this machine as busy as it is now.

    Raises:
        UserError: as `mgnm_tf.training.fit.train` would.
    """
    begin = time.perf_counter()
    model = make_model(data, config)
    if isinstance(model, StatisticalRecommender):
        return Estimate(start=1.0, epoch=0.0, epochs=1)
    compile_model(model, data, config, steps_per_execution=1)
    training, validation = make_batches(model, data, config)
    clock = _Clock()
    model.fit(
        training,
        steps_per_epoch=TRAINING_STEPS,
        shuffle=False,
        verbose=0,
        callbacks=[clock],
    )
    step = clock.seconds_per_step()
    model.evaluate(
        validation, steps=VALIDATION_STEPS, verbose=0, callbacks=[clock]
    )
    steps = num_batches(data, "train", batch_size=config.batch_size)
    checks = math.ceil(validation.cardinality())
    epoch = steps * step + checks * clock.seconds_per_step()
    return Estimate(time.perf_counter() - begin, epoch, config.epochs)


class _Clock(keras.callbacks.Callback):
    """Notes when each step ended."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_begin(self, logs=None):
        self.ends = []

    on_test_begin = on_train_begin

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())

    on_test_batch_end = on_train_batch_end

    def seconds_per_step(self) -> float:
        """The mean without the first step, which is compiled."""
        return (self.ends[-1] - self.ends[0]) / max(len(self.ends) - 1, 1)
