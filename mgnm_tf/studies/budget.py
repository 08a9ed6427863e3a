"""How many epochs of which models fit into the minutes that there are."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import keras

ENOUGH_POSITIVES = 1_000_000
"""Positives, repeated ones too, from which a model says something of itself.

The recipes were tuned on a log where that is half of their epochs.
"""

LEAST_PART = 0.1
"""The part of an epoch, on positives drawn at random, that is worth a try."""


@dataclass(frozen=True)
class Cost:
    """What a run of a model costs, in seconds.

    Args:
        fixed: all but the epochs: the start and the evaluation on the test.
        epoch: an epoch with its validation.
        epochs: the most epochs, those of its recipe.
        fewest: epochs below which the model says little about itself.
    """

    fixed: float
    epoch: float
    epochs: int
    fewest: int = 1

    def of(self, epochs: int) -> float:
        """Returns the seconds of a run of so many epochs."""
        return self.fixed + epochs * self.epoch


def fewest_epochs(epochs: int, positives: int) -> int:
    """Returns the epochs below which a model says little about itself.

    They are half of those of its recipe, or as many as have
    `ENOUGH_POSITIVES`.

    Args:
        epochs: those of the recipe.
        positives: how many an epoch has.
    """
    half = math.ceil(epochs / 2)
    return min(half, math.ceil(ENOUGH_POSITIVES / max(positives, 1)))


def share_out(
    costs: Mapping[str, Cost], seconds: float, anything: bool = True
) -> dict[str, int]:
    """Chooses models and their epochs.

    In the order given each model gets its `fewest` epochs, if they fit beside
    those before it. What is left goes, an epoch at a time, to whom has the
    smallest share of the epochs of its recipe. If the `fewest` fit for no
    model, and `anything` is better than nothing, the one with the shortest
    epoch gets as many as fit; one, of which `StopInTime` makes a part, if
    there is time for `LEAST_PART` of it.

    Args:
        costs: model -> its cost, in the order of what is expected of them.
        seconds: what there is.
        anything: whether fewer than the `fewest` are better than nothing.
            Defaults to `True`.

    Returns:
        model -> epochs, in the same order, of those that are chosen.
    """
    chosen: dict[str, int] = {}
    left = seconds
    for name, cost in costs.items():
        if cost.of(cost.fewest) <= left:
            chosen[name] = cost.fewest
            left -= cost.of(cost.fewest)
    if not chosen and costs and anything:
        name = min(costs, key=lambda one: costs[one].of(1))
        cost = costs[name]
        if cost.of(1) <= seconds:
            chosen[name] = int((seconds - cost.fixed) // cost.epoch)
        elif cost.fixed + LEAST_PART * cost.epoch <= seconds:
            chosen[name] = 1
        return chosen

    def share(name: str) -> float:
        return chosen[name] / costs[name].epochs

    while growing := [
        name
        for name, epochs in chosen.items()
        if epochs < costs[name].epochs and costs[name].epoch <= left
    ]:
        name = min(growing, key=share)
        chosen[name] += 1
        left -= costs[name].epoch
    return chosen


class StopInTime(keras.callbacks.Callback):
    """Ends a training in time, inside an epoch if it has to be.

    The positives of an epoch come in a random order, so part of an epoch is
    an epoch on fewer positives. Validation and the end of the epoch follow
    as ever.

    Args:
        planned: after which time, by `time.monotonic`, no epoch is begun that
            would end later, as far as the last one tells.
        latest: when the last step has to be over.
    """

    def __init__(self, planned: float, latest: float):
        super().__init__()
        self.planned, self.latest = planned, latest
        self.epochs = 0.0
        """How many epochs there were, with the part of the last one."""

    def on_epoch_begin(self, epoch, logs=None):
        self._begin, self._epoch = time.monotonic(), epoch

    def on_train_batch_end(self, batch, logs=None):
        self.epochs = self._epoch + (batch + 1) / self.params["steps"]
        if time.monotonic() > self.latest:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        if now + (now - self._begin) > self.planned:
            self.model.stop_training = True
