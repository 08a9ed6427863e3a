"""How long a training will take, from a few measured steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace

import keras

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model
from mgnm_tf.training.build import training_batches
from mgnm_tf.training.length import for_data

FEWEST_STEPS, MOST_STEPS = 4, 256
LONG_ENOUGH = 1.0
"""Seconds after which no more steps are measured."""


@dataclass(frozen=True)
class Estimate:
    """What one run of a model costs.

    Args:
        start: seconds until the first step is compiled.
        epoch: seconds of an epoch with its validation.
        epochs: the most epochs, of a refit those of both trainings.
        validation: seconds of the validation in `epoch`. Defaults to 0.
    """

    start: float
    epoch: float
    epochs: int
    validation: float = 0.0

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
    if config.refit:
        once = estimate_run(data, config.model_copy(update={"refit": False}))
        if not once.epoch:  # It counts, once.
            return once
        return replace(once, start=2 * once.start, epochs=2 * once.epochs)
    config = for_data(config, data)
    begin = time.perf_counter()
    model = make_model(data, config)
    if isinstance(model, StatisticalRecommender):
        return Estimate(start=1.0, epoch=0.0, epochs=1)
    compile_model(model, data, config, steps_per_execution=1)
    training, validation = make_batches(model, data, config)
    step, check = _Clock(), _Clock()
    step.measure(
        lambda steps: model.fit(
            training,
            steps_per_epoch=steps,
            shuffle=False,
            verbose=0,
            callbacks=[step],
        )
    )
    start = time.perf_counter() - begin
    endless = validation.repeat()
    check.measure(
        lambda steps: model.evaluate(
            endless, steps=steps, verbose=0, callbacks=[check]
        )
    )
    steps = training_batches(data, config)
    checking = int(validation.cardinality()) * check.seconds
    epoch = steps * step.seconds + checking
    return Estimate(start, epoch, config.epochs, checking)


class _Clock(keras.callbacks.Callback):
    """Notes when each step ended; `seconds` is what one takes."""

    def measure(self, run: Callable[[int], object]) -> None:
        """Calls `run(steps)` until the steps lasted long enough."""
        steps = FEWEST_STEPS
        run(steps)
        while self.ends[-1] - self.ends[0] < LONG_ENOUGH and steps < MOST_STEPS:
            steps *= 4
            run(steps)
        # Without the first step, which is compiled.
        self.seconds = (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)

    def on_train_begin(self, logs=None):
        self.ends = []

    on_test_begin = on_train_begin

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())

    on_test_batch_end = on_train_batch_end
