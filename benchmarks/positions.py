"""Targets a second: a history read once for all its positions, or for each."""

import keras
import numpy as np

from benchmarks.data import full_histories
from benchmarks.measure import figure
from benchmarks.measure import seconds_of
from benchmarks.settings import Settings
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.runs.config import configure
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model

USERS, ITEMS, LENGTH = 1_000, 3_416, 200
"""Histories of the length, and about the catalogue, of MovieLens-1M."""

MODELS = ("gru4rec", "sasrec", "hstu")
BATCH = {False: 256, True: 16}
"""Rows of a batch without and with `every_position`."""

STEPS = 40
"""Steps of a window, of batches in a shuffled order."""

OPTIONS = {
    "gru4rec": {},
    "sasrec": {"num_layers": 2},
    "hstu": {"num_layers": 2, "use_time": False},
}


def run(settings: Settings) -> dict[str, dict]:
    """Measures both ways by turns, so that a busy machine hits both alike.

    Width 64 and 500 shared negatives.

    Returns:
        model -> `each_target` and `every_position` (targets a second), and
        `times_faster`, of the windows of one turn.
    """
    users = 50 if settings.quick else USERS
    data = full_histories(users, ITEMS, targets=LENGTH - 1, length=1)
    report = {}
    for name in settings.labels(MODELS):
        keras.backend.clear_session()
        ways = {way: _prepare(name, data, way) for way in (False, True)}
        speeds = {way: [] for way in ways}
        for turn in range(1 + settings.windows):
            for way, window in ways.items():
                speed = window()
                if turn:  # The first one compiles.
                    speeds[way].append(speed)
        ratio = np.array(speeds[True]) / np.array(speeds[False])
        report[name] = {
            "each_target": figure(speeds[False]),
            "every_position": figure(speeds[True]),
            "times_faster": figure(ratio),
        }
    return report


def _prepare(name: str, data: SequenceDataset, every_position: bool):
    """Returns a function that trains a window and tells its speed."""
    config = configure(
        name,
        options={"embedding_dim": 64, **OPTIONS.get(name, {})},
        objective="sampled_softmax",
        shared_negatives=500,
        max_length=LENGTH,
        batch_size=BATCH[every_position],
        every_position=every_position,
        steps_per_execution=STEPS // 2,
    )
    model = make_model(data, config)
    compile_model(model, data, config)
    batches, _ = make_batches(model, data, config)
    batches = batches.take(STEPS).cache()
    targets = sum(int(labels.shape[0]) for _, labels in batches)
    batches = batches.repeat()

    def window() -> float:
        seconds = seconds_of(
            lambda: model.fit(
                batches, steps_per_epoch=STEPS, shuffle=False, verbose=0
            )
        )
        return targets / seconds

    return window
