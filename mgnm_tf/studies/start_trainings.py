"""The trainings of `mgnm start`: what fits into its minutes, one by one."""

import logging
import time
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

import keras
from rich.console import Console

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.run import Run
from mgnm_tf.studies.budget import Cost
from mgnm_tf.studies.budget import StopInTime
from mgnm_tf.studies.budget import fewest_epochs
from mgnm_tf.studies.budget import share_out
from mgnm_tf.studies.estimate import Estimate
from mgnm_tf.studies.estimate import estimate_run
from mgnm_tf.studies.plan import PlannedRun
from mgnm_tf.studies.plan import plan_runs
from mgnm_tf.studies.progress import EpochProgress
from mgnm_tf.studies.progress import duration
from mgnm_tf.studies.progress import make_progress
from mgnm_tf.studies.runner import make_run
from mgnm_tf.studies.start_state import StartState
from mgnm_tf.studies.verdict import shown
from mgnm_tf.training.length import for_data

logger = logging.getLogger(__name__)

_SLACK = 0.9
"""The part of the time that is planned with; a busy machine takes more."""

_WRITING = 1.0
"""Seconds that the end of an epoch takes to write weights and backup."""

_CAUTION = 2.0
"""How much longer than planned the evaluations may take in the end."""

_OVERRUN = 1.25
"""How much longer than planned a training may take."""


