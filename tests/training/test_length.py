"""Small logs get more epochs, and who gives epochs gets as many."""

import math

import pytest

from mgnm_tf.recipes.recipe import About
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.recipes.recipe import Training
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.history import read_history
from mgnm_tf.runs.run import Run
from mgnm_tf.studies.estimate import estimate_run
from mgnm_tf.training.build import training_batches
from mgnm_tf.training.fit import train
from mgnm_tf.training.length import MOST_TIMES
from mgnm_tf.training.length import for_data
from tests.training.worlds import small_data

DATA = small_data()
SMALL = TrainConfig(
    model="youtube_dnn",
    options={"embedding_dim": 4},
    batch_size=128,
    epochs=2,
    patience=5,
    validation_negatives=10,
)
STEPS = training_batches(DATA, SMALL)


def with_least(steps, **update):
    return SMALL.model_copy(update={"least_steps": steps, **update})


def test_what_is_missing_multiplies_epochs_patience_and_falls():
    optimizer = SMALL.optimizer.model_copy(update={"step_epochs": 3})
    config = with_least(5 * STEPS, optimizer=optimizer)
    fitted = for_data(config, DATA)
    assert (fitted.epochs, fitted.patience) == (5, math.ceil(2.5 * 5))
    assert fitted.optimizer.step_epochs == math.ceil(2.5 * 3)
    assert fitted.least_steps == 0
    assert fitted.batch_size == config.batch_size


def test_a_log_that_is_large_enough_changes_nothing():
    assert for_data(SMALL, DATA) is SMALL
    for least in (1, 2 * STEPS):
        assert not for_data(with_least(least), DATA).difference(SMALL)
    assert for_data(with_least(2 * STEPS + 1), DATA).epochs == 3


def test_the_tiniest_log_gets_ten_times_as_many():
    fitted = for_data(with_least(10**9), DATA)
    assert fitted.epochs == 2 * MOST_TIMES
    assert fitted.patience == 5 * MOST_TIMES


def test_who_gives_epochs_means_as_many():
    assert configure("mgnm").least_steps == 5000
    assert configure("mgnm", epochs=3).least_steps == 0
    both = configure("mgnm", epochs=3, least_steps=7)
    assert (both.epochs, both.least_steps) == (3, 7)
    # A part of a recipe, too, unless it says both.
    part = Recipe(about=About(part=True), training=Training(epochs=2))
    assert configure("mgnm+short", further={"short": part}).least_steps == 0
    assert configure("mgnm+sessions").least_steps == 500
    # The run as a recipe keeps both.
    again = configure(configure("mgnm").to_recipe())
    assert (again.epochs, again.least_steps) == (16, 5000)


@pytest.mark.parametrize("refit", [False, True])
def test_a_run_trains_as_long(refit, tmp_path):
    config = with_least(3 * STEPS, refit=refit)
    folder = train(DATA, config, tmp_path / "run", verbose=0)
    run = Run(folder)
    assert not run.config.difference(config)
    chosen = folder / "choice" if refit else folder
    assert len(read_history(chosen / "history.csv")) == 3


def test_an_estimate_counts_them():
    assert estimate_run(DATA, with_least(3 * STEPS)).epochs == 3
