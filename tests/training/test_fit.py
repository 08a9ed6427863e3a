import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.models.loading import load_model
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.history import read_history
from mgnm_tf.runs.run import Run
from mgnm_tf.training import callbacks as own_callbacks
from mgnm_tf.training import fit
from tests.training.worlds import small_data

CONFIG = TrainConfig(
    # Its graph is soon made, and there are many runs here.
    model="youtube_dnn",
    options={"embedding_dim": 8, "dropout": "0.3", "projection": "True"},
    batch_size=64,
    epochs=6,
    patience=2,
    validation_negatives=50,
    steps_per_execution=3,
    optimizer={"learning_rate": 0.18},
)

# An interrupted `fit` leaves the file of `CSVLogger` open, as a kill does.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


class Killed(BaseException):
    """Stands for the end of the process."""


class KillAt(keras.callbacks.Callback):
    """Ends the process after a batch of an epoch."""

    def __init__(self, epoch, batch, kill):
        super().__init__()
        self.epoch, self.batch, self.kill = epoch, batch, kill

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch >= self.batch:
            self.kill()


def die():
    raise Killed


@pytest.fixture(scope="module")
def data():
    return small_data()


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return fit.train(data, CONFIG, out, verbose=0)


def assert_same_run(run, whole):
    for name in (run_folder.HISTORY, run_folder.METRICS, run_folder.CONFIG):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    for path in (run, whole):
        names = {entry.name for entry in path.iterdir()}
        assert names == {
            "beyond_accuracy.json",
            "config.json",
            "environment.json",
            "history.csv",
            "metrics.json",
            "model.keras",
            "recipe.toml",
            "test_ranks.parquet",
            "timing.json",
        }
    ours, theirs = (load_model(path / "model.keras") for path in (run, whole))
    ours = ours.variables + ours.optimizer.variables
    theirs = theirs.variables + theirs.optimizer.variables
    assert len(ours) == len(theirs) > 8
    for mine, other in zip(ours, theirs, strict=True):
        if mine.name != "seed_generator_state":
            np.testing.assert_array_equal(mine, other)


def test_a_run_stops_early_and_keeps_the_best_epoch(whole, data):
    rows = read_history(whole / run_folder.HISTORY)
    values = [row["val_ndcg@5"] for row in rows]
    # What follows tests little if the best epoch is the first or the last.
    assert 0 < int(np.argmax(values)) == len(values) - 3
    assert len(values) < CONFIG.epochs
    assert rows[-1]["loss"] < rows[0]["loss"]


def kill_in_best_weights(monkeypatch, epoch):
    """The row of the history is written, the best weights are half."""

    def on_epoch_end(self, now, logs=None):
        if now == epoch:
            self.path(self.folder, epoch).write_bytes(b"half a file")
            raise Killed
        keras.callbacks.ModelCheckpoint.on_epoch_end(self, now, logs)

    monkeypatch.setattr(own_callbacks.BestWeights, "on_epoch_end", on_epoch_end)


def kill_in_backup(monkeypatch, epoch):
    """Weights are written, the number of their epoch is not."""

    def save_model(self):
        original(self)
        if self._current_epoch == epoch + 1:
            os.remove(self._training_metadata_path)
            raise Killed

    original = keras.callbacks.BackupAndRestore._save_model
    monkeypatch.setattr(own_callbacks.SealedBackup, "_save_model", save_model)


def fill_the_disk(monkeypatch, epoch):
    def save_model(self):
        if self._current_epoch == epoch + 1:
            raise OSError(28, "No space left on device")
        original(self)

    original = keras.callbacks.BackupAndRestore._save_model
    monkeypatch.setattr(own_callbacks.SealedBackup, "_save_model", save_model)


def leave_no_room(monkeypatch, epoch):
    def on_epoch_end(self, number, logs=None):
        if number == epoch:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        own_callbacks.RoomForWeights, "on_epoch_end", on_epoch_end
    )


def kill_after_backup(monkeypatch, epoch):
    """The new backup is sealed, the previous one still there."""

    def rmtree(path, **kwargs):
        if Path(path).name == f"epoch-{epoch:05d}":
            raise Killed
        original(path, **kwargs)

    original = shutil.rmtree
    monkeypatch.setattr(own_callbacks.shutil, "rmtree", rmtree)


def kill_in_evaluation(monkeypatch, epoch):
    monkeypatch.setattr(fit, "write_evaluation", lambda *args: die())


