import re
import shutil

import pandas as pd
import pytest

from mgnm_tf.errors import DataError
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.serving import Recommender
from mgnm_tf.serving.bulk.recommend_file import ListOptions
from mgnm_tf.serving.bulk.recommend_folder import PartWorker
from mgnm_tf.serving.bulk.recommend_folder import recommend_folder
from mgnm_tf.serving.requests.history_table import HistoryColumns
from tests.export.worlds import export_sums
from tests.export.worlds import no_space
from tests.serving.exports import export_times
from tests.serving.folders import made_events
from tests.serving.folders import read_folder
from tests.serving.folders import write_folder

K3 = ListOptions(k=3)
EVENTS = made_events(20)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return export_sums(tmp_path_factory.mktemp("export") / "served")


@pytest.fixture
def history(tmp_path):
    return write_folder(tmp_path / "history", EVENTS)


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_every_user_gets_what_one_table_gives(export, history, tmp_path):
    steps = []
    done = recommend_folder(
        export, history, tmp_path / "out", K3, lambda *x: steps.append(x)
    )
    expected = Recommender.load(export).recommend(EVENTS, k=3)
    expected = expected.sort_values(["user_id", "rank"], ignore_index=True)
    pd.testing.assert_frame_equal(
        read_folder(tmp_path / "out"), expected, check_dtype=False
    )
    assert (done.parts, done.already, done.users) == (3, 0, 20)
    assert steps == [(1, 3), (2, 3), (3, 3)]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"part-{number}.parquet" for number in range(3)]


def test_files_in_folders_and_without_rows(export, history, tmp_path):
    (history / "day=1").mkdir()
    (history / "part-0.parquet").rename(history / "day=1" / "x.parquet")
    EVENTS[:0].to_parquet(history / "none.parquet")
    (history / "_SUCCESS").touch()
    done = recommend_folder(export, history, tmp_path / "out", K3)
    assert (done.parts, done.users) == (4, 20)
    assert not len(pd.read_parquet(tmp_path / "out" / "none.parquet"))
    assert (tmp_path / "out" / "day=1" / "x.parquet").exists()


def test_what_is_whole_stays_and_what_is_left_is_made(
    export, history, tmp_path
):
    out = tmp_path / "out"
    recommend_folder(export, history, out, K3)
    first, table = stamps(out), read_folder(out)
    (out / "part-1.parquet").unlink()
    (out / ".part-1.parquet.00.partial").write_text("half")
    done = recommend_folder(export, history, out, K3)
    assert (done.parts, done.already, done.users) == (3, 2, 20)
    second = stamps(out)
    assert first.keys() == second.keys()
    same = [name for name in first if first[name] == second[name]]
    assert sorted(same) == ["part-0.parquet", "part-2.parquet"]
    pd.testing.assert_frame_equal(read_folder(out), table)


def test_histories_that_changed_are_done_again(export, history, tmp_path):
    out = tmp_path / "out"
    recommend_folder(export, history, out, K3)
    changed = EVENTS[EVENTS["user_id"] == "u2"].assign(item_id="tea")
    changed.to_parquet(history / "part-2.parquet")
    done = recommend_folder(export, history, out, K3)
    assert (done.already, done.users) == (2, 15)
    assert set(pd.read_parquet(out / "part-2.parquet")["user_id"]) == {"u2"}


def test_other_settings_are_refused(export, history, tmp_path):
    out = tmp_path / "out"
    recommend_folder(export, history, out, K3)
    before = stamps(out)
    for options in (ListOptions(k=4), ListOptions(k=3, diversity=1.0)):
        with pytest.raises(OutputExistsError, match="with other settings"):
            recommend_folder(export, history, out, options)
    other = shutil.copytree(export, tmp_path / "other")
    (other / "index").mkdir()
    (other / "index" / "vectors").write_text("others")
    with pytest.raises(OutputExistsError, match="by another model"):
        recommend_folder(other, history, out, K3)
    assert stamps(out) == before


def test_a_poisoned_file_is_named_and_the_others_are_done(
    export, history, tmp_path, caplog
):
    out, poisoned = tmp_path / "out", history / "part-1.parquet"
    whole = poisoned.read_bytes()
    poisoned.write_bytes(whole[:300])
    with pytest.raises(DataError) as raised:
        recommend_folder(export, history, out, K3)
    assert str(raised.value) == (
        f"1 of 3 files of {history} could not be used: part-1.parquet. The "
        f"others are done, in {out}; mend these and give the same command "
        "again."
    )
    (said,) = [one.message for one in caplog.records if "part-1" in one.message]
    assert said.startswith(f"{poisoned} is not a whole Parquet file: ")
    assert sorted(stamps(out)) == ["part-0.parquet", "part-2.parquet"]
    poisoned.write_bytes(whole)
    assert recommend_folder(export, history, out, K3).already == 2
    assert set(read_folder(out)["user_id"]) == set(EVENTS["user_id"])


