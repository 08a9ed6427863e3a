"""Commands on data, called as a user would."""

import json

import pytest
from typer.testing import CliRunner

from mgnm_tf.cli import app

DAY, START = 86_400, 1_700_000_000


def test_the_former_name_of_synthesize():
    result = CliRunner().invoke(
        app, ["world", "--out", "w.csv", "--users", "9"]
    )
    assert result.exit_code == 1
    expected = "mgnm: `mgnm world` is called `mgnm synthesize` now.\n"
    assert result.stderr == expected
    assert "world" not in CliRunner().invoke(app, ["--help"]).stdout


@pytest.fixture
def plays(tmp_path):
    """A log of 20 users, each with two sessions of three plays an hour."""
    lines = ["user_id,item_id,timestamp"]
    for user in range(20):
        for day in (user, user + 20):
            times = [DAY * day + START + 3600 * n for n in range(3)]
            lines += [f"u{user},i{n},{time}" for n, time in enumerate(times)]
    path = tmp_path / "plays.csv"
    path.write_text("\n".join(lines))
    return path


def prepare(*arguments):
    return CliRunner().invoke(app, ["prepare", *map(str, arguments)])


def test_sessions_from_a_file_of_users(plays, tmp_path):
    out = tmp_path / "out"
    options = ["--sessions-by-gap", "1h", "--filter", "first_events=2"]
    result = prepare(plays, "--out", out, *options, "--split", "last_days=7")
    assert result.exit_code == 0, result.output
    # The latest event is of day 39, so days 32 to 39 are test.
    assert "40 after the first ones of their user" in result.stdout
    expected = "Sessions: 40 of 20 users, cut where more than 1h pass."
    assert expected in result.stdout
    header = json.loads((out / "dataset.json").read_text())
    assert header["metadata"]["split"]["sessions"] == {
        "train": 29,
        "validation": 3,
        "test": 8,
    }


def test_the_latest_training_sessions_alone(plays, tmp_path):
    out = tmp_path / "out"
    options = ["--sessions-by-gap", "1h", "--split", "last_days=7"]
    options += ["--training-share", "1/2"]
    result = prepare(plays, "--out", out, *options)
    assert result.exit_code == 0, result.output
    sentence = "of earlier training sessions than those that stay"
    assert sentence in " ".join(result.stdout.split())
    header = json.loads((out / "dataset.json").read_text())
    split = header["metadata"]["split"]
    # Half of 32, the test part as it was.
    assert split["sessions"] == {"train": 14, "validation": 2, "test": 8}
    assert split["training_share"] == "1/2"


def test_a_column_of_sessions_is_that_of_the_user(plays, tmp_path):
    text = plays.read_text().replace("user_id", "session_id")
    plays.write_text(text)
    options = ["--user-column", "session_id", "--split", "last_share=0.25"]
    result = prepare(plays, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    users = (tmp_path / "out" / "users.txt").read_text().split()
    assert sorted(users) == sorted(f"u{n}" for n in range(20))


def test_several_files(plays, tmp_path):
    head, *lines = plays.read_text().splitlines()
    parts = []
    for part in range(2):
        parts.append(tmp_path / f"part-{part}.csv")
        rows = lines[60 * part : 60 * part + 60]
        parts[-1].write_text("\n".join([head, *rows]))
    pattern = tmp_path / "part-*.csv"
    for n, sources in enumerate(([plays], parts, [pattern])):
        result = prepare(*sources, "--out", tmp_path / f"out{n}")
        assert result.exit_code == 0, result.output
    fingerprints = [
        json.loads((path / "dataset.json").read_text())["fingerprint"]
        for path in tmp_path.glob("out?")
    ]
    assert len(fingerprints) == 3 and len(set(fingerprints)) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--sessions-by-gap", "0m"], "a whole number above 0 and one of s"),
        (["--sessions-by-gap", "soon"], "for example 30m. Received: 'soon'"),
        (
            ["--split", "last_days=7", "--training-share", "0"],
            "a number above 0 and at most 1, as in 1/64 or 0.25. Received: '0'",
        ),
        (["--training-share", "2", "--split", "last_days=7"], "Received: '2'"),
        (["--training-share", "x", "--split", "last_days=7"], "Received: 'x'"),
        (["--training-share", "1/4"], "with the split 'leave_one_out'"),
        (
            ["--split", "last_days=7", "--training-share", "1/999"],
            "with training_share=1/999 leaves the validation part empty",
        ),
        (["--split", "last_days=99"], "leaves the train part empty"),
        (["--split", "last_share=0.01"], "leaves the test part empty"),
        (
            ["--filter", "first_events=1", "--split", "last_days=7"],
            "leaves only sessions of one event in the train part",
        ),
    ],
)
def test_sessions_that_cannot_be_ends_in_one_sentence(
    options, sentence, plays, tmp_path
):
    result = prepare(plays, "--out", tmp_path / "out", *options)
    assert result.exit_code == 1
    *_, line = result.stderr.splitlines()
    assert line.startswith("mgnm: ") and sentence in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options", [["--sessions-by-gap", "30m"], ["--split", "last_days=7"]]
)
def test_positions_are_no_times(options, tmp_path):
    path = tmp_path / "log.csv"
    lines = [f"s{user},i{n},{n}" for user in range(9) for n in range(3)]
    path.write_text("\n".join(["user_id,item_id,timestamp", *lines]))
    result = prepare(path, "--out", tmp_path / "out", *options)
    assert result.exit_code == 1
    assert "needs times, but the log has only positions" in result.stderr
