"""Workers that Ray starts; a killed one costs at most an epoch."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from mgnm_tf.cluster.ray_train import train_by_ray
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.history import read_history
from mgnm_tf.runs.run import Run
from tests.cluster.processes import ROOT
from tests.cluster.test_hosts import OPTIONS
from tests.cluster.test_hosts import SETTINGS
from tests.cluster.test_hosts import assert_same_training
from tests.training.worlds import small_data

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason='Ray is not installed: pip install "mgnm_tf[cluster]"',
)
CONFIG = configure("youtube_dnn")
# Not over before Ray, which repeats the lines of its workers seconds later,
# has said which processes they are.
LONG = ("--epochs", "16", "--patience", "16")


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r'pip install "mgnm_tf\[cluster\]"'):
        train_by_ray(tmp_path, CONFIG, tmp_path / "run", workers=2)


def test_what_needs_no_cluster_is_refused_before_there_is_one(tmp_path):
    with pytest.raises(ValueError, match="`workers` must be at least 1"):
        train_by_ray(tmp_path, CONFIG, tmp_path / "run", workers=0)
    with pytest.raises(OutputExistsError, match="exists already"):
        train_by_ray(tmp_path, CONFIG, tmp_path, workers=1)


def command(data, out, *flags):
    """Returns the command line of a training on a loopback of its own.

    Ray takes the address of the machine, wherever it is told to listen.
    """
    line = [sys.executable, "-m", "mgnm_tf", "train", "youtube_dnn"]
    line += ["--data", data, "--out", out]
    for name, value in SETTINGS.items():
        line += [f"--{name.replace('_', '-')}", value]
    for name, value in OPTIONS.items():
        line += ["--set", f"{name}={value}"]
    return [str(word) for word in [*line, *flags]]


def start(line):
    alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"']
    return subprocess.Popen(
        [*alone, "sh", *line],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    probe = ["unshare", "--net", "true"]
    if shutil.which("unshare") is None or subprocess.run(probe).returncode:
        pytest.skip("this user may not make a network of its own")
    made = tmp_path_factory.mktemp("ray")
    small_data().save(made / "data")
    return made


@pytest.fixture(scope="module")
def undisturbed(folder):
    """The run of one process."""
    line = command(folder / "data", folder / "one", *LONG)
    subprocess.run(line, check=True, cwd=ROOT, capture_output=True)
    return folder / "one"


@pytest.mark.large
@needs_ray
def test_killed_workers_are_started_again_and_nothing_is_lost(
    folder, undisturbed
):
    """A worker is killed in epoch 2, and then one of the next ones."""
    out = folder / "two"
    history = out.with_name("two.partial") / "history.csv"
    killed, output = [], []
    line = command(folder / "data", out, "--workers", "2", *LONG)
    with start(line) as process:
        for line in process.stdout:
            output.append(line)
            pid = re.search(r"This is worker 1 .*, process (\d+)\.", line)
            if pid and len(killed) < 2:
                epochs = len(killed) + 1
                while (
                    not history.exists() or len(read_history(history)) < epochs
                ):
                    assert process.poll() is None, "".join(output)
                    time.sleep(0.05)
                os.kill(int(pid[1]), signal.SIGKILL)
                killed.append(epochs)
    assert process.returncode == 0, "".join(output)
    assert killed == [1, 2]
    assert_same_training(out, undisturbed, 1e-5)
    assert Run(out).environment["workers"] == 2
    assert sorted(path.name for path in folder.iterdir()) == [
        "data",
        "one",
        "two",
    ]


@pytest.mark.large
@needs_ray
@pytest.mark.parametrize(
    ("data", "flags", "message"),
    [
        ("nothing", ["--workers", "2"], r"mgnm: .*nothing"),
        (
            "data",
            ["--cluster", "127.0.0.1:6555"],
            r"mgnm: There is no Ray cluster at 127\.0\.0\.1:6555 .* Start one",
        ),
        (
            "data",
            ["--workers", "2", "--jit-compile"],
            "mgnm: XLA does not compile a step that several workers share",
        ),
    ],
)
def test_what_workers_refuse_ends_in_a_sentence(folder, data, flags, message):
    line = command(folder / data, folder / "refused", *flags)
    with start(line) as process:
        output, _ = process.communicate()
    assert process.returncode == 1
    assert re.search(message, output), output
    assert not list(folder.glob("refused*"))


ELASTIC = """
import subprocess, sys, threading, time
from pathlib import Path
from ray.cluster_utils import Cluster
from mgnm_tf.runs.history import read_history

history, *line = sys.argv[1:]
head = {"num_cpus": 0, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=head)
cluster.add_node(num_cpus=1)
other = cluster.add_node(num_cpus=1)
process = subprocess.Popen([*line, "--cluster", cluster.address])

def wait_for(epochs):
    while not Path(history).exists() or len(read_history(history)) < epochs:
        assert process.poll() is None
        time.sleep(0.2)
    return len(read_history(history))

done = wait_for(2)
cluster.remove_node(other, allow_graceful=False)
wait_for(done + 3)
cluster.add_node(num_cpus=1)
sys.exit(process.wait())
"""


@pytest.mark.large
@needs_ray
def test_a_lost_node_takes_part_again_when_it_is_back(folder):
    """Two workers, one, and two again."""
    out = folder / "elastic"
    flags = ["--workers", "2", "--least-workers", "1"]
    # Long enough for a node to come back: Ray looks every ten seconds.
    line = command(folder / "data", out, *flags)
    line += ["--epochs", "120", "--patience", "120"]
    history = folder / "elastic.partial" / "history.csv"
    with start([sys.executable, "-c", ELASTIC, str(history), *line]) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    changes = re.findall(
        r"was last at (\d) worker\(s\), and goes on with (\d)\.", output
    )
    assert changes == [("2", "1"), ("1", "2")], output
    assert Run(out).environment["workers"] == 2
    assert len(Run(out).history) == 120


def test_the_least_number_of_workers(tmp_path):
    for workers in (None, 1):
        with pytest.raises(UserError, match="Received: least_workers=2, "):
            train_by_ray(
                tmp_path,
                CONFIG,
                tmp_path / "run",
                workers=workers,
                least_workers=2,
            )
