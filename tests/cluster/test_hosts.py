"""What several workers refuse, and how they agree; then two real ones."""

import json
import os
import re
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

from mgnm_tf.cluster import hosts
from mgnm_tf.cluster.hosts import Hosts
from mgnm_tf.cluster.task import Task
from mgnm_tf.errors import UserError
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.history import read_history
from mgnm_tf.runs.run import Run
from mgnm_tf.training import fit
from mgnm_tf.training.build import make_model
from tests.cluster.processes import ends
from tests.cluster.processes import start_workers
from tests.training.worlds import small_data

TASK = Task(0, ("host0:1", "host1:1"))


def two_workers(*others):
    """Returns the first of two workers; the second says `others`."""
    workers = Hosts(TASK, SimpleNamespace(num_replicas_in_sync=2))
    said = list(others)
    workers._exchange = lambda text: [text, said.pop(0) if said else text]
    return workers


@pytest.fixture(scope="module")
def data():
    return small_data()


@pytest.mark.parametrize(
    ("recipe", "settings", "message"),
    [
        ("popularity", {}, "popularity counts the training events once"),
        (
            "youtube_dnn",
            {"steps_per_execution": 3},
            "steps_per_execution=1, as Keras cannot .* Received: 3",
        ),
        ("youtube_dnn", {"jit_compile": True}, "XLA does not compile"),
        ("sasrec", {"every_position": True}, "numbers of targets"),
        ("sasrec", {"continue_from": "r"}, "continued by one process"),
        (
            "youtube_dnn",
            {"batch_size": 1},
            r"A batch of 1 positives cannot be divided among 2 workers, worker "
            r"1 of 2 \(host1:1\) would have none: give a batch_size of at "
            "least 2",
        ),
    ],
)
def test_what_workers_cannot_train_is_refused(data, recipe, settings, message):
    config = configure(recipe, **settings)
    with pytest.raises(UserError, match=message):
        two_workers().check(config, make_model(data, config))


def test_batch_statistics_are_warned_of(data, caplog):
    config = configure("a2svd")
    two_workers().check(config, make_model(data, config))
    assert "a2svd normalises over the batch" in caplog.text


def test_what_fails_on_one_worker_fails_on_all():
    with two_workers().together():
        pass
    message = r"^Worker 1 of 2 \(host1:1\): There is no data folder\.$"
    with pytest.raises(UserError, match=message):
        with two_workers("There is no data folder.").together():
            pass
    message = r"^Worker 0 of 2 \(host0:1\): No room\.$"
    with pytest.raises(UserError, match=message):
        with two_workers("").together():
            raise UserError("No room.")
    # A mistake that all have made is no worker's own.
    with pytest.raises(UserError, match=r"^No room\.$"):
        with two_workers().together():
            raise UserError("No room.")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("Keras", "3.1", r"has the Keras 3\.1, .* has .* Install the same ver"),
        ("data", "abc", "has the data abc, .* Give all the same data folder"),
        ("options", {"seed": 7}, "has the options seed=7, .* has seed=0. Give"),
    ],
)
def test_workers_that_differ_are_named(data, name, value, message):
    config = configure("youtube_dnn")
    workers = two_workers()
    workers.compare(config, data)

    def exchange(text):
        theirs = json.loads(text)
        if name == "options":
            theirs[name].update(value)
        else:
            theirs[name] = value
        return [text, json.dumps(theirs)]

    workers._exchange = exchange
    with pytest.raises(
        UserError, match=r"^Worker 1 of 2 \(host1:1\) " + message
    ):
        workers.compare(config, data)


def test_a_worker_that_is_gone_is_told_in_a_sentence():
    import tensorflow as tf

    message = r"Worker 0 of 2 \(host0:1\) can no longer reach another one"
    with pytest.raises(hosts.LostWorkerError, match=message):
        with hosts._losses_in_words(TASK):
            raise tf.errors.UnavailableError(None, None, "Connection reset")


