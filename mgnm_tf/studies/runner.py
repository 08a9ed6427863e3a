"""Makes the runs of a comparison or a study that are missing."""

import gc
import logging
import os
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.progress import Progress

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.environment import device_name
from mgnm_tf.runs.run import Run
from mgnm_tf.studies.estimate import Estimate
from mgnm_tf.studies.estimate import estimate_run
from mgnm_tf.studies.plan import PlannedRun
from mgnm_tf.studies.progress import EpochProgress
from mgnm_tf.studies.progress import duration
from mgnm_tf.studies.progress import make_progress
from mgnm_tf.studies.workers import in_workers
from mgnm_tf.training.evaluate_run import evaluate_run
from mgnm_tf.training.fit import train
from mgnm_tf.utils.files import read_json

logger = logging.getLogger(__name__)


def make_runs(
    runs: Sequence[PlannedRun],
    data: str | os.PathLike,
    out: Path,
    protocol: Protocol,
    jobs: int,
    console: Console,
    track: str | None = None,
) -> list[dict[str, Any]]:
    """Trains and evaluates what is not there yet.

    Args:
        runs: the runs; each stands in `out / run.folder`.
        data: the data folder.
        out: the folder of the comparison.
        protocol: the protocol, for the longest histories; a finished run of
            another one is evaluated anew.
        jobs: how many runs are made at a time, each in a process of its own.
        console: where progress is shown.
        track: where new runs are followed, see `mgnm_tf.train`.

    Returns:
        `model`, `seed` and `error` of each run that failed; the others went
        on.
    """
    if jobs < 1:
        raise UserError(f"`jobs` must be at least 1. Received: jobs={jobs}")
    missing = [run for run in runs if not (out / run.folder).exists()]
    failed = []
    if jobs > 1 and missing:
        failed = _run_side_by_side(
            missing, data, out, protocol, jobs, console, track
        )
    left = without_failed(runs, failed)
    dataset = SequenceDataset.load(data)
    more = _run_all(left, dataset, data, out, protocol, console, track)
    return failed + more


def without_failed(
    runs: Sequence[PlannedRun], failed: Sequence[Mapping[str, Any]]
) -> list[PlannedRun]:
    """Returns the runs that are not among those that failed."""
    lost = [(entry["model"], entry["seed"]) for entry in failed]
    return [run for run in runs if (run.label, run.config.seed) not in lost]


def check_same_runs(
    out: Path, runs: Sequence[PlannedRun], fingerprint: str
) -> None:
    """Refuses runs, finished or not, of other options or other data.

    Args:
        out: the folder of the comparison.
        runs: the runs that are wanted.
        fingerprint: that of the data.

    Raises:
        UserError: a run that is there is another.
    """
    for run in runs:
        folder = out / run.folder
        for path in (folder, run_folder.partial_path(folder)):
            if not (path / run_folder.CONFIG).is_file():
                continue
            stored = read_json(path / run_folder.CONFIG)
            difference = run.config.difference(TrainConfig.from_dict(stored))
            if difference:
                raise UserError(
                    f"{path} was made with other options: {difference}. "
                    "Give the same options, delete it, or give another "
                    "folder."
                )
            made = read_json(path / run_folder.ENVIRONMENT)["data"]
            if made["fingerprint"] != fingerprint:
                raise UserError(
                    f"{path} was made on other data (fingerprint "
                    f"{made['fingerprint'][:12]}, now {fingerprint[:12]}); "
                    "delete it, or give another folder."
                )


def _run_side_by_side(
    runs: Sequence[PlannedRun],
    data: str | os.PathLike,
    out: Path,
    protocol: Protocol,
    jobs: int,
    console: Console,
    track: str | None,
) -> list[dict[str, Any]]:
    """Makes several runs at a time; returns those that failed."""
    failed = []
    jobs = min(jobs, len(runs))
    logger.info("Device: %s, %d runs at a time", device_name(), jobs)
    tasks = {
        run.folder: (
            *(run, data, out / run.folder, run.protocol(protocol), (), track),
        )
        for run in runs
    }
    with make_progress(console) as progress:
        progress.add_task(f"{len(runs)} runs", total=len(runs))
        function = f"{__name__}:make_run"
        # Those that are named last mostly take longest: they begin.
        queue = list(tasks.values())[::-1]
        for task, error in in_workers(queue, function, jobs):
            run = task[0]
            progress.advance(progress.task_ids[0])
            if error is None:
                _tell(run, out / run.folder, protocol)
                continue
            message, trace = error
            logger.error("%s: %s", run.folder, message)
            logger.debug("%s", trace)
            failed.append(_failure(run, message))
    return failed


