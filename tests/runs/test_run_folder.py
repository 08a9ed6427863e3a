import fcntl

import pytest

from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig

CONFIG = TrainConfig(model="mgnm")
ENVIRONMENT = {"data": {"fingerprint": "abc", "path": "d", "name": "d"}}


class Killed(BaseException):
    pass


def interrupt(path, config=CONFIG, environment=ENVIRONMENT):
    with pytest.raises(Killed):
        with run_folder.open_run(path, config, environment) as folder:
            (folder / "part").write_text("half")
            raise Killed


def test_a_finished_run_stands_at_its_place(tmp_path):
    run = tmp_path / "a" / "run"
    with run_folder.open_run(run, CONFIG, ENVIRONMENT) as folder:
        (folder / run_folder.BACKUP).mkdir()
        (folder / run_folder.MODEL).write_text("model")
        assert not run.exists()
    assert run_folder.read_run(run) == (CONFIG, ENVIRONMENT)
    names = {path.name for path in run.iterdir()}
    assert names == {
        "config.json",
        "recipe.toml",
        "environment.json",
        "model.keras",
    }
    assert not run_folder.partial_path(run).exists()


def test_an_interrupted_run_stays_and_goes_on(tmp_path):
    interrupt(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with run_folder.open_run(tmp_path / "run", CONFIG, ENVIRONMENT) as folder:
        assert (folder / "part").read_text() == "half"


def test_other_numbers_of_workers_are_told(tmp_path, caplog):
    caplog.set_level("INFO", "mgnm_tf")
    interrupt(tmp_path / "run", environment={**ENVIRONMENT, "workers": 2})
    told = "was last at 2 worker(s), and goes on with 1."
    assert told not in caplog.text
    interrupt(tmp_path / "run", environment={**ENVIRONMENT, "workers": 1})
    assert told in caplog.text
    caplog.clear()
    interrupt(tmp_path / "run")
    assert "worker" not in caplog.text


def test_an_existing_folder_is_refused(tmp_path):
    with pytest.raises(OutputExistsError, match="exists already"):
        with run_folder.open_run(tmp_path, CONFIG, ENVIRONMENT):
            pass


def test_other_options_are_named(tmp_path):
    interrupt(tmp_path / "run")
    other = TrainConfig(model="mgnm", epochs=7)
    with pytest.raises(UserError, match="epochs is 7, was 20.*or delete"):
        with run_folder.open_run(tmp_path / "run", other, ENVIRONMENT):
            pass


def test_other_data_are_refused(tmp_path):
    interrupt(tmp_path / "run")
    other = {"data": {**ENVIRONMENT["data"], "fingerprint": "xyz"}}
    with pytest.raises(UserError, match="other data"):
        with run_folder.open_run(tmp_path / "run", CONFIG, other):
            pass


def test_two_runs_into_one_folder(tmp_path):
    with run_folder.open_run(tmp_path / "run", CONFIG, ENVIRONMENT):
        with pytest.raises(UserError, match="Another process"):
            with run_folder.open_run(tmp_path / "run", CONFIG, ENVIRONMENT):
                pass


def test_the_lock_is_free_after_an_interruption(tmp_path):
    interrupt(tmp_path / "run")
    with open(run_folder.partial_path(tmp_path / "run") / "lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        with run_folder.open_run(
            tmp_path / "file" / "run", CONFIG, ENVIRONMENT
        ):
            pass


def fail(path, error):
    with run_folder.open_run(path, CONFIG, ENVIRONMENT) as folder:
        (folder / "part").write_text("half")
        raise error


def test_an_error_leaves_nothing_but_whole_epochs(tmp_path):
    full = "No space left on device"
    of_hdf5 = RuntimeError(f"Can't decrement id ref count ('{full}', buf)")
    for error in (UserError("no"), OSError(28, full), of_hdf5):
        with pytest.raises(UserError) as found:
            fail(tmp_path / "run", error)
        assert str(found.value) in (
            "no",
            f"{run_folder.partial_path(tmp_path / 'run')} could not be "
            f"written: {full}; nothing was left of it.",
        )
        assert list(tmp_path.iterdir()) == []
    epoch = run_folder.partial_path(tmp_path / "run") / "backup/epoch-00001"
    epoch.mkdir(parents=True)
    with pytest.raises(UserError, match="continues after the last whole"):
        fail(tmp_path / "run", OSError(28, "No space left on device"))
    assert epoch.exists()


def test_read_run_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match="There is no run folder"):
        run_folder.read_run(tmp_path / "none")
    with pytest.raises(UserError, match="it has no config.json"):
        run_folder.read_run(tmp_path)
    interrupt(tmp_path / "run")
    with pytest.raises(UserError, match="run.partial is an unfinished run"):
        run_folder.read_run(tmp_path / "run")
