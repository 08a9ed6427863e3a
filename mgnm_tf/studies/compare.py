"""Several models, several seeds, one protocol, one table."""

import gc
import logging
import os
import time
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.progress import Progress

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import followed
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.report.html import write_report
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.environment import device_name
from mgnm_tf.studies.estimate import Estimate
from mgnm_tf.studies.estimate import estimate_run
from mgnm_tf.studies.plan import PlannedRun
from mgnm_tf.studies.plan import check_models
from mgnm_tf.studies.plan import plan_runs
from mgnm_tf.studies.progress import EpochProgress
from mgnm_tf.studies.progress import duration
from mgnm_tf.studies.progress import make_progress
from mgnm_tf.studies.summary import summarise
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
    protocol: Protocol | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Trains and evaluates models on the same data and candidates.

    Each run is written to `<out>/<model>/seed-<seed>`. Called again, it
    skips what is finished and continues what is not, so it can be
    interrupted at any moment, and later models and seeds can be added. A
    model that fails is noted, and the others go on.

    Writes `results.csv` (one row a run), `metrics.json` and `report.html`
    into `out`; see `summarise`.

    Args:
        data: a data folder.
        models: names of models, or `name:preset`.
        seeds: seeds of each model.
        out: the folder of the comparison.
        settings: fields of `TrainConfig` that all runs share.
        options: model (as in `models`) -> fields of `TrainConfig` or
            constructor arguments of the model, for that model alone.
        protocol: how to evaluate. `None` is `Protocol()` with the history
            length of `settings`.
        console: where progress is shown. `None` is standard error.

    Returns:
        The content of `metrics.json`; `failed` in it is empty if all is well.

    Raises:
        UserError: a name is unknown, a value is refused, or `out` holds a
            comparison with other settings or something else.
    """
    settings, options = dict(settings or {}), dict(options or {})
    runs = plan_runs(models, seeds, settings, options)
    if protocol is None:
        protocol = Protocol(
            max_length=settings.get("max_length", TrainConfig.max_length)
        )
    dataset = SequenceDataset.load(data)
    protocol = followed(protocol, dataset)
    out = Path(out)
    shared = _shared_settings(dataset, settings, protocol)
    _check_same_comparison(out, shared)
    _check_same_runs(out, runs)
    check_models(runs, dataset)
    _open(out, shared)
    console = console or Console(stderr=True, markup=False, emoji=False)
    failed = _run_all(runs, dataset, data, out, protocol, console)
    summary = summarise(out, runs, failed, protocol)
    write_report(out, summary, protocol.describe())
    return summary


def _shared_settings(
    dataset: SequenceDataset, settings: dict[str, Any], protocol: Protocol
) -> dict[str, Any]:
    """Returns the content of `comparison.json`."""
    config = TrainConfig.from_dict({**settings, "model": ""}).to_dict()
    for name in ("model", "preset", "options", "seed"):
        del config[name]
    data = {"fingerprint": dataset.fingerprint, **dataset.metadata}
    return {
        "training": config,
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
    # What an older version did not write has its default.
    stored_training = TrainConfig.from_dict({**stored["training"], "model": ""})
    training = TrainConfig.from_dict({**shared["training"], "model": ""})
    protocol = Protocol.from_dict(shared["protocol"])
    difference = training.difference(stored_training) or protocol.difference(
        Protocol.from_dict(stored["protocol"])
    )
    if difference:
        raise UserError(
            f"{out} holds a comparison with other options: {difference}. Give "
            "the same options to continue it, or another folder."
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
    logger.info("Device: %s", device_name())
    missing = [run for run in runs if not (out / run.folder).exists()]
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
                _run(run, data, out / run.folder, protocol, bar)
            except UserError as error:
                logger.error("%s: %s", run.folder, error)
                failed.append(_failure(run, error))
            except Exception as error:
                # One model that fails must not cost the others. It is told
                # in the table and by the status of the command.
                logger.exception("%s failed.", run.folder)
                failed.append(_failure(run, error))
            keras.backend.clear_session()
            gc.collect()
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


def _failure(run: PlannedRun, error: Exception) -> dict[str, Any]:
    return {
        "model": run.label,
        "seed": run.config.seed,
        "error": str(error) or type(error).__name__,
    }


def _run(
    run: PlannedRun,
    data: str | os.PathLike,
    folder: Path,
    protocol: Protocol,
    bar: EpochProgress | None,
) -> None:
    """Makes one run, or evaluates a finished one by the protocol."""
    if not folder.exists():
        begin = time.perf_counter()
        train(
            data,
            run.config,
            folder,
            protocol=protocol,
            verbose=0,
            callbacks=[bar],
        )
        values = read_json(folder / run_folder.METRICS)[protocol.part]
        logger.info(
            "%s: %s (%.0f s)",
            run.folder,
            ", ".join(f"{name} {value:.4f}" for name, value in values.items()),
            time.perf_counter() - begin,
        )
        return
    stored = read_json(folder / run_folder.METRICS)
    if Protocol.from_dict(stored["protocol"]) != protocol:
        evaluate_run(folder, data, protocol, verbose=0, replace=True)