def _run_all(
    runs: Sequence[PlannedRun],
    dataset: SequenceDataset,
    data: str | os.PathLike,
    out: Path,
    protocol: Protocol,
    console: Console,
    track: str | None,
) -> list[dict[str, Any]]:
    """Makes the runs that are not finished; returns those that failed."""
    failed = []
    missing = [run for run in runs if not (out / run.folder).exists()]
    if missing:
        logger.info("Device: %s", device_name())
    with make_progress(console) as progress:
        progress.add_task("Starting", total=None)
        estimates = _estimate(missing, dataset, progress)
        for run in runs:
            bar, folder = None, out / run.folder
            if run in missing:
                missing.remove(run)
                bar = EpochProgress(
                    progress,
                    f"{run.label}, seed {run.config.seed}",
                    estimates[run.label],
                    sum(estimates[one.label].seconds for one in missing),
                )
            try:
                if bar is None:
                    _evaluate_anew(folder, data, run.protocol(protocol))
                    continue
                mine = run.protocol(protocol)
                make_run(run, data, folder, mine, [bar], track)
                _tell(run, folder, protocol)
            except UserError as error:
                logger.error("%s: %s", run.folder, error)
                failed.append(_failure(run, str(error)))
            except Exception as error:
                # One model that fails must not cost the others. It is told
                # in the table and by the status of the command.
                logger.exception("%s failed.", run.folder)
                text = str(error) or type(error).__name__
                failed.append(_failure(run, text))
    return failed


def _estimate(
    runs: Sequence[PlannedRun], data: SequenceDataset, progress: Progress
) -> dict[str, Estimate]:
    """Measures a few steps of each model and tells how long all may take."""
    estimates: dict[str, Estimate] = {}
    for run in runs:
        if run.label in estimates:
            continue
        progress.update(
            progress.task_ids[0],
            description=f"Measuring a few steps of {run.label}",
        )
        try:
            one = estimate_run(data, run.config)
        except Exception as error:
            # The run itself will fail, and is told in the table.
            logger.debug("%s cannot be measured: %s", run.label, error)
            one = Estimate(start=0.0, epoch=0.0, epochs=0)
        estimates[run.label] = one
        if one.epoch:
            logger.info(
                "%s: about %s an epoch, at most %s for %d epochs",
                run.label,
                duration(one.epoch),
                duration(one.seconds),
                one.epochs,
            )
        keras.backend.clear_session()
    if any(one.epoch for one in estimates.values()):
        logger.info(
            "All %d runs together: at most about %s",
            len(runs),
            duration(sum(estimates[run.label].seconds for run in runs)),
        )
    return estimates


def _failure(run: PlannedRun, error: str) -> dict[str, Any]:
    return {"model": run.label, "seed": run.config.seed, "error": error}


def make_run(
    run: PlannedRun,
    data: str | os.PathLike,
    folder: Path,
    protocol: Protocol,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    track: str | None = None,
) -> None:
    """Makes one run that is not there, and leaves nothing in the memory.

    A stage before it that another run of its seed has made is not made again.
    """
    try:
        train(
            data,
            run.config,
            folder,
            protocol=protocol,
            verbose=0,
            callbacks=callbacks,
            track=track,
            made_runs=sorted(folder.parents[1].glob(f"*/{folder.name}")),
        )
    finally:
        keras.backend.clear_session()
        gc.collect()


def _tell(run: PlannedRun, folder: Path, protocol: Protocol) -> None:
    """Says in a line what a new run is worth."""
    made = Run(folder)
    values, seconds = made.metrics[protocol.part], made.timing["seconds"]
    logger.info(
        "%s: %s (%.0f s of training)",
        run.folder,
        ", ".join(f"{name} {value:.4f}" for name, value in values.items()),
        seconds,
    )


def _evaluate_anew(
    folder: Path, data: str | os.PathLike, protocol: Protocol
) -> None:
    """Evaluates a finished run, if it was not by this protocol."""
    stored = Run(folder).metrics["protocol"]
    if Protocol.from_dict(stored) != protocol:
        evaluate_run(folder, data, protocol, verbose=0, replace=True)
