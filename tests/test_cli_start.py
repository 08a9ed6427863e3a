"""`mgnm start` on the command line."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from mgnm_tf.cli import start as command
from mgnm_tf.data.synthetic import write_world
from mgnm_tf.errors import UserError
from mgnm_tf.studies import start as module
from tests.test_cli import mgnm
from tests.test_cli import refused


@pytest.fixture
def log(tmp_path):
    write_world(tmp_path / "log.csv", 60, 120, seed=0, num_interests=1)
    return tmp_path / "log.csv"


def test_it_prints_log_table_verdict_and_what_is_next(
    log, tmp_path, monkeypatch
):
    """Without a model that is trained, which `test_start` does."""
    monkeypatch.setattr(module, "models_for", lambda split, median: [])
    out = tmp_path / "out"
    stdout, stderr = mgnm("start", log, "--out", out, "--minutes", 5)
    assert "Columns: user is 'user_id' (by its name)" in stderr
    assert "3,000 events of 60 users" in stdout
    assert "item-kNN" in stdout and "popularity" in stdout
    assert "No model was trained" in stdout
    for line in ("mgnm compare --data", "mgnm export", "mgnm recommend"):
        assert f"\n{line}" in stdout
    assert f"The page is {out / 'start.html'}." in stdout
    again, _ = mgnm("start", log, "--out", out, "--minutes", 5)
    assert again == stdout


@pytest.mark.parametrize("minutes", ["0", "-3", "nan"])
def test_minutes_are_above_zero(minutes, log, tmp_path):
    line = refused(
        "start", log, "--out", tmp_path / "out", "--minutes", minutes
    )
    assert line.startswith("--minutes must be a number above 0")
    assert line.endswith(f"Received: {minutes}")


def test_without_a_terminal_it_names_the_option(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,customer_id,item_id,time\n1,2,3,4\n1,2,4,5\n")
    line = refused("start", path, "--out", tmp_path / "out")
    assert "could be 'user_id' or 'customer_id'" in line
    assert "--user-column" in line
    assert not (tmp_path / "out").exists()


def test_out_that_is_something_else(log, tmp_path):
    line = refused("start", log, "--out", tmp_path)
    assert "nothing that `mgnm start` made" in line


def test_a_terminal_is_asked(monkeypatch):
    answers = iter(["neither", "b"])
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(answers))
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: True)
    assert command._ask("user", ["a", "b"]) == "b"
    assert command._ask("item", ["a"]) == "a"


def test_it_asks_only_a_terminal(log, tmp_path, monkeypatch):
    given = {}

    def starting(file, out, **options):
        given.update(options)
        raise UserError("Enough.")

    monkeypatch.setattr(module, "start", starting)
    refused("start", log, "--out", tmp_path / "out")
    assert given["ask"] is None
    assert given["minutes"] == 15.0
    somebody = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(command, "sys", somebody)
    refused(
        "start",
        log,
        "--out",
        tmp_path / "out",
        "--user-column",
        "item_id",
        "--item-column",
        "user_id",
    )
    assert given["ask"] is command._ask
    assert given["guess"].user == given["columns"]["user"] == "item_id"


def test_what_is_no_log_is_refused_before_anything_heavy(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item_id,attributes\n1,2 3\n2,3\n")
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from mgnm_tf.cli import app\n"
        f"done = CliRunner().invoke(app, ['start', {str(path)!r}])\n"
        "assert 'does not look like an interaction log' in done.stderr\n"
        "print([name for name in ('tensorflow', 'keras') if name in "
        "sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout == "[]\n", done.stderr
