"""Models and epochs are chosen so that they fit into the time."""

from types import SimpleNamespace

import pytest

from mgnm_tf.studies import budget
from mgnm_tf.studies.budget import Cost
from mgnm_tf.studies.budget import StopInTime
from mgnm_tf.studies.budget import fewest_epochs
from mgnm_tf.studies.budget import share_out


def spent(costs, chosen):
    return sum(costs[name].of(epochs) for name, epochs in chosen.items())


def test_what_fits_gets_all_of_its_epochs():
    costs = {"a": Cost(5, 10, 8), "b": Cost(5, 2, 2)}
    assert share_out(costs, 1000) == {"a": 8, "b": 2}


def test_what_does_not_fit_is_cut_alike():
    costs = {"a": Cost(0, 10, 16, 3), "b": Cost(0, 10, 16, 3)}
    assert share_out(costs, 200) == {"a": 10, "b": 10}


@pytest.mark.parametrize("seconds", [50, 100, 300, 1000, 2500])
def test_never_more_than_there_is(seconds):
    costs = {
        "a": Cost(20, 30, 16, 3),
        "b": Cost(10, 70, 16, 3),
        "c": Cost(10, 9, 16, 3),
        "d": Cost(10, 5, 40, 3),
    }
    chosen = share_out(costs, seconds)
    assert chosen and spent(costs, chosen) <= seconds
    assert all(epochs >= 3 for epochs in chosen.values())
    left = seconds - spent(costs, chosen)
    for name, epochs in chosen.items():
        assert epochs == costs[name].epochs or costs[name].epoch > left


def test_the_first_comes_first_and_the_dear_are_left_out():
    costs = {
        "a": Cost(0, 30, 16, 3),
        "b": Cost(0, 50, 16, 3),
        "c": Cost(0, 10, 16, 3),
    }
    chosen = share_out(costs, 130)
    assert list(chosen) == ["a", "c"]
    assert share_out(costs, 89) == {"c": 8}


def test_few_epochs_are_better_than_none():
    costs = {"a": Cost(10, 100, 16, 3), "b": Cost(10, 60, 16, 3)}
    assert share_out(costs, 140) == {"b": 2}
    assert share_out(costs, 50) == {"b": 1}
    assert share_out(costs, 12) == {}
    assert share_out({}, 100) == {}
    assert share_out(costs, 140, anything=False) == {}


@pytest.mark.parametrize(
    ("positives", "fewest"),
    [(7_000, 8), (130_000, 8), (200_000, 5), (990_000, 2), (5_000_000, 1)],
)
def test_fewer_epochs_are_enough_on_a_large_log(positives, fewest):
    assert fewest_epochs(16, positives) == fewest


@pytest.fixture
def stop(monkeypatch):
    """A callback with its clock in `now`."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(budget.time, "monotonic", lambda: clock.now)
    callback = StopInTime(planned=100.0, latest=200.0)
    callback.set_model(SimpleNamespace(stop_training=False))
    callback.set_params({"steps": 10})
    callback.clock = clock
    return callback


def test_no_epoch_is_begun_that_would_be_too_long(stop):
    stop.on_epoch_begin(0)
    stop.clock.now = 40.0
    stop.on_epoch_end(0)
    assert not stop.model.stop_training
    stop.on_epoch_begin(1)
    stop.clock.now = 80.0
    stop.on_epoch_end(1)
    assert stop.model.stop_training


def test_an_epoch_is_cut_at_the_latest(stop):
    stop.on_epoch_begin(2)
    stop.clock.now = 199.0
    stop.on_train_batch_end(3)
    assert not stop.model.stop_training
    stop.clock.now = 201.0
    stop.on_train_batch_end(4)
    assert stop.model.stop_training
    assert stop.epochs == pytest.approx(2.5)
