from dataclasses import replace

import keras
import numpy as np
import pytest

from mgnm_tf.data.parts import PARTS
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.run import Run
from mgnm_tf.studies.estimate import estimate_run
from mgnm_tf.training import fit
from mgnm_tf.training import gradient
from mgnm_tf.training.evaluate_run import evaluate_run
from mgnm_tf.training.refit import with_validation
from mgnm_tf.training.stages import stages_of
from tests.training.worlds import small_data

CONFIG = TrainConfig(
    model="youtube_dnn",
    options={"embedding_dim": 8, "dropout": "0.3", "projection": "True"},
    batch_size=64,
    epochs=6,
    patience=2,
    validation_negatives=50,
    steps_per_execution=3,
    optimizer={"learning_rate": 0.18, "schedule": "cosine"},
    refit=True,
)
PLAIN = CONFIG.model_copy(update={"refit": False})

# An interrupted `fit` leaves the file of `CSVLogger` open, as a kill does.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def data():
    return small_data()


@pytest.fixture(scope="module")
def seen():
    """Gets the positives and the epochs of each training of `refit`."""
    return []


@pytest.fixture(scope="module")
def refit(data, seen, tmp_path_factory):
    def counting(model, data, config, epochs, *rest):
        seen.append((len(data.positions("train")), epochs))
        return original(model, data, config, epochs, *rest)

    original = gradient._fit
    out = tmp_path_factory.mktemp("refit") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient, "_fit", counting)
        return Run(fit.train(data, CONFIG, out, verbose=0))


def weights(run):
    return {
        weight.path: np.asarray(weight) for weight in run.load_model().weights
    }


def assert_same_weights(run, other):
    ours, theirs = weights(run), weights(other)
    assert ours.keys() == theirs.keys()
    for path, value in ours.items():
        if "seed" not in path:
            np.testing.assert_array_equal(value, theirs[path], err_msg=path)


def test_the_validation_part_becomes_training(data):
    joined = with_validation(data)
    both = np.union1d(data.positions("train"), data.positions("validation"))
    np.testing.assert_array_equal(joined.positions("train"), both)
    assert len(joined.positions("validation")) == 0
    np.testing.assert_array_equal(
        joined.positions("test"), data.positions("test")
    )
    assert joined.fingerprint == data.fingerprint
    assert len(data.positions("validation")) > 0


def test_validation_chooses_and_the_training_is_made_again(
    data, refit, tmp_path
):
    plain = Run(fit.train(data, PLAIN, tmp_path / "plain", verbose=0))
    choice = Run(refit.path / run_folder.CHOICE)
    assert choice.metrics == plain.metrics
    assert choice.config == PLAIN
    assert 1 < choice.best_epoch < len(choice.history)
    assert len(refit.history) == refit.best_epoch == choice.best_epoch
    best = choice.history[choice.best_epoch - 1]["val_ndcg@5"]
    assert refit.validated == choice.validated == best
    assert not any(name.startswith("val_") for name in refit.history[0])
    moved = np.abs(
        weights(refit)["item_embedding/embeddings"]
        - weights(choice)["item_embedding/embeddings"]
    )
    assert moved.max() > 1e-2
    assert refit.metrics != choice.metrics
    assert refit.metrics["protocol"] == choice.metrics["protocol"]


def test_each_epoch_has_both_parts(data, seen, refit):
    parts = ("train", "validation")
    alone, more = (len(data.positions(part)) for part in parts)
    assert seen == [(alone, 6), (alone + more, refit.best_epoch)]


def test_the_test_part_changes_no_weight(data, refit, tmp_path):
    items = np.array(data.items)
    test = np.asarray(data.parts) == PARTS.index("test")
    items[test] = np.random.default_rng(0).permutation(items[test])
    other = replace(data, items=items)
    changed = Run(fit.train(other, CONFIG, tmp_path / "run", verbose=0))
    assert_same_weights(changed, refit)
    assert changed.metrics["test"] != refit.metrics["test"]


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("training, epoch", [(0, 1), (1, 1)])
def test_an_interrupted_refit_goes_on(
    data, refit, monkeypatch, tmp_path, training, epoch
):
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, now, logs=None):
            if now == epoch and len(trainings) == training + 1:
                raise Killed

    def counting(*args):
        trainings.append(1)
        return [*original(*args), Kill()]

    trainings = []
    original = gradient._callbacks
    monkeypatch.setattr(gradient, "_callbacks", counting)
    with pytest.raises(Killed):
        fit.train(data, CONFIG, tmp_path / "run", verbose=0)
    monkeypatch.setattr(gradient, "_callbacks", original)
    run = Run(fit.train(data, CONFIG, tmp_path / "run", verbose=0))
    assert run.history == refit.history
    assert run.metrics == refit.metrics
    assert_same_weights(run, refit)


def test_a_model_that_counts_counts_both_parts(data, tmp_path):
    config = TrainConfig(model="item_knn", refit=True)
    run = Run(fit.train(data, config, tmp_path / "run", verbose=0))
    assert not (tmp_path / "run" / run_folder.CHOICE).exists()
    alone = config.model_copy(update={"refit": False})
    joined = fit.train(
        with_validation(data), alone, tmp_path / "joined", verbose=0
    )
    plain = fit.train(data, alone, tmp_path / "plain", verbose=0)
    assert run.best_epoch is None
    assert run.validated is None
    assert run.metrics == Run(joined).metrics != Run(plain).metrics


def test_the_stage_of_a_refit_is_one():
    assert stages_of(configure("timirec", refit=True))[0].refit
    assert not stages_of(configure("timirec"))[0].refit


def test_the_tables_of_a_model_have_both_parts(data, tmp_path):
    out = tmp_path / "run"
    settings = {"epochs": 1, "batch_size": 512, "verbose": 0, "refit": True}
    fit.train(data, "dhcn", out, options={"embedding_dim": 8}, **settings)
    held = Run(out).load_model().convolution.degrees
    joined = with_validation(data).session_hypergraph["degrees"]
    np.testing.assert_array_equal(held, joined)
    assert not np.array_equal(held, data.session_hypergraph["degrees"])


def test_the_validation_part_is_refused(data, refit, tmp_path):
    protocol = Protocol(part="validation")
    message = r"trained on the validation part, too \(refit\)"
    with pytest.raises(UserError, match=message):
        evaluate_run(refit, data, protocol)
    evaluate_run(refit.path / run_folder.CHOICE, data, protocol, verbose=0)
    with pytest.raises(UserError, match=message):
        fit.train(data, CONFIG, tmp_path / "run", protocol=protocol)
    assert not [*tmp_path.iterdir()]


def test_an_estimate_has_both_trainings(data):
    assert estimate_run(data, CONFIG).epochs == 2 * CONFIG.epochs
    counting = TrainConfig(model="popularity", refit=True)
    assert estimate_run(data, counting).epochs == 1
