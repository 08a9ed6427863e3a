import sys

import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.runs import run_folder
from mgnm_tf.training import trials as module
from mgnm_tf.training.search_journal import JOURNAL
from mgnm_tf.training.tune import tune
from tests.training.searches import count
from tests.training.searches import made_quickly
from tests.training.worlds import small_data

optuna = pytest.importorskip(
    "optuna", reason="optuna is not installed: mgnm_tf[tune]"
)


@pytest.fixture(scope="module")
def data():
    return small_data()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "train", made_quickly)


@pytest.fixture(scope="module")
def searched(data, tmp_path_factory):
    """The folder of a search of one trial."""
    out = tmp_path_factory.mktemp("tune") / "a"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "train", made_quickly)
        count(data, out, 1)
    return out


def test_a_journal_that_cannot_be_written_is_told(
    data, quick, tmp_path, monkeypatch
):
    def append_logs(*arguments):
        raise OSError(28, "No space left on device")

    backend = optuna.storages.journal.JournalFileBackend
    with monkeypatch.context() as patch:
        patch.setattr(backend, "append_logs", append_logs)
        with pytest.raises(UserError, match="written: No space left on device"):
            count(data, tmp_path / "a", 1)
    assert len(count(data, tmp_path / "a", 1).trials) == 1
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file/a could not be written: Not a d"):
        count(data, tmp_path / "file" / "a", 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "a search of another recipe: seed is 1, was 0"),
        ({"options": {"last": 3}}, "another recipe: options is {'last': 3}"),
        ({"space": {"last": [1, 2]}}, r"another space: last is \[1, 2\], was"),
    ],
)
def test_another_search_is_refused(data, searched, change, message):
    with pytest.raises(UserError, match=message):
        count(data, searched, **change)


def test_another_model_and_other_data_are_refused(data, searched):
    with pytest.raises(
        UserError, match="model is 'popularity', was 'item_knn'"
    ):
        space = {"negatives": [1, 2]}
        tune(data, "popularity", searched, trials=1, space=space)
    with pytest.raises(UserError, match=r"a search on other data \(small\)"):
        count(small_data(40), searched)


def test_a_folder_of_something_else_is_refused(data, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="holds no search"):
        count(data, tmp_path)
    with pytest.raises(UserError, match="holds no search"):
        count(data, tmp_path / "notes.txt")


def test_a_study_of_somebody_else_is_refused(data, tmp_path):
    backend = optuna.storages.journal.JournalFileBackend(
        str(tmp_path / JOURNAL)
    )
    storage = optuna.storages.JournalStorage(backend)
    optuna.create_study(study_name="mine", storage=storage)
    with pytest.raises(UserError, match="the Optuna study 'mine', not one of"):
        count(data, tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        b"\x00\xff\n",
        b"half\n",
        b"[1]\n",
        b'{"op_code": 99}\n',
        b'{"op_code": 4}\n',
        b"{}\n",
    ],
)
def test_a_corrupt_journal_is_told(data, searched, tmp_path, damage):
    (tmp_path / JOURNAL).write_bytes(damage + (searched / JOURNAL).read_bytes())
    with pytest.raises(UserError, match="is no journal of Optuna") as caught:
        count(data, tmp_path)
    assert "\n" not in str(caught.value)


def test_two_processes_do_not_share_a_search(data, searched):
    with run_folder.locked(searched):
        with pytest.raises(UserError, match="Another process is writing"):
            count(data, searched)


def test_optuna_is_not_installed(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    message = r'needs Optuna, .*: pip install "mgnm_tf\[tune\]"'
    with pytest.raises(UserError, match=message):
        count(data, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
