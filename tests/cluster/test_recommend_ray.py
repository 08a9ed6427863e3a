"""Recommendations by workers of Ray.

What a worker does is tested without Ray; with it, in processes of their own,
that several of them give what one process gives.
"""

import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from mgnm_tf.cluster import recommend_ray
from mgnm_tf.errors import UserError
from mgnm_tf.serving.bulk.history_parts import find_parts
from mgnm_tf.serving.bulk.recommend_file import ListOptions
from mgnm_tf.serving.bulk.recommend_folder import recommend_folder
from mgnm_tf.version import __version__
from tests.export.worlds import export_sums
from tests.serving.folders import made_events
from tests.serving.folders import read_folder
from tests.serving.folders import write_folder
from tests.test_cli import refused

ROOT = Path(__file__).parents[2]
K3 = ListOptions(k=3)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return export_sums(tmp_path_factory.mktemp("export") / "served")


@pytest.fixture
def history(tmp_path):
    return write_folder(tmp_path / "history", made_events(20))


def test_without_ray(history, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    line = refused(
        *("recommend", tmp_path, "--history", history),
        *("--out", tmp_path / "out", "--workers", 2),
    )
    assert 'not installed: pip install "mgnm_tf[cluster]"' in line


def test_workers_that_cannot_be(history, tmp_path):
    command = ["recommend", tmp_path, "--out", tmp_path / "out", "--history"]
    line = refused(*command, history, "--workers", 0)
    assert "`workers` must be at least 1. Received: workers=0" in line
    line = refused(*command, history / "part-0.parquet", "--workers", 2)
    assert "divide a folder of Parquet files" in line


def test_a_worker_names_itself_where_a_machine_differs(
    export, history, tmp_path
):
    (part, *_) = find_parts(history, tmp_path / "out", "f", K3)

    def problem(export=export, version=__version__, **changes):
        worker = recommend_ray._Worker(str(export), K3, version)
        done = worker({**asdict(part), **changes})
        assert done["of_all"]
        start = f"The worker on {socket.gethostname()}: "
        assert done["problem"].startswith(start)
        return done["problem"].removeprefix(start)

    assert problem(version="0.0").startswith(f"it has mgnm_tf {__version__}, ")
    assert problem(tmp_path / "no").startswith("it does not see ")
    assert problem(history="/no/such").startswith("it does not see /no/such")
    damaged = problem(history)
    assert "is not an export folder" in damaged
    (tmp_path / "file").touch()
    unwritten = problem(out=str(tmp_path / "file" / "out"))
    assert "could not be written" in unwritten


def test_a_folder_that_is_not_shared(history, tmp_path):
    done = recommend_ray.PartDone("x", users=1)
    with pytest.raises(UserError, match="has written .* is not shared"):
        recommend_ray._checked(done, {"x": str(tmp_path / "x")})


def run(code, *arguments):
    """Runs code in a fresh process; returns it."""
    pytest.importorskip("ray.data", reason="needs the extra `cluster`")
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=900,
    )


KILL = """
import os, signal, subprocess, sys
from mgnm_tf.cluster.recommend_ray import on_ray
from mgnm_tf.serving.bulk.recommend_file import ListOptions
from mgnm_tf.serving.bulk.recommend_folder import recommend_folder

def children(pid):
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(pid)],
        capture_output=True, text=True,
    )
    return [line.split(None, 1) for line in listed.stdout.splitlines()]

def workers():
    for raylet, _ in children(os.getpid()):
        for pid, name in children(raylet):
            if "_Worker" in name:
                yield int(pid)

killed = []

def progress(done, parts):
    if not killed:
        killed.extend(sorted(workers())[:1])
        os.kill(killed[0], signal.SIGKILL)

export, history, out = sys.argv[1:]
found = recommend_folder(
    export, history, out, ListOptions(k=3), progress, on_ray(export, 2)
)
print(found.parts, found.users, len(killed))
"""


@pytest.mark.large
def test_the_parts_of_a_killed_worker_are_done_again(export, tmp_path):
    history = write_folder(tmp_path / "history", made_events(300), parts=30)
    done = run(KILL, export, history, tmp_path / "out")
    assert done.stdout.splitlines()[-1:] == ["30 300 1"], done.stderr
    recommend_folder(export, history, tmp_path / "alone", K3)
    pd.testing.assert_frame_equal(
        read_folder(tmp_path / "out"), read_folder(tmp_path / "alone")
    )
    names = [path.name for path in (tmp_path / "out").iterdir()]
    assert len(names) == 30 and not [n for n in names if n.startswith(".")]


CLUSTER = """
import subprocess, sys
import ray

ray.init("local", num_cpus=3, include_dashboard=False, logging_level="ERROR")
address = ray.get_runtime_context().gcs_address
command = [sys.executable, "-m", "mgnm_tf", *sys.argv[1:], "--cluster", address]
sys.exit(subprocess.run(command).returncode)
"""


@pytest.mark.large
def test_a_poisoned_file_on_a_cluster_that_is_there(export, history, tmp_path):
    (history / "part-1.parquet").write_bytes(b"PAR1")
    out = tmp_path / "out"
    done = run(
        CLUSTER,
        *("recommend", export, "--history", history, "--out", out),
        *("--top", 3),
    )
    assert done.returncode == 1
    assert "part-1.parquet is not a whole Parquet file" in done.stderr
    assert "mgnm: 1 of 3 files of" in done.stderr
    assert "Traceback" not in done.stderr
    names = sorted(path.name for path in out.iterdir())
    assert names == ["part-0.parquet", "part-2.parquet"]
