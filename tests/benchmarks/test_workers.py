"""Two processes against one: what is compared; the processes are `large`."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks import workers
from benchmarks.__main__ import app


def test_an_unknown_recipe_is_refused():
    done = CliRunner().invoke(app, ["workers", "--models", "mgmn"])
    assert done.exit_code == 1
    assert "benchmarks: mgmn is none of gru4rec, sasrec, mgnm" in done.output


def test_a_stage_has_a_row_of_its_own():
    values = {"weights": 1e-6, "worst": "gru/kernel"}
    found = {"results": {"a": {**values, "stage": values}, "b": values}}
    table = workers.table(found)
    assert list(table.columns) == ["recipe", "weights", "worst"]
    assert list(table["recipe"]) == ["a", "a, first stage", "b"]
    assert isinstance(table, pd.DataFrame)


@pytest.mark.large
def test_two_processes_are_compared_with_one(tmp_path):
    out = tmp_path / "workers.json"
    arguments = ["--models", "gru4rec", "--steps", "20", "--out", str(out)]
    done = CliRunner().invoke(app, ["workers", *arguments])
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())["results"]["gru4rec"]
    assert 0 < found["weights"] < 1e-5
    assert found["metrics"] < 1e-5