def test_a_file_without_the_columns_or_with_foreign_items(
    export, history, tmp_path, caplog
):
    table = EVENTS[:1].assign(user_id="one").drop(columns="item_id")
    table.to_parquet(history / "a.parquet")
    table = EVENTS[:1].assign(user_id="else", item_id="no")
    table.to_parquet(history / "b.parquet")
    with pytest.raises(DataError, match="2 of 5 .*: a.parquet, b.parquet. The"):
        recommend_folder(export, history, tmp_path / "out", K3)
    said = "\n".join(one.message for one in caplog.records)
    assert "a.parquet has no column 'item_id'; columns found: 'user_id'" in said
    assert "b.parquet, column 'item_id': the model knows none of the 1" in said


def test_a_user_in_two_files_is_refused(export, history, tmp_path):
    EVENTS[EVENTS["user_id"] == "u0"].to_parquet(history / "more.parquet")
    sentence = (
        f"The user 'u0' stands in {history / 'more.parquet'} and in "
        f"{history / 'part-0.parquet'}; expected all events of a user in one"
    )
    with pytest.raises(DataError, match=re.escape(sentence)):
        recommend_folder(export, history, tmp_path / "out", K3)
    assert not list((tmp_path / "out").iterdir())


def test_times_in_some_files_only(export, history, tmp_path, caplog):
    caplog.set_level("INFO")
    bare = EVENTS.drop(columns="timestamp")
    every = write_folder(tmp_path / "bare", bare)
    recommend_folder(export, every, tmp_path / "out", K3)
    said = [one.message for one in caplog.records]
    assert sum("has no column 'timestamp'" in text for text in said) == 1
    shutil.copy(every / "part-1.parquet", history)
    sentence = "part-0.parquet has a column 'timestamp' and .*1.parquet has no"
    with pytest.raises(DataError, match=sentence):
        recommend_folder(export, history, tmp_path / "mixed", K3)


def test_what_is_not_known_is_said_once(export, history, tmp_path, caplog):
    recommend_folder(export, history, tmp_path / "out", K3)
    unknown = int((EVENTS["item_id"] == "unknown").sum())
    assert [one.message for one in caplog.records] == [
        f"{history}: the model does not know 20 of 20 users and the items of "
        f"{unknown} of 80 events, which are left out."
    ]


def test_models_that_read_times_and_columns_of_other_names(
    tmp_path, monkeypatch
):
    export = export_times(tmp_path / "served")
    recommender = Recommender.load(export)
    monkeypatch.setattr(Recommender, "load", lambda path: recommender)
    names = {"user_id": "u", "item_id": "i", "timestamp": "t"}
    history = write_folder(tmp_path / "history", EVENTS)
    for path in history.iterdir():
        pd.read_parquet(path).rename(columns=names).to_parquet(path)
    options = ListOptions(k=3, columns=HistoryColumns("u", "i", "t"))
    recommend_folder(export, history, tmp_path / "out", options)
    expected = recommender.recommend(EVENTS, k=3)
    expected = expected.sort_values(["user_id", "rank"], ignore_index=True)
    found = read_folder(tmp_path / "out")
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5)


def test_folders_that_cannot_be_used(export, history, tmp_path):
    def refused(sentence, history=history, out=tmp_path / "out", export=export):
        with pytest.raises(UserError, match=sentence):
            recommend_folder(export, history, out, K3)

    (tmp_path / "empty").mkdir()
    refused("empty is a folder without files", tmp_path / "empty")
    refused("There is no folder .*no;", tmp_path / "no")
    refused("is a file; the recommendations", out=history / "part-0.parquet")
    refused("are one in the other", out=history / "out")
    refused("are one in the other", out=history)
    refused("are one in the other", out=tmp_path)
    refused("There is no export folder", export=tmp_path / "none")
    broken = shutil.copytree(export, tmp_path / "broken")
    (broken / "vocabulary" / "items.txt").write_text("tea\n")
    refused("items.txt is damaged", export=broken)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    EVENTS.to_parquet(foreign / "part-0.parquet")
    refused("was not made by `mgnm recommend`", out=foreign)
    (history / "notes.txt").touch()
    refused("notes.txt does not end in .parquet")
    assert not (tmp_path / "out").exists()


def test_a_full_disk(export, history, tmp_path):
    out = tmp_path / "out"
    recommend_folder(export, history, out, K3)
    (out / "part-1.parquet").unlink()
    whole = stamps(out)
    sentence = "part-1.parquet could not be written: .*; nothing was left of"
    with pytest.raises(UserError, match=sentence):
        # Room for the notes of the users, not for a file.
        with no_space(500):
            recommend_folder(export, history, out, K3)
    assert stamps(out) == whole
    sentence = "out could not be written: .*; the users of the files are noted"
    with pytest.raises(UserError, match=sentence):
        with no_space(5):
            recommend_folder(export, history, out, K3)
    assert stamps(out) == whole


def test_a_folder_that_cannot_be_written(export, history, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="out could not be written: Not a dir"):
        recommend_folder(export, history, tmp_path / "file" / "out", K3)


def test_a_worker_does_not_make_again_what_is_there(
    export, history, tmp_path, monkeypatch
):
    out, seen = tmp_path / "out", []

    def engine(parts, options):
        seen.extend(parts)
        yield from map(PartWorker(export, options), parts)

    recommend_folder(export, history, out, K3, engine=engine)
    assert len(seen) == 3
    monkeypatch.setattr(Recommender, "load", None)  # It need not.
    again = [PartWorker(export, K3)(part) for part in seen]
    assert [done.users for done in again] == [7, 7, 6]
