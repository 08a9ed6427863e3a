"""One training by several processes, one a host or a share of its cores."""

import json
import logging
import os
import platform
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mgnm_tf.cluster.batches import in_turn
from mgnm_tf.cluster.exchange import exchange
from mgnm_tf.cluster.on_workers import on_workers
from mgnm_tf.cluster.shared_folder import SharedFolder
from mgnm_tf.cluster.task import Task
from mgnm_tf.cluster.task import read_task
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.loading import load_model
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.training.workers import Workers
from mgnm_tf.version import __version__

logger = logging.getLogger(__name__)

_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
"""What a collective operation raises where a worker is gone."""

_REMEDY = {
    "data": "Give all the same data folder.",
    "options": "Give all the same command.",
}


class LostWorkerError(UserError):
    """Another worker ended, or can no longer be reached."""


class Hosts(Workers):
    """The workers that `TF_CONFIG` names; each makes the same call of `train`.

    TensorFlow's `MultiWorkerMirroredStrategy` averages their gradients, for a
    single worker `MirroredStrategy` those of its devices. A batch is divided
    by the position of its rows, so that the workers train what one process
    trains with the same `batch_size`: up to rounding, and to what random
    layers draw, of which each worker draws its own.

    The first worker owns the run folder. The others write to a temporary
    folder, and read the run folder where a training goes on; it has to stand
    where all of them see it, under one path.

    To be made before TensorFlow has computed anything.

    Args:
        task: the place of this process. Defaults to `None`: that of
            `TF_CONFIG`.
        strategy: what averages the gradients. Defaults to `None`, which makes
            the one that is named above.

    Raises:
        UserError: `TF_CONFIG` is not set, or cannot be used.

    Example:

    ```
    mgnm_tf.train("data", "mgnm", "runs/a", workers=Hosts())
    ```
    """

    steps_per_execution = 1

    def __init__(
        self,
        task: Task | None = None,
        strategy: tf.distribute.Strategy | None = None,
    ):
        self.task = task or read_task()
        self.rank, self.count = self.task.index, self.task.count
        if self.count > 1:
            logger.info(
                "This is %s, process %d.", self.task.name(), os.getpid()
            )
        if strategy is None:
            several = tf.distribute.MultiWorkerMirroredStrategy
            alone = tf.distribute.MirroredStrategy
            strategy = several() if self.count > 1 else alone()
        self.strategy = strategy

    @property
    def _replicas(self) -> int:
        """How many devices train in all."""
        return self.strategy.num_replicas_in_sync

    @property
    def _local(self) -> int:
        """How many of them each worker has."""
        return self._replicas // self.count

    def check(self, config: TrainConfig, model: SequentialRecommender) -> None:
        if isinstance(model, StatisticalRecommender):
            raise UserError(
                f"{config.model} counts the training events once, which one "
                "process does: train it without other workers."
            )
        if (config.steps_per_execution or 1) > 1:
            raise UserError(
                "Several workers train with steps_per_execution=1, as Keras "
                "cannot run several steps at once there. Received: "
                f"{config.steps_per_execution}"
            )
        if config.jit_compile:
            raise UserError(
                "XLA does not compile a step that several workers share; "
                "train without jit_compile."
            )
        if config.continue_from:
            raise UserError(
                "A run is continued by one process; train it without other "
                "workers."
            )
        if config.every_position:
            raise UserError(
                "Several workers share a batch by its histories, which have "
                "different numbers of targets with every_position: give "
                "every_position=false, or one worker."
            )
        if config.batch_size < self._replicas:
            last = self.task.name(self.count - 1)
            raise UserError(
                f"A batch of {config.batch_size} positives cannot be divided "
                f"among {self._replicas} workers, {last} would have none: "
                f"give a batch_size of at least {self._replicas}."
            )
        if model.normalizes_scores or _normalizes_batches(model):
            logger.warning(
                "%s normalises over the batch: each worker over its own rows, "
                "so the model differs from that of one process.",
                config.model,
            )

    @contextmanager
    def together(self) -> Iterator[None]:
        failed, said = None, ""
        try:
            yield
        except UserError as error:
            failed, said = error, str(error)
        heard = self._exchange(said)
        if not any(heard):
            return
        if failed is not None and len(set(heard)) == 1:
            raise failed
        worker = next(index for index, text in enumerate(heard) if text)
        name = self.task.name(worker)
        raise UserError(f"{_capital(name)}: {heard[worker]}") from failed

    def compare(self, config: TrainConfig, data: SequenceDataset) -> None:
        facts = {
            "mgnm_tf": __version__,
            "Python": platform.python_version().rpartition(".")[0],
            "TensorFlow": tf.__version__,
            "Keras": keras.__version__,
            "data": data.fingerprint[:12],
            "options": config.to_dict(),
        }
        # All have to hear all of them before one of them ends.
        heard = [json.loads(t) for t in self._exchange(json.dumps(facts))]
        for worker, theirs in enumerate(heard):
            for name, value in heard[0].items():
                if theirs[name] != value:
                    raise UserError(
                        self._difference(worker, name, theirs[name], value)
                    )

    def _difference(self, worker: int, name: str, theirs, chiefs) -> str:
        """Returns the sentence on what a worker has and the chief has not."""
        if name == "options":
            keys = [key for key in chiefs if theirs.get(key) != chiefs[key]]
            theirs, chiefs = (
                ", ".join(f"{key}={one.get(key)!r}" for key in keys)
                for one in (theirs, chiefs)
            )
        remedy = _REMEDY.get(name, "Install the same version on all.")
        return (
            f"{_capital(self.task.name(worker))} has the {name} {theirs}, "
            f"{self.task.name(0)} has {chiefs}. {remedy}"
        )

    def scope(self):
        return self.strategy.scope()

    @contextmanager
    def open_run(
        self,
        path: str | os.PathLike,
        config: TrainConfig,
        environment: dict[str, Any],
    ) -> Iterator[Path]:
        with ExitStack() as stack:
            folder, shown = Path(path), ""
            with self.together():
                if self.is_chief:
                    run = run_folder.open_run(path, config, environment)
                    folder = stack.enter_context(run)
                    shown = SharedFolder.show(folder)
            shared = SharedFolder(self._exchange(shown)[0])
            with self.together():
                if not self.is_chief:
                    shared.check()
                    folder = stack.enter_context(shared.copy())
            if self.is_chief:
                shared.hide()
            with _losses_in_words(self.task):
                yield folder
        # The chief has evaluated, and the run has got its name.
        with _losses_in_words(self.task):
            self._exchange("")
        if not self.is_chief:
            shared.link(Path(path))

    def divided(self, make):
        first, count = self.rank * self._local, self._replicas
        shares = [make((first + one, count)) for one in range(self._local)]
        training, validation = zip(*shares, strict=True)
        return self._distributed(training), self._distributed(validation)

    def _distributed(self, shares: Sequence[tf.data.Dataset | None]):
        """Returns the batches of this worker as the strategy reads them."""
        if shares[0] is None:
            return None
        batches = in_turn(shares)
        return self.strategy.distribute_datasets_from_function(
            lambda context: batches
        )

    def fitting(self, model):
        return on_workers(model)

    def alone(self, model, saved):
        return load_model(saved)

    def _exchange(self, text: str) -> list[str]:
        """Returns the texts of all workers."""
        return exchange(self.strategy, text) if self.count > 1 else [text]


def _normalizes_batches(model: keras.Model) -> bool:
    """Whether a layer reckons with the mean of a batch."""
    return any(
        isinstance(layer, keras.layers.BatchNormalization)
        for layer in model._flatten_layers()
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


@contextmanager
def _losses_in_words(task: Task) -> Iterator[None]:
    """Turns what TensorFlow raises where a worker is gone into a sentence."""
    try:
        yield
    except _GONE as error:
        raise LostWorkerError(
            f"{_capital(task.name())} can no longer reach another one, which "
            "ended or lost its network; start all of them again, and the "
            "training goes on after its last whole epoch."
        ) from error
