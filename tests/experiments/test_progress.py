import io

from rich.console import Console

from mgnm_tf.experiments.progress import EpochProgress
from mgnm_tf.experiments.progress import make_progress


def make_bar():
    progress = make_progress(Console(file=io.StringIO()))
    progress.add_task("", total=None)
    return progress


def epoch(callback, number, batches=4):
    callback.params = {"steps": batches}
    callback.on_epoch_begin(number)
    for batch in range(batches):
        callback.on_train_batch_end(batch)


def test_a_run_moves_the_bar_by_epochs():
    progress = make_bar()
    callback = EpochProgress(progress, "a, seed 0", epochs=3, later=10)
    task = progress.tasks[0]
    assert (task.completed, task.total) == (0, 13)
    epoch(callback, 0)
    assert (task.completed, task.total) == (1, 13)
    assert task.description == "a, seed 0, epoch 1"
    callback.on_epoch_begin(1)
    callback.on_train_batch_end(1)
    assert task.completed == 1.5


def test_epochs_that_are_not_run_do_not_count():
    progress = make_bar()
    resumed = EpochProgress(progress, "a", epochs=5, later=4)
    epoch(resumed, 3)
    task = progress.tasks[0]
    assert (task.completed, task.total) == (1, 6)
    # The first run stopped early, after one epoch of its last two.
    EpochProgress(progress, "b", epochs=4, later=0)
    assert (task.completed, task.total) == (1, 5)


def test_nothing_is_drawn_into_a_file():
    file = io.StringIO()
    with make_progress(Console(file=file)) as progress:
        progress.add_task("", total=2)
    assert file.getvalue().strip() == ""
