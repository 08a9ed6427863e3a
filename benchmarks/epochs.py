"""Seconds of an epoch: every model by its recipe, with one batch for all."""

import time

import keras
import numpy as np

from benchmarks.data import load_data
from benchmarks.measure import figure
from benchmarks.measure import steps_for
from benchmarks.settings import Settings
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.runs.config import configure
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import count_parameters
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model
from mgnm_tf.training.build import training_batches

MODELS = (
    "atten_mixer",
    "dsan",
    "dhcn",
    "niser_plus",
    "lessr",
    "sgnnhn",
    "gcsan",
    "srgnn",
    "narm",
    "nextitnet",
    "srgnn_atten_mixer",
    "sgnnhn_atten_mixer",
    "mgnm+sessions",
    "gru4rec",
    "sasrec",
)
"""Those of table 2 of the Atten-Mixer paper, and ours beside them."""

BATCH = 512


def run(settings: Settings) -> dict[str, dict]:
    """Measures windows of training steps, and multiplies.

    An epoch is the training alone, with the making of its batches and
    without its validation; the first window, which starts the pipeline, does
    not count. Every window has new batches.

    Returns:
        label -> `epoch_seconds`, which is `step_ms` by `steps`, and
        `parameters`.
    """
    data = load_data(settings)
    models = MODELS[:1] if settings.quick else MODELS
    return {
        label: _measure(label, data, settings)
        for label in settings.labels(models)
    }


def _measure(label: str, data: SequenceDataset, settings: Settings) -> dict:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    config = configure(label, batch_size=BATCH, max_length=settings.max_length)
    model = make_model(data, config)
    compile_model(model, data, config, 2 if settings.quick else None)
    batches, _ = make_batches(model, data, config)

    def fit(executions: int, epochs: int = 1) -> list[float]:
        watch = Watch()
        model.fit(
            batches,
            steps_per_epoch=executions * model.steps_per_execution,
            epochs=epochs,
            callbacks=[watch],
            shuffle=False,
            verbose=0,
        )
        return watch.seconds

    executions = steps_for(fit, settings.seconds)
    windows = fit(executions, 1 + settings.windows)[1:]
    step = np.array(windows) / (executions * model.steps_per_execution)
    steps = training_batches(data, config)
    return {
        "epoch_seconds": figure(step * steps),
        "step_ms": figure(1000 * step),
        "steps": steps,
        "parameters": count_parameters(model),
    }


class Watch(keras.callbacks.Callback):
    """Notes in `seconds` how long each epoch of `fit` takes."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.begin)
