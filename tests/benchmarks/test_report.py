"""Tables and plots of fixed results."""

import json

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.against import ratios
from benchmarks.tables import markdown
from benchmarks.tables import rows_of

SPEED = {"median": 12345.6, "least": 12000.0, "most": 13000.0}
POINT = {"median": 50.0, "least": 40.0, "most": 60.0}
REPORT = {
    "machine": {"cpu": "abacus", "cores": 2},
    "settings": {"models": [], "log": "", "windows": 3},
    "results": {
        "train": {
            "mgnm": {"parameters": 1000, "positives_per_second": SPEED},
            "caser": {"parameters": 20},
        },
        "growth": {
            f"mgnm, length {n}": {
                "curve": "length",
                "value": n,
                "step_us_per_positive": POINT,
            }
            for n in (8, 16)
        },
    },
}


def test_markdown():
    text = markdown(REPORT)
    assert "Machine: cpu abacus, cores 2." in text
    assert "Settings: windows 3." in text
    assert "|  | parameters | positives_per_second |" in text
    assert "| mgnm | 1,000 | 12,345.6 (12,000 to 13,000) |" in text
    assert "| caser | 20 | - |" in text


def test_rows():
    rows = rows_of(REPORT["results"])
    assert len(rows) == 9
    assert rows["median"].iloc[1] == 12345.6


def test_files_are_written_beside_the_json(tmp_path):
    path = tmp_path / "here.json"
    path.write_text(json.dumps(REPORT))
    done = CliRunner().invoke(app, ["report", str(path)])
    assert done.exit_code == 0, done.output
    names = {entry.name for entry in tmp_path.iterdir()}
    assert names == {
        "here.json",
        "here.md",
        "here-train.svg",
        "here-growth.svg",
    }
    assert "abacus" in (tmp_path / "here.md").read_text()
    assert (
        "microseconds of a positive"
        in (tmp_path / "here-growth.svg").read_text()
    )


@pytest.mark.parametrize("content", ["[]", '{"a": 1}', "no JSON"])
def test_another_file_is_refused_in_a_sentence(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content)
    done = CliRunner().invoke(app, ["report", str(path)])
    assert done.exit_code == 1
    assert "other.json is no" in done.output.replace("\n", " ")


def test_ratios_are_taken_pair_by_pair():
    def run(speed):
        return {"train": {"mgnm": {"positives_per_second": speed, "new": 0}}}

    table = ratios([run(10), run(40), run(9)], [run(5), run(10), run(3)])
    row = table.iloc[0]
    assert (row["here"], row["there"]) == (10, 5)
    assert (row["ratio"], row["least"], row["most"]) == (3, 2, 4)
    assert len(table) == 1  # A figure that is 0 has no ratio.
