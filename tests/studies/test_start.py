"""From a file to a verdict, interrupted and continued."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.log import read_log
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.runs.config import configure
from mgnm_tf.studies import start as module
from mgnm_tf.studies import start_trainings
from mgnm_tf.studies.estimate import Estimate
from mgnm_tf.studies.start import choose_split
from mgnm_tf.studies.start import models_for
from mgnm_tf.studies.start import start
from mgnm_tf.studies.start_state import StartState
from mgnm_tf.studies.start_state import check_minutes


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "my log.csv"
    world = make_world(60, 120, seed=0, num_events=1200, num_interests=1)
    names = {"user_id": "who", "item_id": "product", "timestamp": "date"}
    table = world.rename(columns=names).drop(columns="category")
    table.rename(columns={"who": "customer"}).to_csv(path, index=False)
    return path


@pytest.fixture(autouse=True)
def one_model(monkeypatch):
    """One quick model instead of four, so that the tests are quick."""
    monkeypatch.setattr(module, "models_for", lambda split, median: ["gru4rec"])


@pytest.fixture(scope="module")
def made(log, tmp_path_factory):
    out = tmp_path_factory.mktemp("start") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "models_for", lambda split, median: ["gru4rec"])
        return out, start(log, out, minutes=10)


def no_training(monkeypatch):
    def make_run(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(start_trainings, "make_run", make_run)


def test_a_file_becomes_a_verdict(made):
    out, started = made
    assert {row["model"] for row in started.rows} == {
        "popularity",
        "item_knn",
        "gru4rec",
    }
    values = [row["ndcg"] for row in started.rows]
    assert values == sorted(values, reverse=True)
    assert all(row["low"] <= row["ndcg"] <= row["high"] for row in started.rows)
    page = (out / "start.html").read_text(encoding="utf-8")
    assert started.page == out / "start.html"
    assert started.verdict.headline in page
    assert "user is &#39;customer&#39; (by its name)" in page
    stored = json.loads((out / "verdict.json").read_text())
    assert stored["verdict"]["model"] == started.verdict.model
    assert stored["rows"] == started.rows
    data = SequenceDataset.load(out / "data")
    assert data.metadata["account"]["read"] == 1200
    assert data.metadata["name"] == "my log"
    assert json.loads((out / "health.json").read_text())["rows"] == 1200


def test_the_table_is_that_of_the_comparison(made):
    out, started = made
    metrics = json.loads((out / "runs" / "metrics.json").read_text())
    for row in started.rows:
        entry = metrics["models"][row["model"]]["test"]
        assert row["ndcg"] == pytest.approx(entry["ndcg@5"])
        assert row["hit"] == pytest.approx(entry["hit@5"])


def test_what_comes_next_can_be_typed(made, log):
    out, started = made
    compared, exported, recommended = (line for _, line in started.commands)
    assert compared.startswith(f"mgnm compare --data {out}/data --models ")
    assert f"runs/{started.verdict.model}/seed-0" in exported
    assert f"--history '{log}'" in recommended
    for option in (
        "user-column customer",
        "item-column product",
        "time-column",
    ):
        assert f"--{option}" in recommended


def test_the_same_command_trains_nothing_again(log, made, monkeypatch):
    out, started = made
    no_training(monkeypatch)
    assert start(log, out, minutes=7) == started
    assert '<p class="of">my log.csv, 10 minutes</p>' in (
        (out / "start.html").read_text()
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "seed is 1, was 0"),
        ({"columns": {"user": "product"}}, "columns is"),
    ],
)
def test_another_command_is_refused(change, message, log, made):
    with pytest.raises(UserError, match=message):
        start(log, made[0], **{"minutes": 10, **change})


def test_another_file_is_refused(made, tmp_path, log):
    other = tmp_path / "other.csv"
    other.write_text(log.read_text() + "9,9,1500000000\n")
    with pytest.raises(UserError, match="the file is another one than"):
        start(other, made[0], minutes=10)


def test_a_folder_of_something_else_is_refused(log, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="nothing that `mgnm start` made"):
        start(log, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_that_is_no_log_leaves_nothing(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item_id,attributes\n1,2 3\n2,3\n")
    with pytest.raises(DataError, match="does not look like an interaction"):
        start(path, tmp_path / "out")
    path.write_text("user_id,item_id,time\n1,2,3\n2,2,4\n")
    with pytest.raises(DataError, match="leaves the validation part empty"):
        start(path, tmp_path / "out")
    with pytest.raises(DataError, match="is no file"):
        start(tmp_path / "none.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_interruption_is_continued_as_it_was_planned(
    log, tmp_path, monkeypatch
):
    planned = []

    def interrupted(run, *arguments):
        planned.append(run.config.epochs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(start_trainings, "make_run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            start(log, tmp_path / "out", minutes=10)
    state = json.loads((tmp_path / "out" / "start.json").read_text())
    # So small a log gets ten times the epochs of the recipe.
    assert (planned, state["epochs"]) == ([16], {"gru4rec": 160})
    # Now with a model of 3 epochs, as if there had been less time.
    state["epochs"] = {"gru4rec": 3}
    (tmp_path / "out" / "start.json").write_text(json.dumps(state))
    started = start(log, tmp_path / "out", minutes=10)
    (row,) = (row for row in started.rows if row["model"] == "gru4rec")
    assert row["epochs"] == "3 of 160"
    cut = "GRU4Rec was trained for 3 of the 160 epochs of its recipe."
    assert cut in started.verdict.sentences
    assert cut in (tmp_path / "out" / "start.html").read_text()


def test_too_little_time_and_failures_are_said(log, tmp_path, monkeypatch):
    started = start(log, tmp_path / "out", minutes=0.01)
    assert started.verdict.headline.startswith("No model was trained: ")
    assert "GRU4Rec was left out" in started.verdict.sentences[0]

    def failing(*arguments):
        raise UserError("The disk is full.")

    monkeypatch.setattr(start_trainings, "estimate_run", failing)
    started = start(log, tmp_path / "other", minutes=10)
    assert started.verdict.sentences == ("GRU4Rec failed: The disk is full.",)
    assert started.verdict.model in ("popularity", "item_knn")


@pytest.fixture
def told(monkeypatch):
    """Three models that are neither measured nor trained, but told."""
    told, seconds = [], {}
    models = ["sasrec", "gru4rec", "comirec_sa"]
    monkeypatch.setattr(module, "models_for", lambda split, median: models)

    def estimate_run(data, config):
        told.append(f"measure {config.model}")
        epoch = seconds.get(config.model, 0.001)
        return Estimate(0.001, epoch, config.epochs)

    def make_run(run, *arguments):
        told.append(f"train {run.config.model}")
        raise UserError("Not here.")

    monkeypatch.setattr(start_trainings, "estimate_run", estimate_run)
    monkeypatch.setattr(start_trainings, "make_run", make_run)
    return told, seconds


def test_each_model_is_trained_before_the_next_is_measured(log, tmp_path, told):
    told, seconds = told
    seconds["gru4rec"] = 1e6
    start(log, tmp_path / "out", minutes=10)
    assert told == [
        *("measure sasrec", "train sasrec"),
        "measure gru4rec",
        *("measure comirec_sa", "train comirec_sa"),
    ]


def test_minutes_may_be_others_and_are_added_up(log, tmp_path, told):
    told, _ = told
    out = tmp_path / "out"
    start(log, out, minutes=0.01)
    assert told == []
    start(log, out, minutes=10)
    assert "train sasrec" in told
    assert ", 10.01 minutes</p>" in (out / "start.html").read_text()


def test_the_first_leaves_time_for_the_fewest_epochs_of_the_others(
    log, tmp_path, told, monkeypatch
):
    _, seconds = told
    full = configure("sasrec").epochs
    # Time for one and a half whole trainings: halves are kept for others.
    monkeypatch.setattr(start_trainings, "_SLACK", 1.0)
    monkeypatch.setattr(start_trainings, "_WRITING", 0.0)
    seconds["sasrec"] = 600 / (1.5 * full)
    start(log, tmp_path / "out", minutes=10)
    state = json.loads((tmp_path / "out" / "start.json").read_text())
    half = -(-full // 2)
    assert half <= state["epochs"]["sasrec"] < full
    others = {state["epochs"][one] for one in ("gru4rec", "comirec_sa")}
    assert others == {
        configure(one).epochs for one in ("gru4rec", "comirec_sa")
    }


@pytest.mark.parametrize(
    "minutes", [0, -1, float("nan"), float("inf")], ids=str
)
def test_minutes_are_above_zero(minutes, log, tmp_path):
    with pytest.raises(UserError, match="--minutes must be a number above 0"):
        start(log, tmp_path / "out", minutes=minutes)
    assert check_minutes(0.5) == 0.5


def parted(users, parts):
    frame = pd.DataFrame({"user_id": users, "item_id": range(len(users))})
    frame["timestamp"] = np.arange(len(users))
    frame["split"] = parts
    return read_log(frame, split_column="split")


def test_a_given_split_is_used_if_it_keeps_users_whole():
    split, why = choose_split(
        parted([1, 1, 2, 2], ["train", "train", "test", "test"]), "session"
    )
    assert split == "sessions" and "whole sessions" in why
    cut = parted([1, 1, 2, 2], ["train", "test"] * 2)
    split, why = choose_split(cut, "user_id")
    assert split == "leave_one_out" and "cuts through users" in why


def test_a_log_of_sessions_asks_for_new_ones():
    frame = pd.DataFrame({"user_id": [1, 1], "item_id": [3, 4]})
    log = read_log(frame.assign(timestamp=[5, 6]))
    for name in ("session_id", "sessionId", "Visit"):
        split, why = choose_split(log, name)
        assert split == "last_share=0.1" and repr(name) in why
    assert choose_split(log, "user_id")[0] == "leave_one_out"
    # Without times nobody knows which sessions are the last.
    ordered = replace(log, order_only=True)
    split, why = choose_split(ordered, "session_id")
    assert split == "leave_one_out" and "'session_id' names sessions" in why
    assert "sessions" not in choose_split(ordered, "user_id")[1]


def test_a_split_that_is_given_is_used(log, tmp_path):
    with pytest.raises(UserError, match="Unknown split 'by_moon'"):
        start(log, tmp_path / "out", split="by_moon")
    assert not (tmp_path / "out").exists()
    frame = parted([1, 1, 2, 2], ["train", "train", "test", "test"])
    split, why = choose_split(frame, "session_id", "last_days=7")
    assert split == "last_days=7" and "last_days=7" in why


def test_long_histories_have_their_part(monkeypatch):
    monkeypatch.undo()
    trained = ["mgnm", "sasrec", "gru4rec", "comirec_sa"]
    assert models_for("leave_one_out", 6) == trained
    assert models_for("leave_one_out", 65)[0] == "mgnm+long_history"


@pytest.mark.parametrize("given", [True, False])
def test_sessions_have_their_models_and_their_task(
    given, tmp_path, monkeypatch
):
    rows = make_world(60, 120, seed=1, num_events=900, num_interests=1)
    rows = rows.drop(columns="category")
    if given:
        rows["split"] = np.where(rows["user_id"] < 45, "train", "test")
    else:
        rows = rows.rename(columns={"user_id": "session_id"})
    rows.to_csv(tmp_path / "clicks.csv", index=False)
    monkeypatch.setattr(module, "models_for", lambda split, median: [])
    started = start(tmp_path / "clicks.csv", tmp_path / "out", minutes=5)
    counted = {"popularity", "item_knn", "vsknn"}
    assert {row["model"] for row in started.rows} == counted
    assert "among the whole catalogue" in started.protocol
    assert "history included" in started.protocol
    assert started.metric == "ndcg@20"
    _, compared = started.commands[0]
    assert "--models item_knn,vsknn " in compared
    assert compared.endswith("--test-negatives all --test-exclude none --k 20")
    repeated = [text for _, text in started.findings if "had the item" in text]
    assert repeated and repeated[0].endswith(
        "test candidates leave out nothing."
    )


@pytest.mark.parametrize("label", module.TRAINED_ON_SESSIONS)
def test_what_is_trained_on_sessions_validates_by_their_task(label):
    config = configure(label)
    assert config.validation_negatives == "all"
    assert config.validation_exclude == "none"
    assert models_for("sessions", 4)[0] == "mgnm+sessions"


def test_state_is_written_when_there_is_something_to_keep(tmp_path):
    state = StartState(tmp_path / "out", {"minutes": 1})
    assert not (tmp_path / "out").exists()
    state.note("epochs", "a", 3)
    state.note("epochs", "b", 4)
    again = StartState(Path(tmp_path / "out"), {"minutes": 1})
    assert again.get("epochs") == {"a": 3, "b": 4}
