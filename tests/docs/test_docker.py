"""The examples for Docker name what is there."""

import json
import re

from typer.testing import CliRunner

from mgnm_tf.cli import app
from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "docker"


def test_they_start_the_command_with_options_that_it_has():
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.M)[1])
    assert entry[:2] == ["mgnm", "serve"]
    compose = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    more = json.loads(re.search(r"^ +command: (.*)$", compose, re.M)[1])
    result = CliRunner().invoke(
        app, ["serve", "--help"], env={"COLUMNS": "200"}
    )
    options = [one for one in entry + more if one.startswith("--")]
    assert {"--host", "--token-file"} <= set(options)
    for option in options:
        assert option in result.output
    extras = re.search(r'"\.\[(.*)\]"', text)[1].split(",")
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert all(f'"{extra}": [' in setup for extra in extras)


def test_what_they_copy_is_there():
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    (constraints,) = re.findall(r"constraints/\S+", text)
    assert (ROOT / constraints).is_file()
    compose = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    path = re.search(r"dockerfile: (\S+)", compose)[1]
    context = re.search(r"context: (\S+)", compose)[1]
    assert (FOLDER / context / path).resolve() == FOLDER / "Dockerfile"
