"""`mgnm export` and `mgnm recommend`."""

import re
import shutil

import pandas as pd
import pytest

from tests.serving.worlds import export_sums
from tests.test_cli import mgnm
from tests.test_cli import refused

SMALL = ["--set", "num_interests=2", "--validation-negatives", 20]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a log, a run, and its export."""
    folder = tmp_path_factory.mktemp("serving")
    log, data = folder / "log.csv", folder / "data"
    world = ["--users", 40, "--items", 480, "--events", 800]
    mgnm("world", "--out", log, *world, "--seed", 1)
    mgnm("prepare", log, "--out", data)
    options = ["--data", data, "--out", folder / "run", "--epochs", 1, *SMALL]
    mgnm("train", "comirec_sa", *options, "--max-length", 6)
    printed, _ = mgnm("export", folder / "run", "--out", folder / "export")
    (folder / "printed.txt").write_text(printed)
    return folder


def test_export_prints_both_numbers(folder):
    lines = (folder / "printed.txt").read_text().splitlines()
    (memory,) = [line for line in lines if "model in memory" in line][:1]
    (through,) = [line for line in lines if "through the SavedModel" in line][
        :1
    ]
    assert memory.split()[3:] == through.split()[3:]
    assert len(through.split()) == 7
    assert re.search(r"on all (\d+) test records: \1 are equal", "".join(lines))


def test_export_refuses_what_it_cannot_do(folder, tmp_path):
    run, out = folder / "run", folder / "export"
    assert "exists already" in refused("export", run, "--out", out)
    line = refused("export", folder / "data", "--out", tmp_path / "e")
    assert "is not a run folder" in line
    line = refused("export", run, "--out", tmp_path / "e", "--sample", 0)
    assert "`sample` must be at least 1" in line
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "model.keras").write_bytes(b"no zip")
    line = refused("export", copy, "--out", tmp_path / "e")
    assert "model.keras cannot be loaded" in line
    assert not (tmp_path / "e").exists()


def test_recommend_to_all_users_of_a_file(folder, tmp_path):
    out = tmp_path / "recs.parquet"
    printed, _ = mgnm(
        "recommend",
        folder / "export",
        *("--history", folder / "log.csv", "--top", 3, "--out", out),
    )
    assert "at most 3 items for each of 40 users" in printed
    found = pd.read_parquet(out)
    assert len(found) == 120
    assert list(found.columns) == ["user_id", "rank", "item_id", "score"]


def test_recommend_a_diverse_list(folder, tmp_path):
    history = ["--history", folder / "log.csv", "--top", 3]
    lists = []
    for weight in (0, 50):
        out = tmp_path / f"{weight}.csv"
        options = [*history, "--out", out, "--diversity", weight]
        mgnm("recommend", folder / "export", *options)
        lists.append(pd.read_csv(out, dtype={"item_id": str}))
    plain, diverse = (one.groupby("user_id", sort=False) for one in lists)
    assert (plain["item_id"].first() == diverse["item_id"].first()).all()
    assert (lists[0]["item_id"] != lists[1]["item_id"]).any()
    options = [*history, "--out", tmp_path / "no.csv", "--diversity", -1]
    line = refused("recommend", folder / "export", *options)
    assert "`diversity` must be between 0.0 and inf" in line


def test_recommend_to_one_user_says_why(folder):
    log = pd.read_csv(folder / "log.csv", dtype=str)
    items = list(log.loc[log["user_id"] == log["user_id"][0], "item_id"][:3])
    printed, notes = mgnm(
        "recommend",
        folder / "export",
        *("--user", log["user_id"][0], "--items", ",".join([*items, "no"])),
        *("--top", 4),
    )
    lines = [line for line in printed.splitlines() if line.strip()]
    assert lines[0].split() == (
        ["rank", "item", "score", "level", "interest", "fed", "by"]
    )
    assert len(lines) == 6
    for line in lines[2:]:
        rank, item, score, level, interest, *sources = line.split()
        assert level == "0"
        assert interest in ("1", "2")
        assert sources[0] in items
        assert sources[1].rstrip(",").endswith("%")
    assert "does not know 'no': left out" in notes


def test_recommend_to_one_user_of_ids_with_separators(tmp_path):
    path = export_sums(tmp_path / "served")
    printed, notes = mgnm(
        "recommend",
        path,
        *("--user", "bob", "--items", 'tea,"jam, red",milk', "--top", 9),
    )
    lines = [line for line in printed.splitlines() if line.strip()]
    assert lines[0].split() == ["rank", "item", "score"]
    assert "[b]" in lines[3]
    assert "x\\u2028y" in lines[4]
    assert len(lines) == 2 + 6
    assert not notes
    printed, notes = mgnm(
        "recommend", path, "--user", "x", "--items", "", "--top", 1
    )
    assert "milk" in printed
    assert "these are the most popular items" in notes


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give either --history and --out"),
        (["--user", "a"], "Give either --history and --out"),
        (["--user", "a", "--items", "b", "--out", "c.csv"], "Give either"),
        (["--user", "a", "--items", '"b'], "--items must be ids with commas"),
        (["--user", "a", "--items", "b", "--top", "0"], "`k` must be at least"),
        (
            ["--user", "a", "--items", "b", "--top", "100000"],
            "the number of items",
        ),
        (["--history", "no.csv", "--out", "o.csv"], "no.csv does not exist"),
        (["--history", "no.csv", "--out", "o.xls"], "must end in .csv or .par"),
    ],
)
def test_recommend_refuses_what_it_cannot_do(folder, arguments, sentence):
    assert sentence in refused("recommend", folder / "export", *arguments)


def test_recommend_refuses_other_folders(folder):
    line = refused("recommend", folder / "data", "--user", "a", "--items", "b")
    assert "is not an export folder" in line