@dataclass(frozen=True)
class Trainings:
    """What `mgnm start` trains, and on what.

    Args:
        models: labels, in the order of what is expected of them.
        seed: the seed of all.
        path: the data folder.
        data: the data set.
        runs: the folder of the comparison.
        protocol: how the runs are evaluated.
        state: what is kept between two calls.
        deadline: when all has to be over, by `time.monotonic`.
        console: where progress is shown.
    """

    models: Sequence[str]
    seed: int
    path: Path
    data: SequenceDataset
    runs: Path
    protocol: Protocol
    state: StartState
    deadline: float
    console: Console

    def make(self) -> None:
        """Trains what fits; what was begun before is continued first.

        One model after the other is measured and, if it fits, trained: what
        measuring the later ones takes is not taken from the first.
        """
        self.state.keep(failed={})
        begun = dict(self.state.get("epochs") or {})
        for label in begun:
            if not self._finished(label):
                self._make(label)
        waiting = [label for label in self.models if label not in begun]
        costs: dict[str, Cost] = {}
        while waiting:
            label = waiting.pop(0)
            if self._left() <= 0 or not self._measure(label):
                continue
            costs[label] = cost = self._cost(label)
            # Kept for those that wait, who are measured when it is their
            # turn: their fewest epochs, as if they were as slow.
            kept = replace(cost, epochs=cost.fewest)
            shares = {label: cost, **dict.fromkeys(waiting, kept)}
            if self._make_if_it_fits(label, shares, others=bool(waiting)):
                del costs[label]
        for label in [*costs]:
            # A scrap of a training beside a whole one would only mislead.
            if not self.finished():
                self._make_if_it_fits(label, costs, anything=True)

    def _make_if_it_fits(
        self,
        label: str,
        costs: Mapping[str, Cost],
        others: bool = False,
        anything: bool = False,
    ) -> bool:
        """Trains a model for its share of what is left, if it has one."""
        chosen = share_out(costs, _SLACK * self._left(), anything)
        if label not in chosen:
            return False
        self.state.note("epochs", label, chosen[label])
        self._make(label, others)
        return True

    def finished(self) -> list[str]:
        """Returns the labels of the runs that are there."""
        return [label for label in self.models if self._finished(label)]

    def open(self) -> list[str]:
        """Returns the labels of the runs that are not there."""
        return [label for label in self.models if not self._finished(label)]

    def options(self, label: str) -> dict[str, int]:
        """Returns what wins over the recipe of a model."""
        epochs = (self.state.get("epochs") or {}).get(label)
        full = self.full(label)
        if epochs in (None, full.epochs):
            return {}
        return {"epochs": epochs, "patience": full.patience}

    def full(self, label: str) -> TrainConfig:
        """Returns what the recipe of a model is on this log."""
        return for_data(self.planned(label).config, self.data)

    def planned(
        self, label: str, options: dict[str, int] | None = None
    ) -> PlannedRun:
        """Returns the run of a model, by its recipe and `options`."""
        (run,) = plan_runs([label], [self.seed], {}, {label: options or {}})
        return run

    def cuts(self) -> list[str]:
        """Returns what of the recipes was cut, and why, as sentences."""
        lines = []
        for label in self.models:
            full = self.full(label).epochs
            if self._failed(label):
                reason = self.state.get("failed")[label].rstrip(".")
                lines.append(f"{shown(label)} failed: {reason}.")
            elif not self._finished(label):
                one = (self.state.get("measured") or {}).get(label)
                took = ""
                if one:
                    took = f" of about {duration(one['epoch'])} each"
                lines.append(
                    f"{shown(label)} was left out: its start and "
                    f"{self._fewest(full)} epochs{took}, below which it would "
                    "say little, did not fit into what was left of the time."
                )
            elif line := self._cut(label, full):
                lines.append(line)
        return lines

    def epochs_of(self, label: str) -> float:
        """Returns how many epochs a finished run was trained for."""
        run = self.planned(label, self.options(label))
        whole = len(Run(self.runs / run.folder).history)
        part = (self.state.get("trained") or {}).get(label)
        return part if part and whole - 1 < part < whole else float(whole)

    def _cut(self, label: str, full: int) -> str:
        """Says that a finished run had fewer epochs than its recipe."""
        run = self.planned(label, self.options(label))
        made = Run(self.runs / run.folder)
        done = len(made.history)
        waited = done - (made.best_epoch or done)
        epochs = self.epochs_of(label)
        patience = for_data(run.config, self.data).patience
        if epochs >= full or waited >= max(patience, 1):
            return ""
        line = (
            f"{shown(label)} was trained for {epochs:.3g} of the {full} epochs "
            "of its recipe"
        )
        planned = for_data(run.config, self.data).epochs
        if epochs < planned:
            line += f" (of the {planned} that were planned), as the time was up"
        return f"{line}."

    def _left(self) -> float:
        return self.deadline - time.monotonic()

    def _finished(self, label: str) -> bool:
        return (self.runs / self.planned(label).folder).exists()

    def _failed(self, label: str) -> bool:
        return label in (self.state.get("failed") or {})

    def _measure(self, label: str) -> bool:
        """Measures a few steps of a model once; whether that went well."""
        if label in (self.state.get("measured") or {}):
            return True
        try:
            one = estimate_run(self.data, self.planned(label).config)
        except Exception as error:
            # One model that cannot be trained must not cost the others.
            self._note_failure(label, error)
            return False
        finally:
            keras.backend.clear_session()
        self.state.note("measured", label, asdict(one))
        logger.info(
            "%s: about %s an epoch, %s for the %d of its recipe",
            label,
            duration(one.epoch),
            duration(one.seconds),
            one.epochs,
        )
        return True

    def _cost(self, label: str) -> Cost:
        one = Estimate(**self.state.get("measured")[label])
        records = {
            part: max(len(self.data.positions(part)), 1)
            for part in ("validation", "test")
        }
        test = one.validation * records["test"] / records["validation"]
        # The evaluation is compiled and its ranks are written, too.
        fixed = 2 * one.start + 1.5 * test
        fewest = self._fewest(one.epochs)
        return Cost(fixed, one.epoch + _WRITING, one.epochs, fewest)

    def _fewest(self, epochs: int) -> int:
        return fewest_epochs(epochs, len(self.data.positions("train")))

    def _make(self, label: str, others: bool = False) -> None:
        """Trains a model; not much longer than planned if others wait."""
        run = self.planned(label, self.options(label))
        epochs = for_data(run.config, self.data).epochs
        cost = self._cost(label)
        one = Estimate(**self.state.get("measured")[label])
        # Validation and test, which is compiled first, follow the last step.
        after = one.validation + cost.fixed - 2 * one.start
        latest = self.deadline - one.start - _CAUTION * after
        planned = time.monotonic() + _OVERRUN * cost.of(epochs)
        stop = StopInTime(min(latest, planned) if others else latest, latest)
        expected = Estimate(cost.fixed, cost.epoch, epochs)
        logger.info(
            "%s: epochs: %d, about %s",
            label,
            epochs,
            duration(expected.seconds),
        )
        try:
            with make_progress(self.console) as progress:
                progress.add_task("Starting", total=None)
                bar = EpochProgress(progress, shown(label), expected, 0.0)
                make_run(
                    run,
                    self.path,
                    self.runs / run.folder,
                    self.protocol,
                    [bar, stop],
                )
            self.state.note("trained", label, stop.epochs)
        except UserError as error:
            self._note_failure(label, error)
        except Exception as error:
            # As in a comparison: it is told, and the others go on.
            self._note_failure(label, error)
            logger.exception("%s failed.", label)

    def _note_failure(self, label: str, error: Exception) -> None:
        text = str(error) or type(error).__name__
        logger.error("%s: %s", label, text)
        self.state.note("failed", label, text)
