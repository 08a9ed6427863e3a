import io

import pytest
from rich.console import Console

from mgnm_tf.studies.estimate import Estimate
from mgnm_tf.studies.progress import EpochProgress
from mgnm_tf.studies.progress import duration
from mgnm_tf.studies.progress import make_progress


def make_bar():
    progress = make_progress(Console(file=io.StringIO()))
    progress.add_task("", total=None)
    return progress


def epoch(callback, number, batches=4):
    callback.params = {"steps": batches}
    callback.on_epoch_begin(number)
    for batch in range(batches):
        callback.on_train_batch_end(batch)


def test_a_run_moves_the_bar_by_its_expected_seconds():
    progress = make_bar()
    one = Estimate(start=4.0, epoch=2.0, epochs=3)
    callback = EpochProgress(progress, "a, seed 0", one, later=30.0)
    task = progress.tasks[0]
    assert (task.completed, task.total) == (0, 40)
    epoch(callback, 0)
    assert (task.completed, task.total) == (2, 40)
    assert task.description == "a, seed 0, epoch 1"
    callback.on_epoch_begin(1)
    assert (task.completed, task.total) == (6, 40)
    callback.on_train_batch_end(1)
    assert task.completed == 7


def test_epochs_that_are_not_run_do_not_count():
    progress = make_bar()
    one = Estimate(start=0.0, epoch=2.0, epochs=5)
    resumed = EpochProgress(progress, "a", one, later=8.0)
    epoch(resumed, 3)
    task = progress.tasks[0]
    assert (task.completed, task.total) == (2, 12)
    # The first run stopped early, after one epoch of its last two.
    EpochProgress(progress, "b", Estimate(0.0, 2.0, 4), later=0.0)
    assert (task.completed, task.total) == (2, 10)


def test_nothing_is_drawn_into_a_file():
    file = io.StringIO()
    with make_progress(Console(file=file)) as progress:
        progress.add_task("", total=2)
    assert file.getvalue().strip() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89, "89 s"), (700, "12 min"), (12600, "3.5 h")],
)
def test_durations_are_words(seconds, text):
    assert duration(seconds) == text