def test_a_run_killed_again_and_again_ends_like_a_whole_one(
    data, whole, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    last = len(read_history(whole / run_folder.HISTORY)) - 1
    for kill, epoch in [
        (kill_in_best_weights, 1),
        (fill_the_disk, 1),
        (leave_no_room, 1),
        (kill_after_backup, 2),
        # Between the best epoch and the one at which patience ends.
        (kill_in_backup, last),
        (kill_in_evaluation, None),
    ]:
        with monkeypatch.context() as patch:
            kill(patch, epoch)
            with pytest.raises((Killed, UserError)):
                fit.train(data, CONFIG, out, verbose=0)
        assert not out.exists()
        with open(run_folder.partial_path(out) / "history.csv", "a") as file:
            file.write("9,0.1")
    fit.train(data, CONFIG, out, verbose=0)
    assert_same_run(out, whole)


def test_a_killed_process_leaves_a_run_that_goes_on(data, whole, tmp_path):
    script = (
        "import os, signal, sys\n"
        "from tests.training import test_fit as t\n"
        "kill = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
        "t.fit.train(t.small_data(), t.CONFIG, sys.argv[1], verbose=0,\n"
        "            callbacks=[t.KillAt(2, 8, kill)])\n"
    )
    out = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", script, out], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()
    fit.train(data, CONFIG, out, verbose=0)
    assert_same_run(out, whole)


def test_timing_covers_every_epoch_of_a_resumed_run(data, whole):
    timing = json.loads((whole / run_folder.TIMING).read_text())
    assert len(timing["epochs"]) == len(
        read_history(whole / run_folder.HISTORY)
    )
    assert timing["positives_per_second"] > 0
    # 16 batches make 15 steps; the first 3 compile and are left out.
    positives = len(data.positions("train")) / 16 * 12
    assert timing["epochs"][0]["steady_positives"] == pytest.approx(positives)


def test_nothing_is_left_by_an_unusable_request(data, tmp_path):
    out = tmp_path / "run"
    for change, message in [
        ({"recipe": "gru4re"}, "Did you mean 'gru4rec'"),
        ({"recipe": "gru4rec:recomended"}, "Did you mean 'recommended'"),
        ({"options": {"embeding_dim": 8}}, "Did you mean 'embedding_dim'"),
        ({"options": {"max_length": 8}}, "an option of the training"),
        ({"epoch": 8}, "Did you mean 'epochs'"),
        ({"recipe": CONFIG, "epochs": 8}, "A configuration is complete"),
        ({"after": "gru4rec:mgnm_papr"}, "Did you mean 'mgnm_paper'"),
        ({"init_from": "nowhere"}, "There is no run folder nowhere"),
    ]:
        arguments = {"recipe": "gru4rec", "out": out, **change}
        with pytest.raises(UserError, match=message):
            fit.train(data, **arguments, verbose=0)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputExistsError):
        fit.train(data, CONFIG, tmp_path, verbose=0)


def test_a_diverged_training_is_an_error_and_clears_up(data, tmp_path):
    config = TrainConfig.from_dict(
        {**CONFIG.to_dict(), "optimizer": {"learning_rate": 1e3}, "epochs": 2}
    )

    class Poison(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            weight = self.model.trainable_variables[0]
            weight.assign(np.full(weight.shape, np.nan))

    with pytest.raises(UserError, match="diverged in epoch 1.*below 1000"):
        fit.train(
            data, config, tmp_path / "run", verbose=0, callbacks=[Poison()]
        )
    assert list(tmp_path.iterdir()) == []


def test_a_counting_model_leaves_the_same_kind_of_run(data, tmp_path):
    run = fit.train(
        data, TrainConfig(model="popularity"), tmp_path / "r", verbose=0
    )
    metrics = json.loads((run / run_folder.METRICS).read_text())
    assert list(metrics["test"]) == ["gauc", "ndcg@5", "hit@5", "mrr@5"]
    timing = json.loads((run / run_folder.TIMING).read_text())
    assert timing["epochs"][0]["steady_positives"] == len(
        data.positions("train")
    )


def test_mixed_precision_is_over_after_the_run(data, tmp_path):
    config = CONFIG.model_copy(update={"epochs": 1, "mixed_precision": True})
    run = fit.train(data, config, tmp_path / "run", verbose=0)
    model = load_model(run / "model.keras")
    assert model.dtype_policy.name == "mixed_float16"
    assert keras.config.dtype_policy().name == "float32"


def test_the_test_part_is_watched_and_decides_nothing(data, whole, tmp_path):
    config = CONFIG.model_copy(update={"watch_test": True})
    run = Run(fit.train(data, config, tmp_path / "run", verbose=0))
    plain = Run(whole)
    assert plain.best_on_test == {}
    for row, other in zip(run.history, plain.history, strict=True):
        assert other.items() <= row.items()
    assert run.metrics == plain.metrics
    # The epoch that validation chose has, on the way, what it has at the end.
    chosen = run.history[run.best_epoch - 1]
    for name, value in run.metrics["test"].items():
        assert chosen[f"test_{name}"] == pytest.approx(value, abs=1e-6)
        column = [row[f"test_{name}"] for row in run.history]
        assert run.best_on_test[name] == max(column) >= value
    assert len({row["test_ndcg@5"] for row in run.history}) > 1
