import time

import pytest

from mgnm_tf.data.batches.pipeline import num_batches
from mgnm_tf.errors import UserError
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.studies import estimate
from mgnm_tf.studies.estimate import Estimate
from mgnm_tf.studies.estimate import estimate_run
from tests.training.worlds import small_data


@pytest.fixture(scope="module")
def data():
    return small_data()


def test_seconds_are_those_of_start_and_epochs():
    assert Estimate(start=3.0, epoch=2.0, epochs=4).seconds == 11.0


def test_an_epoch_is_its_steps_and_its_validation(data, monkeypatch):
    """With a clock that ticks a second at each look."""
    ticks = iter(range(1000))
    config = TrainConfig(model="gru4rec", batch_size=16, epochs=7)
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(ticks))
    one = estimate_run(data, config)
    monkeypatch.undo()
    steps = num_batches(data, "train", batch_size=16)
    checks = num_batches(data, "validation", batch_size=16)
    assert one.epoch == pytest.approx(steps + checks)
    assert one.validation == pytest.approx(checks)
    assert one.epochs == 7
    assert one.start > 0


def test_a_model_that_counts_costs_nothing(data):
    begin = time.perf_counter()
    one = estimate_run(data, TrainConfig(model="popularity"))
    assert (one.epoch, one.epochs) == (0.0, 1)
    assert time.perf_counter() - begin < 30


def test_wrong_options_are_told(data):
    config = TrainConfig(model="gru4rec", options={"embedding_dim": "0"})
    with pytest.raises(UserError, match="`embedding_dim` must be at least 1"):
        estimate_run(data, config)
