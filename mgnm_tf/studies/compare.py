"""Several models, several seeds, one protocol, one table."""

import gc
import json
import logging
import os
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.progress import Progress

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import followed
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.report.html import write_report
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.environment import device_name
from mgnm_tf.runs.run import Run
from mgnm_tf.studies.estimate import Estimate
from mgnm_tf.studies.estimate import estimate_run
from mgnm_tf.studies.plan import PlannedRun
from mgnm_tf.studies.plan import check_models
from mgnm_tf.studies.plan import plan_runs
from mgnm_tf.studies.progress import EpochProgress
from mgnm_tf.studies.progress import duration
from mgnm_tf.studies.progress import make_progress
from mgnm_tf.studies.slices import write_slices
from mgnm_tf.studies.summary import summarise
from mgnm_tf.studies.workers import in_workers
from mgnm_tf.training.evaluate_run import evaluate_run
from mgnm_tf.training.fit import train
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json

logger = logging.getLogger(__name__)

SETTINGS = "comparison.json"
"""What all runs of a comparison share."""


def compare(
    data: str | os.PathLike,
    models: Sequence[str],
    seeds: Sequence[int],
    out: str | os.PathLike,
    *,
    settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    recipes: Mapping[str, Recipe] | None = None,
    protocol: Protocol | None = None,
    jobs: int = 1,
    console: Console | None = None,
) -> dict[str, Any]:
    """Trains and evaluates models on the same data and candidates.

    Each run is written to `<out>/<model>/seed-<seed>`. Called again, it
    skips what is finished and continues what is not, so it can be
    interrupted at any moment, and later models and seeds can be added. A
    model that fails is noted, and the others go on.

    Writes `results.csv` (one row a run), `slices.csv` (metrics of slices of
    the records), `metrics.json` and `report.html` into `out`; see `summarise`
    and `slice_metrics`.

    Args:
        data: a data folder.
        models: names of models, `model:recipe` or `model:recipe+part`.
        seeds: seeds of each model.
        out: the folder of the comparison.
        settings: what wins over the recipes of all models, see
            `mgnm_tf.configure`.
        options: model (as in `models`) -> settings or constructor arguments
            of the model, for that model alone.
        recipes: recipes and parts besides those that stand with the models,
            see `mgnm_tf.recipes.toml.read_recipes`.
        protocol: how to evaluate. `None` is `Protocol()` with the history
            length and the cut-offs of the runs.
        jobs: how many runs are made at a time, each in a process of its own
            with its share of the cores. Defaults to 1.
        console: where progress is shown. `None` is standard error.

    Returns:
        The content of `metrics.json`; `failed` in it is empty if all is well.

    Raises:
        UserError: a name is unknown, a value is refused, or `out` holds a
            comparison with other settings or something else.
    """
    if jobs < 1:
        raise UserError(f"`jobs` must be at least 1. Received: jobs={jobs}")
    settings, options = dict(settings or {}), dict(options or {})
    runs = plan_runs(models, seeds, settings, options, recipes)
    length = runs[0].config.max_length
    if protocol is None:
        protocol = Protocol(k=runs[0].config.k)
    protocol = replace(protocol, max_length=length)
    dataset = SequenceDataset.load(data)
    protocol = followed(protocol, dataset)
    out = Path(out)
    shared = _shared_settings(dataset, settings, protocol)
    _check_same_comparison(out, shared)
    _check_same_runs(out, runs)
    check_models(runs, dataset)
    _open(out, shared)
    console = console or Console(stderr=True, markup=False, emoji=False)
    missing = [run for run in runs if not (out / run.folder).exists()]
    failed = []
    if jobs > 1 and missing:
        failed = _run_side_by_side(missing, data, out, protocol, jobs, console)
    left = _without_failed(runs, failed)
    failed += _run_all(left, dataset, data, out, protocol, console)
    summary = summarise(out, runs, failed, protocol)
    write_slices(out, _without_failed(runs, failed), dataset)
    write_report(out, summary, protocol.describe())
    return summary


def _without_failed(
    runs: Sequence[PlannedRun], failed: Sequence[Mapping[str, Any]]
) -> list[PlannedRun]:
    lost = [(entry["model"], entry["seed"]) for entry in failed]
    return [run for run in runs if (run.label, run.config.seed) not in lost]


def _shared_settings(
    dataset: SequenceDataset, settings: dict[str, Any], protocol: Protocol
) -> dict[str, Any]:
    """Returns the content of `comparison.json`."""
    data = {"fingerprint": dataset.fingerprint, **dataset.metadata}
    return {
        "settings": {**settings, "max_length": protocol.max_length},
        "protocol": protocol.to_dict(),
        "data": data,
    }


def _check_same_comparison(out: Path, shared: dict[str, Any]) -> None:
    """Refuses a folder of other data, settings or protocol."""
    if not out.exists():
        return
    if not (out / SETTINGS).is_file():
        if out.is_dir() and not any(out.iterdir()):
            return
        raise UserError(
            f"{out} exists and holds no comparison (no {SETTINGS} in it); "
            "give another folder."
        )
    stored = read_json(out / SETTINGS)
    if stored["data"]["fingerprint"] != shared["data"]["fingerprint"]:
        raise UserError(
            f"{out} holds a comparison on other data "
            f"({stored['data'].get('name')}); give another folder."
        )
    if "settings" not in stored:
        raise UserError(
            f"{out} holds a comparison of an earlier version of mgnm_tf, whose "
            "models had no recipes; give another folder."
        )
    # As JSON gives them back.
    given = json.loads(json.dumps(shared["settings"]))
    difference = _differences(given, stored["settings"]) or Protocol.from_dict(
        shared["protocol"]
    ).difference(Protocol.from_dict(stored["protocol"]))
    if difference:
        raise UserError(
            f"{out} holds a comparison with other options: {difference}. Give "
            "the same options to continue it, or another folder."
        )


def _differences(mine: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Returns "name is a, was b" of what differs, or ""."""
    return ", ".join(
        f"{key} is {mine.get(key)!r}, was {theirs.get(key)!r}"
        for key in {**mine, **theirs}
        if mine.get(key) != theirs.get(key)
    )


def _check_same_runs(out: Path, runs: Sequence[PlannedRun]) -> None:
    """Refuses runs, finished or not, that were made with other options."""
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
                    "folder for the comparison."
                )


def _open(out: Path, shared: dict[str, Any]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out} cannot be made: {error.strerror}.") from error
    write_json(out / SETTINGS, shared)


def _run_side_by_side(
    runs: Sequence[PlannedRun],
    data: str | os.PathLike,
    out: Path,
    protocol: Protocol,
    jobs: int,
    console: Console,
) -> list[dict[str, Any]]:
    """Makes several runs at a time; returns those that failed."""
    failed = []
    jobs = min(jobs, len(runs))
    logger.info("Device: %s, %d runs at a time", device_name(), jobs)
    tasks = {
        run.folder: (run, data, out / run.folder, protocol) for run in runs
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
            bar = None
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
                    _evaluate_anew(out / run.folder, data, protocol)
                    continue
                make_run(run, data, out / run.folder, protocol, [bar])
                _tell(run, out / run.folder, protocol)
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
) -> None:
    """Makes one run that is not there, and leaves nothing in the memory."""
    try:
        train(
            data,
            run.config,
            folder,
            protocol=protocol,
            verbose=0,
            callbacks=callbacks,
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