OPTIONS = {"embedding_dim": 8, "dropout": 0.0, "projection": True}
SETTINGS = {
    "objective": "sampled_softmax",
    "shared_negatives": 20,
    "learning_rate": 0.1,
    # Of 1,020 positives: the last batch has 5 rows, 2 and 3.
    "batch_size": 145,
    "epochs": 6,
    "patience": 1,
    "monitor": "val_mrr@5",
    "validation_negatives": 50,
}


def command(data, out, **settings):
    flags = ["train", "youtube_dnn", "--data", data, "--out", out, "--hosts"]
    for name, value in {**SETTINGS, **settings}.items():
        flags += [f"--{name.replace('_', '-')}", value]
    for name, value in OPTIONS.items():
        flags += ["--set", f"{name}={value}"]
    return flags


def assert_same_training(run, other, tolerance):
    """Asserts that weights, moments and history are equal up to rounding."""
    run, other = Run(run), Run(other)
    ours, theirs = run.load_model(), other.load_model()
    for mine, their in zip(
        ours.variables + ours.optimizer.variables,
        theirs.variables + theirs.optimizer.variables,
        strict=True,
    ):
        if mine.name != "seed_generator_state":
            np.testing.assert_allclose(
                mine, their, rtol=0, atol=tolerance, err_msg=mine.path
            )
    assert len(run.history) == len(other.history)
    for row, expected in zip(run.history, other.history, strict=True):
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, abs=tolerance), name


def test_two_processes_train_what_one_trains(data, tmp_path):
    data.save(tmp_path / "data")
    commands = [command(tmp_path / "data", tmp_path / "two")] * 2
    processes = start_workers(commands)
    one = fit.train(
        data,
        "youtube_dnn",
        tmp_path / "one",
        options=OPTIONS,
        verbose=0,
        **SETTINGS,
    )
    for code, _, errors in ends(processes):
        assert code == 0, errors
    assert_same_training(tmp_path / "two", one, 1e-5)
    # It stopped early, alike.
    assert 1 < len(Run(one).history) < SETTINGS["epochs"]
    assert Run(tmp_path / "two").environment["workers"] == 2
    files = {path.name for path in (tmp_path / "two").iterdir()}
    assert files == {path.name for path in one.iterdir()}


def kill_after(process, history, epochs):
    """Kills a process when its training has written so many epochs."""
    while not history.exists() or len(read_history(history)) < epochs:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)


@pytest.mark.large
def test_other_numbers_of_workers_go_on_after_a_kill(data, tmp_path):
    """Two workers, one of them killed; one, killed, too; two again."""
    data.save(tmp_path / "data")
    out, history = tmp_path / "run", tmp_path / "run.partial" / "history.csv"
    line = command(tmp_path / "data", out)
    processes = start_workers([line] * 2)
    kill_after(processes[1], history, 1)
    (code, _, errors), _ = ends(processes)
    assert code == 1 and "worker 0 of 2" in errors.lower(), errors
    assert "start all of them again" in errors
    (alone,) = start_workers([line])
    kill_after(alone, history, 2)
    ((_, _, errors),) = ends([alone])
    assert "was last at 2 worker(s), and goes on with 1." in errors
    for code, _, errors in ends(start_workers([line] * 2)):
        assert code == 0, errors
    one = fit.train(
        data,
        "youtube_dnn",
        tmp_path / "one",
        options=OPTIONS,
        verbose=0,
        **SETTINGS,
    )
    assert_same_training(out, one, 1e-5)


@pytest.mark.large
def test_a_worker_without_the_data_ends_all_in_its_name(data, tmp_path):
    data.save(tmp_path / "data")
    lines = [
        command(tmp_path / name, tmp_path / "run") for name in ("data", "gone")
    ]
    for code, _, errors in ends(start_workers(lines)):
        assert code == 1
        assert re.search(r"mgnm: Worker 1 of 2 \(127.*\): .*gone", errors)
    assert not list(tmp_path.glob("run*"))
