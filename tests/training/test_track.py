import json
import shutil
import sys

import keras
import pytest
import tensorflow as tf

from mgnm_tf.errors import UserError
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.history import read_history
from mgnm_tf.training import fit
from mgnm_tf.training import track
from tests.training.worlds import small_data

CONFIG = TrainConfig(
    model="youtube_dnn",
    options={"embedding_dim": 8, "dropout": 0.3},
    batch_size=64,
    epochs=3,
    validation_negatives=50,
    steps_per_execution=3,
    optimizer={"learning_rate": 0.1, "schedule": "cosine"},
)
COUNTING = TrainConfig(model="item_knn", options={"last": 5})

# An interrupted `fit` leaves the file of `CSVLogger` open, as a kill does.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
    # Of MLflow, with a newer SQLAlchemy.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Killed(BaseException):
    """Stands for the end of the process."""


class KillAt(keras.callbacks.Callback):
    """Ends the process at the beginning of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Killed


@pytest.fixture(scope="module")
def data():
    return small_data()


def interrupted_run(data, out, tracker):
    """A run that was interrupted after its first epoch, and went on."""
    with pytest.raises(Killed):
        fit.train(
            data, CONFIG, out, verbose=0, track=tracker, callbacks=[KillAt(1)]
        )
    first = json.loads(
        (run_folder.partial_path(out) / run_folder.TRACKING).read_text()
    )
    fit.train(data, CONFIG, out, verbose=0, track=tracker)
    again = json.loads((out / run_folder.TRACKING).read_text())
    assert first == again
    return again[tracker], read_history(out / run_folder.HISTORY)


def metrics_of(out):
    return json.loads((out / run_folder.METRICS).read_text())["test"]


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    module = pytest.importorskip(
        "mlflow", reason="mlflow is not installed: mgnm_tf[mlflow]"
    )
    pytest.importorskip("alembic", reason="MLflow's file needs alembic")
    uri = module.get_tracking_uri()
    module.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    yield module
    module.set_tracking_uri(uri)


def test_mlflow_follows_a_run_and_goes_on_with_it(data, tmp_path, mlflow):
    out = tmp_path / "runs" / "a"
    identity, history = interrupted_run(data, out, "mlflow")
    client = mlflow.MlflowClient()
    run = client.get_run(identity)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "runs/a"
    assert len(client.search_runs(["0"])) == 1
    parameters = run.data.params
    assert parameters["model.dropout"] == "0.3"
    assert parameters["training.optimizer.learning_rate"] == "0.1"
    assert parameters["seed"] == "0"
    assert run.data.tags["fingerprint"] == data.fingerprint
    curve = client.get_metric_history(identity, "val_ndcg_at_5")
    assert [one.step for one in curve] == [0, 1, 2]
    assert [one.value for one in curve] == pytest.approx(
        [row["val_ndcg@5"] for row in history]
    )
    test = metrics_of(out)
    assert run.data.metrics["test_ndcg_at_5"] == pytest.approx(test["ndcg@5"])
    assert run.data.metrics["test_gauc"] == pytest.approx(test["gauc"])


def test_a_failed_run_is_failed_in_mlflow(data, tmp_path, mlflow, monkeypatch):
    def write_evaluation(*args):
        raise UserError("No evaluation.")

    monkeypatch.setattr(fit, "write_evaluation", write_evaluation)
    with mlflow.start_run() as mine:
        with pytest.raises(UserError, match="No evaluation"):
            fit.train(data, COUNTING, tmp_path / "a", verbose=0, track="mlflow")
        assert mlflow.active_run().info.run_id == mine.info.run_id
    client = mlflow.MlflowClient()
    found = {run.info.status: run for run in client.search_runs(["0"])}
    assert set(found) == {"FAILED", "FINISHED"}
    tags = found["FAILED"].data.tags
    assert tags["mlflow.parentRunId"] == mine.info.run_id


def test_a_run_that_mlflow_has_lost_is_told(data, tmp_path, mlflow):
    out = tmp_path / "a"
    partial = run_folder.partial_path(out)
    partial.mkdir()
    (partial / run_folder.TRACKING).write_text('{"mlflow": "0123"}')
    message = "MLflow refuses the run; set MLFLOW_TRACKING_URI .*: Run with id"
    with pytest.raises(UserError, match=message):
        fit.train(data, COUNTING, out, verbose=0, track="mlflow")


@pytest.fixture
def wandb(tmp_path, monkeypatch):
    module = pytest.importorskip(
        "wandb", reason="wandb is not installed: mgnm_tf[wandb]"
    )
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    return module


def test_wandb_follows_a_run_and_goes_on_with_it(
    data, tmp_path, wandb, monkeypatch
):
    out, runs, logged = tmp_path / "runs" / "a", [], []

    def init(**arguments):
        runs.append(original(**arguments))
        monkeypatch.setattr(wandb, "log", log)
        return runs[-1]

    def log(values):
        logged.append(values)
        runs[-1].log(values)

    original = wandb.init
    monkeypatch.setattr(wandb, "init", init)
    identity, history = interrupted_run(data, out, "wandb")
    assert [run.id for run in runs] == [identity, identity]
    assert {run.name for run in runs} == {"runs/a"}
    assert {run.project for run in runs} == {"mgnm_tf"}
    assert wandb.run is None
    config = dict(runs[1].config)
    assert config["model.dropout"] == 0.3
    assert config["fingerprint"] == data.fingerprint
    assert [one["epoch/epoch"] for one in logged] == [0, 1, 2]
    assert [one["epoch/val_ndcg@5"] for one in logged] == pytest.approx(
        [row["val_ndcg@5"] for row in history]
    )
    # A cosine ends at a twentieth, and goes on after an interruption.
    assert logged[-1]["epoch/learning_rate"] == pytest.approx(0.1 / 20)


def test_a_run_of_wandb_that_is_active_is_taken(data, tmp_path, wandb):
    with wandb.init(project="mine") as mine:
        fit.train(data, COUNTING, tmp_path / "a", verbose=0, track="wandb")
        assert wandb.run is mine
        assert mine.summary["test/gauc"] == metrics_of(tmp_path / "a")["gauc"]


def test_a_refusal_of_wandb_is_told(data, tmp_path, wandb, monkeypatch):
    def init(**arguments):
        raise wandb.errors.UsageError("No API key configured.\nMore of it.")

    monkeypatch.setattr(wandb, "init", init)
    with pytest.raises(UserError) as caught:
        fit.train(data, COUNTING, tmp_path / "a", verbose=0, track="wandb")
    assert str(caught.value) == (
        "Weights & Biases refuses the run; log in by `wandb login`, or set "
        "WANDB_MODE=offline to keep the run on this machine. It says: No API "
        "key configured."
    )
    assert list(tmp_path.iterdir()) == []


def test_the_reason_of_a_tracker_is_cut_short():
    for text, said in (
        ("word " * 100, " ..."),
        ("", "It says: no reason given"),
    ):
        with (
            pytest.raises(UserError) as caught,
            track._refusals_of("MLflow", ValueError),
        ):
            raise ValueError(text)
        assert str(caught.value).endswith(said)
        assert len(str(caught.value)) < 400


def test_tensorboard_follows_a_run(data, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing import event_accumulator

    out = tmp_path / "a"
    config = CONFIG.model_copy(update={"epochs": 1})
    fit.train(data, config, out, verbose=0, track="tensorboard")

    def read(part):
        folder = out / run_folder.TENSORBOARD / part
        events = event_accumulator.EventAccumulator(str(folder))
        return events.Reload()

    assert "epoch_loss" in read("train").Tags()["tensors"]
    assert "epoch_ndcg@5" in read("validation").Tags()["tensors"]
    (entry,) = read("test").Tensors("ndcg@5")
    value = float(tf.make_ndarray(entry.tensor_proto))
    assert (entry.step, value) == (1, pytest.approx(metrics_of(out)["ndcg@5"]))
    (entry,) = read("test").Tensors("recipe")
    assert b"dropout = 0.3" in entry.tensor_proto.string_val[0]


def test_a_tracker_is_no_part_of_the_configuration(data, tmp_path):
    plain = fit.train(data, COUNTING, tmp_path / "a", verbose=0)
    assert not (plain / run_folder.TRACKING).exists()
    assert not (plain / run_folder.TENSORBOARD).exists()
    followed = fit.train(
        data, COUNTING, tmp_path / "b", verbose=0, track="tensorboard"
    )
    for name in (run_folder.CONFIG, run_folder.RECIPE):
        assert (plain / name).read_text() == (followed / name).read_text()
    shutil.rmtree(followed)


def test_an_unknown_tracker(data, tmp_path):
    with pytest.raises(UserError, match="'mlfow'. Did you mean 'mlflow'?"):
        fit.train(data, COUNTING, tmp_path / "a", track="mlfow")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("mlflow", "mlflow.keras"),
        ("wandb", "wandb.integration.keras"),
        ("tensorboard", "tensorboard"),
    ],
)
def test_a_package_that_is_not_installed(
    data, tmp_path, name, package, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf'Tracking by {name} needs .* pip install "mgnm_tf\[{name}\]"'
    with pytest.raises(UserError, match=message):
        fit.train(data, COUNTING, tmp_path / "a", track=name)
    with pytest.raises(UserError, match=message):
        track.check_tracker(name)
    assert list(tmp_path.iterdir()) == []
