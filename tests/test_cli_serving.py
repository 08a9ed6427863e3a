"""`mgnm export` and `mgnm recommend`."""

import re
import shutil

import pandas as pd
import pytest

from mgnm_tf.cli.serving import read_items
from tests.export.worlds import export_sums
from tests.test_cli import mgnm
from tests.test_cli import refused

SMALL = ["--set", "num_interests=2", "--validation-negatives", 20]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a log, a run, and its export."""
    folder = tmp_path_factory.mktemp("serving")
    log, data = folder / "log.csv", folder / "data"
    world = ["--users", 40, "--items", 480, "--events", 800]
    mgnm("synthesize", "--out", log, *world, "--seed", 1)
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


def test_recommend_to_all_users_of_a_folder(folder, tmp_path):
    log = pd.read_csv(folder / "log.csv", dtype=str)
    codes = log["user_id"].factorize()[0] % 3
    history, out = tmp_path / "history", tmp_path / "out"
    history.mkdir()
    for part in range(3):
        log[codes == part].to_parquet(history / f"{part}.parquet")
    poisoned = history / "1.parquet"
    whole = poisoned.read_bytes()
    poisoned.write_bytes(b"PAR1")
    command = ["recommend", folder / "export", "--history", history]
    command += ["--out", out, "--top", 3]
    _, notes = mgnm(*command, code=1)
    assert f"{poisoned} is not a whole Parquet file" in notes
    assert "mgnm: 1 of 3 files of" in notes
    poisoned.write_bytes(whole)
    printed, notes = mgnm(*command)
    assert "2 of 3 files were there already." in notes
    assert "3 items for each of 40 users, in 3 files." in printed
    found = pd.concat(map(pd.read_parquet, out.iterdir()))
    command[3:] = [folder / "log.csv", "--out", tmp_path / "r.parquet"]
    mgnm(*command, "--top", 3)
    expected = pd.read_parquet(tmp_path / "r.parquet")
    both = [
        one.sort_values(["user_id", "rank"], ignore_index=True)
        for one in (found, expected)
    ]
    pd.testing.assert_frame_equal(*both)


def test_recommend_by_columns_of_other_names(folder, tmp_path):
    log = pd.read_csv(folder / "log.csv", dtype=str)
    log = log.sample(frac=1, random_state=0)
    log.to_csv(tmp_path / "log.csv", index=False)
    names = {"user_id": "u", "item_id": "i", "timestamp": "t"}
    log.rename(columns=names).to_csv(tmp_path / "h.txt", sep=";", index=False)
    options = ["--user-column", "u", "--item-column", "i", "--separator", ";"]
    results = {}
    for name, history, more in (
        ("expected", tmp_path / "log.csv", []),
        ("found", tmp_path / "h.txt", [*options, "--time-column", "t"]),
        ("no time", tmp_path / "h.txt", options),
    ):
        out = tmp_path / f"{name}.csv"
        arguments = ["--history", history, "--out", out, *more]
        _, notes = mgnm("recommend", folder / "export", *arguments)
        assert ("has no column 'timestamp'" in notes) == (name == "no time")
        results[name] = out.read_text()
    assert results["found"] == results["expected"] != results["no time"]


def test_recommend_to_a_file_with_ids_of_another_form(folder, tmp_path):
    log = pd.read_csv(folder / "log.csv", dtype=str)
    log["item_id"] = "0" + log["item_id"]
    log.to_csv(tmp_path / "h.csv", index=False)
    arguments = ["--history", tmp_path / "h.csv", "--out", tmp_path / "o.csv"]
    line = refused("recommend", folder / "export", *arguments)
    assert "h.csv, column 'item_id': the model knows none of" in line
    assert not (tmp_path / "o.csv").exists()


def test_recommend_no_more_items_than_there_are(tmp_path):
    path = export_sums(tmp_path / "served")
    (tmp_path / "h.csv").write_text("user_id,item_id\nann,tea\n")
    out = tmp_path / "o.csv"
    arguments = ["--history", tmp_path / "h.csv", "--out", out, "--top", 20]
    printed, notes = mgnm("recommend", path, *arguments)
    assert "at most 9 items for each of 1 users" in printed
    assert "There are 9 items, so a user gets at most 9, not 20" in notes
    assert len(pd.read_csv(out)) == 8


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("tea, milk ,jam", ["tea", "milk", "jam"]),
        ('" a",b', [" a", "b"]),
        ('b, " a"', ["b", " a"]),
        ('"b ",b', ["b ", "b"]),
        ("b ,a", ["b ", "a"]),
        ('"c,d", b', ["c,d", "b"]),
        (" , ,", []),
    ],
)
def test_items_with_blanks_and_commas(text, items):
    assert read_items(text, {"a", " a", "b", "b ", "c,d"}) == items


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
    assert "does not know 1 of 4 items (for example 'no')" in notes


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
        (["--history", "no.csv", "--out", "o.csv"], "no.csv does not exist"),
        (["--history", "no.csv", "--out", "o.xls"], "must end in .csv or .par"),
    ],
)
def test_recommend_refuses_what_it_cannot_do(folder, arguments, sentence):
    assert sentence in refused("recommend", folder / "export", *arguments)


def test_recommend_refuses_other_folders(folder):
    line = refused("recommend", folder / "data", "--user", "a", "--items", "b")
    assert "is not an export folder" in line
