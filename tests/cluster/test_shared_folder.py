import pytest

from mgnm_tf.cluster import shared_folder
from mgnm_tf.cluster.shared_folder import SharedFolder
from mgnm_tf.errors import UserError
from mgnm_tf.runs import run_folder


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(shared_folder, "_PAUSE", 0.0)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "run.partial"
    made.mkdir()
    return made


def test_a_folder_with_the_sign_is_shared(folder):
    shared = SharedFolder(SharedFolder.show(folder))
    shared.check()
    shared.hide()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("other", ["no folder", "no sign", "another sign"])
def test_a_folder_that_is_not_shared_is_named(folder, other):
    shared = SharedFolder(SharedFolder.show(folder))
    shared.hide()
    if other == "no folder":
        folder.rmdir()
    if other == "another sign":
        SharedFolder.show(folder)
    with pytest.raises(UserError, match=f"run folder {folder}, which worker 0"):
        shared.check()


def test_a_worker_goes_on_with_a_copy(folder, tmp_path):
    backup = folder / run_folder.BACKUP / "epoch-00001"
    backup.mkdir(parents=True)
    (backup / "latest.weights.h5").write_text("weights")
    (folder / run_folder.HISTORY).write_text("epoch\n0\n")
    (folder / run_folder.STAGE).mkdir()
    (folder / run_folder.STAGE / "model.keras").write_text("first")
    shared = SharedFolder(SharedFolder.show(folder))
    with shared.copy() as own:
        assert (own / run_folder.HISTORY).read_text() == "epoch\n0\n"
        assert (own / run_folder.STAGE / "model.keras").read_text() == "first"
        copied = own / run_folder.BACKUP / "epoch-00001" / "latest.weights.h5"
        copied.write_text("mine")
    assert not own.exists()
    # What a worker writes and removes is its own.
    assert (backup / "latest.weights.h5").read_text() == "weights"
    assert (folder / run_folder.STAGE / "model.keras").exists()


def test_a_finished_stage_is_found_by_the_others(folder, tmp_path):
    shared = SharedFolder(SharedFolder.show(folder))
    finished = folder.rename(tmp_path / "run")
    (finished / "model.keras").write_text("done")
    shared.link(tmp_path / "stage")
    assert (tmp_path / "stage" / "model.keras").read_text() == "done"
    shared.link(finished)
    assert not finished.is_symlink()
