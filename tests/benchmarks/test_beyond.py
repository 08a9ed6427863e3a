"""Benchmarks of what one process or one memory does not hold."""

import json

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.large import _MEMORY


def invoke(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def limits():
    """Skips where no control group can be made."""
    group = _MEMORY / "mgnm-test"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("needs root, and control groups of version 1")
    group.rmdir()


@pytest.mark.large
def test_a_log_under_a_limit(limits, tmp_path):
    sizes = ("--events", 100_000, "--items", 500, "--memory", "300MB")
    done = invoke(
        "large", *sizes, "--limit", "3GB", "--out", tmp_path / "out.json"
    )
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["prepare"]["events"] == 100_000
    assert found["train"]["own_memory_mib"] < 3_000
    done = invoke("large", *sizes, "--limit", "300MB")
    assert done.exit_code == 1
    assert "'prepare' ended with -9 under 300,000,000" in done.output


@pytest.mark.large
def test_a_table_that_is_cut(tmp_path):
    pytest.importorskip("jax", reason="needs JAX")
    out = tmp_path / "out.json"
    done = invoke(
        "sharded", "--items", 999, "--width", 8, "--steps", 2, "--out", out
    )
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert all(0 < value < 1e-5 for value in found["weights"].values())
    assert [one["table_bytes_here"] for one in found["processes"]] == [
        1000 * 8 * 4 // 2
    ] * 2
