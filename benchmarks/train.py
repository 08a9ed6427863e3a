"""Training: positives a second with `fit`, and the compiled step alone."""

import time

import keras
import numpy as np

from benchmarks.ceiling import Ceiling
from benchmarks.data import load_data
from benchmarks.flops import model_flops
from benchmarks.measure import figure
from benchmarks.measure import memory_into
from benchmarks.measure import seconds_of
from benchmarks.measure import significant
from benchmarks.measure import steps_for
from benchmarks.settings import Settings
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.recipes.label import read_label
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import count_parameters
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model
from mgnm_tf.training.build import training_batches

MOST_WIDTHS = 2_000
"""Batches that are looked at to know the mix of widths."""

TRAINING_FLOPS = 3
"""FLOPs of a training step, in forward passes: one forward, two backward."""


def run(settings: Settings) -> dict[str, dict]:
    """Measures every model that trains by gradients.

    Returns:
        label -> figures, see `measure_training`.
    """
    data = load_data(settings)
    return {
        label: measure_training(label, data, settings)
        for label in settings.labels()
        if not issubclass(
            model_class(read_label(label).model), StatisticalRecommender
        )
    }


def measure_training(
    label: str, data: SequenceDataset, settings: Settings
) -> dict:
    """Measures a fresh model, compiled as `mgnm train` compiles it.

    `fit` and the compiled train function alone take turns on the same
    batches, an epoch of the one and a window of the other. `fit` waits for
    the pipeline to make them; for the function they lie in memory.

    Args:
        label: the model.
        data: what it trains on.
        settings: how long, and with which histories.

    Returns:
        `positives_per_second` of `fit`; `step_ms` of the compiled function;
        `fit_overhead_percent`, the time of `fit` outside it; `retraces`
        after the first window; `mean_length` and `mean_width` of the
        histories before and after padding; parameters and memory. For an
        MGNM of the paper's parts also `ceiling_gflops`, the matrix product
        of this machine in the same minute, and the share of it that the
        step reaches, `share_of_ceiling_percent` by the real lengths,
        `share_with_padding_percent` by the padded ones.
    """
    config = settings.config(label)
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    report = {}
    with memory_into(report):
        model = make_model(data, config)
        report["parameters"] = count_parameters(model)
        compile_model(model, data, config, 2 if settings.quick else None)
        traces = count_traces(model)
        batches, _ = make_batches(model, data, config)
        execution = model.steps_per_execution

        def fit(executions, epochs=1, callbacks=()):
            steps = executions * execution
            model.fit(
                batches.take(steps).repeat(),
                steps_per_epoch=steps,
                epochs=epochs,
                callbacks=list(callbacks),
                shuffle=False,
                verbose=0,
            )

        report["first_step_seconds"] = significant(seconds_of(fit, 1))
        executions = steps_for(fit, settings.seconds)
        steps = executions * execution
        report["retraces"] = -len(traces)
        epoch = training_batches(data, config)
        start = typical_stretch(widths_of(batches, epoch), steps)
        batches, _ = make_batches(model, data, config, start)
        fixed = batches.take(steps).cache()
        shapes = batch_shapes(fixed)
        turns = TakeTurns(iter(fixed.repeat()), executions, Ceiling(settings))
        fit(executions, 1 + settings.windows, [turns])
        report["retraces"] += len(traces)
    fits, alone, ceilings = (
        np.array(values) for values in zip(*turns.windows[1:])
    )
    positives = len(shapes["lengths"])
    report |= {
        "positives_per_second": figure(positives / fits),
        "step_ms": figure(1000 * alone / steps),
        "fit_overhead_percent": figure(100 * (fits / alone - 1)),
        "steps_a_window": steps,
        "mean_length": significant(shapes["lengths"].mean()),
        "mean_width": significant(shapes["widths"].mean()),
    }
    flops = model_flops(model, shapes["lengths"], shapes["candidates"])
    if flops is not None:
        padded = model_flops(model, shapes["widths"], shapes["candidates"])
        reached = TRAINING_FLOPS * flops.sum() / alone / 1e9
        share = 100 * reached / ceilings
        report |= {
            "gflops": figure(reached),
            "ceiling_gflops": figure(ceilings),
            "share_of_ceiling_percent": figure(share),
            "share_with_padding_percent": figure(
                share * padded.sum() / flops.sum()
            ),
        }
    return report


def widths_of(batches, count: int) -> np.ndarray:
    """Returns the widths of the first batches, at most `MOST_WIDTHS`."""
    first = batches.take(min(count, MOST_WIDTHS))
    return np.array([features["history"].shape[1] for features, _ in first])


def typical_stretch(widths: np.ndarray, steps: int) -> int:
    """Returns where a stretch begins whose mean width is that of all.

    Batches have the widths of their buckets, so a few in a row may be far
    wider, and slower, than the whole epoch.

    Args:
        widths: of the batches of an epoch, in their order.
        steps: length of the stretch; 0 is returned if it is an epoch.
    """
    if steps >= len(widths):
        return 0
    sums = np.concatenate([[0], np.cumsum(widths)])
    means = (sums[steps:] - sums[:-steps]) / steps
    return int(np.abs(means - widths.mean()).argmin())


class TakeTurns(keras.callbacks.Callback):
    """Notes how long an epoch takes, and the same steps without `fit`.

    `windows` holds, for each epoch, the seconds of both and the GFLOP/s of a
    matrix product in the same moment. The first epoch starts the pipeline.

    Args:
        iterator: endless batches, those of an epoch again and again.
        executions: calls of the train function in an epoch.
        ceiling: what measures the matrix product.
    """

    def __init__(self, iterator, executions: int, ceiling: Ceiling):
        super().__init__()
        self.iterator = iterator
        self.executions = executions
        self.ceiling = ceiling
        self.windows = []

    def on_train_begin(self, logs=None):
        self._step()  # The first call is slower.

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        fit = time.perf_counter() - self.begin
        window = (fit, seconds_of(self._step), self.ceiling.measure())
        self.windows.append(window)

    def _step(self):
        for _ in range(self.executions):
            outputs = self.model.train_function(self.iterator)
        keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def count_traces(model: SequentialRecommender) -> list:
    """Returns a list that grows whenever the train step is traced."""
    traces, train_step = [], model.train_step

    def counted(data):
        traces.append(keras.tree.map_structure(lambda x: x.shape, data))
        return train_step(data)

    model.train_step = counted
    return traces


def batch_shapes(batches) -> dict:
    """Returns the shapes of all rows of some batches.

    Returns:
        `lengths` and `widths` (rows,): events and columns of each history;
        `candidates`: scores of a row.
    """
    lengths, widths, candidates = [], [], 0
    for features, labels in batches.as_numpy_iterator():
        history, candidates = features["history"], labels.shape[1]
        lengths.append((history != 0).sum(axis=1))
        widths.append(np.full(len(history), history.shape[1]))
    return {
        "lengths": np.concatenate(lengths),
        "widths": np.concatenate(widths),
        "candidates": candidates,
    }
