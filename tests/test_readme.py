"""What README.md shows can be typed in as it stands."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mgnm_tf.cli import app
from mgnm_tf.data.synthetic import make_world

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

SMOKE = {
    "train": ["--epochs", "1"],
    "compare": ["--seeds", "0", "--models", "popularity,item_knn"],
}
"""What is added to a command so that it ends soon; the last value counts."""


def blocks(language):
    """Returns the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def commands():
    """Returns the `mgnm` commands of README, each a list of words."""
    lines = "\n".join(blocks("bash")).splitlines()
    inline = re.findall(r"`(mgnm [^`]+)`", README)
    found = [shlex.split(line, comments=True) for line in [*lines, *inline]]
    return [words for words in found if words[:1] == ["mgnm"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small log."""
    path = tmp_path_factory.mktemp("readme")
    world = make_world(
        40,
        80,
        seed=0,
        num_events=800,
        num_interests=2,
        items_per_topic=4,
        topics_per_category=5,
    )
    world.to_csv(path / "interactions.csv", index=False)
    return path


def run_python(code, folder, search_path):
    environment = {**os.environ, "PYTHONPATH": search_path}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def quickstart(folder):
    """The folder after the first block was run, and what it printed."""
    return folder, run_python(blocks("python")[0], folder, str(ROOT))


def test_the_quickstart_is_short_and_runs(quickstart):
    folder, output = quickstart
    lines = [line for line in blocks("python")[0].splitlines() if line]
    assert len(lines) <= 20
    assert "'ndcg@5': " in output
    assert (folder / "mgnm.keras").is_file()


def test_the_saved_model_is_served_without_this_package(quickstart):
    folder, _ = quickstart
    hidden = (
        "import sys\nsys.modules['mgnm_tf'] = sys.modules['baselines'] = None\n"
    )
    run_python(hidden + blocks("python")[1], folder, "")


def run_commands(named):
    """Runs the commands of the first block that holds `named`."""
    block = next(text for text in blocks("bash") if named in text)
    for line in block.splitlines():
        words = shlex.split(line)
        words += SMOKE.get(words[1], [])
        result = CliRunner().invoke(app, words[1:])
        assert result.exit_code == 0, (line, result.output, result.exception)


def test_the_commands_for_own_data_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    run_commands("mgnm prepare")
    assert (folder / "runs/a/metrics.json").is_file()
    assert (folder / "runs/b/report.html").is_file()


def test_a_run_becomes_recommendations(folder, monkeypatch):
    monkeypatch.chdir(folder)
    if not (folder / "runs/a").exists():
        run_commands("mgnm prepare")
    run_commands("mgnm export")
    assert (folder / "recs.parquet").is_file()
    assert (folder / "explain.html").is_file()
    without, with_package = (
        next(text for text in blocks("python") if named in text)
        for named in ('signatures["recommend"]', "Recommender.load")
    )
    hidden = (
        "import sys\nsys.modules['mgnm_tf'] = sys.modules['baselines'] = None\n"
    )
    assert "shape=(1, 5)" in run_python(hidden + without, folder, "")
    assert "item_id" in run_python(with_package, folder, str(ROOT))


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_named_exists_with_its_options(words):
    _, name, *arguments = words
    result = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for option in arguments:
        assert not option.startswith("-") or option in result.output


def test_every_command_of_the_program_is_named():
    registered = [
        command.name or command.callback.__name__
        for command in app.registered_commands
        if not command.hidden
    ]
    assert len(registered) >= 7
    assert set(registered) == {words[1] for words in commands()}


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 5
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_the_results_name_every_model_of_the_main_job():
    script = (ROOT / "run_all.sh").read_text(encoding="utf-8")
    models = re.search(r"^MAIN_MODELS=(.*)$", script, re.M)[1]
    results = README.split("## Results")[1].split("\n## ")[0]
    for model in models.split(","):
        row = rf"^\| `?{re.escape(model)}`? \|.*0\.\d"
        assert re.search(row, results, re.M), model
