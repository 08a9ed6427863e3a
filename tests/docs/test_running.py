"""The blocks that are marked `<!-- run -->` can be typed in as they stand."""

import json
import shlex

import pytest
from typer.testing import CliRunner

from mgnm_tf.cli import app
from mgnm_tf.data.synthetic import make_world
from tests.docs.pages import blocks
from tests.docs.pages import run_python

SMOKE = {
    "train": ["--epochs", "1"],
    "compare": ["--seeds", "0", "--models", "popularity,item_knn"],
}
"""What is added to a command so that it ends soon; the last value counts."""


def write_log(folder):
    """Writes `interactions.csv`, with a user anna, and `log.inter`."""
    world = make_world(
        40,
        80,
        seed=0,
        num_events=800,
        num_interests=2,
        items_per_topic=4,
        topics_per_category=5,
    )
    users = [f"user {user}" for user in world["user_id"]]
    first = users[0]
    world["user_id"] = ["anna" if user == first else user for user in users]
    world["item_id"] = [f"item {item}" for item in world["item_id"]]
    world.to_csv(folder / "interactions.csv", index=False)
    types = {"user_id": "token", "item_id": "token", "timestamp": "float"}
    world[[*types]].rename(
        columns={name: f"{name}:{types[name]}" for name in types}
    ).to_csv(folder / "log.inter", sep="\t", index=False)


def run_page(page, folder):
    """Runs the marked blocks of a page, one after the other, in a folder."""
    printed = []
    for mark, language, text in blocks(page):
        if mark.startswith("file "):
            (folder / mark.removeprefix("file ")).write_text(text)
        elif mark and language == "python":
            hidden = mark == "run without mgnm_tf"
            printed.append(run_python(text, folder, hidden))
        elif mark:
            printed += [run_command(line) for line in text.splitlines()]
    return "".join(printed)


def run_command(line):
    """Runs a command of a block, shortened, and returns what it printed."""
    words = shlex.split(line.replace("$'\\t'", "'\t'"), comments=True)
    assert words[0] == "mgnm", line
    words += SMOKE.get(words[1], [])
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, (line, result.output, result.exception)
    return result.output


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with a small log, where everything is run."""
    monkeypatch.chdir(tmp_path)
    write_log(tmp_path)
    return tmp_path


def test_the_readme(folder):
    assert "'ndcg@5': " in run_page("README.md", folder)
    assert (folder / "runs/a/metrics.json").is_file()
    assert (folder / "exports/a/1").is_dir()
    assert (folder / "mgnm.keras").is_file()


def test_getting_started_and_what_follows_from_it(folder):
    assert "'ndcg@5': " in run_page("docs/getting-started.md", folder)
    assert (folder / "runs/a/metrics.json").is_file()
    assert (folder / "runs/b/report.html").is_file()
    run_page("docs/recipes.md", folder)
    assert (folder / "runs/d/recipe.toml").is_file()
    printed = run_page("docs/recommendations.md", folder)
    assert "shape=(1, 5)" in printed
    assert "item_id" in printed
    assert (folder / "recs.parquet").is_file()
    assert (folder / "explain.html").is_file()


def test_a_run_of_recbole(folder):
    run_page("docs/recbole.md", folder)
    metrics = json.loads((folder / "runs/sasrec/metrics.json").read_text())
    protocol = metrics["protocol"]
    told = (protocol["negatives"], protocol["exclude"], protocol["k"])
    assert told == ("all", "none", 10), "not RecBole's protocol"
