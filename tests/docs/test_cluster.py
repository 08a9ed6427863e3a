"""The examples for clusters name commands and options that are there."""

import re

import pytest
from typer.testing import CliRunner

from mgnm_tf.cli import app
from tests.docs.pages import ROOT

FILES = sorted((ROOT / "docs" / "cluster").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_their_command_has_its_options(path):
    text = path.read_text(encoding="utf-8")
    (command,) = re.findall(r"mgnm (recommend [^\"\n]+)", text)
    name, *arguments = command.split()
    result = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
    options = [one for one in arguments if one.startswith("--")]
    assert options == ["--history", "--out", "--cluster"]
    assert all(option in result.output for option in options)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_they_are_yaml(path):
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    assert yaml.safe_load(path.read_text(encoding="utf-8"))


def test_there_are_two():
    assert len(FILES) == 2
