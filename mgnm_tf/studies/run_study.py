"""Makes what is missing of a study and writes its results."""

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import followed
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.levels import level_shares
from mgnm_tf.evaluation.levels import winning_levels
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.ties import is_later
from mgnm_tf.runs.run import Run
from mgnm_tf.studies.packed_ranks import PackedRanks
from mgnm_tf.studies.plan import PlannedRun
from mgnm_tf.studies.plan import check_models
from mgnm_tf.studies.plan import plan_runs
from mgnm_tf.studies.runner import check_same_runs
from mgnm_tf.studies.runner import make_runs
from mgnm_tf.studies.runner import without_failed
from mgnm_tf.studies.study import Study
from mgnm_tf.studies.study import find_study
from mgnm_tf.studies.study import read_study
from mgnm_tf.studies.study_data import check_same_data
from mgnm_tf.studies.study_data import data_folder
from mgnm_tf.studies.study_pages import FILES
from mgnm_tf.studies.study_pages import write_pages
from mgnm_tf.studies.study_results import DESCRIPTION
from mgnm_tf.studies.study_results import RANKS
from mgnm_tf.studies.study_results import StudyResults
from mgnm_tf.studies.study_results import current_commit
from mgnm_tf.studies.study_results import describe_data
from mgnm_tf.studies.study_results import today
from mgnm_tf.studies.summary import row_of
from mgnm_tf.utils.validation import unknown_name

logger = logging.getLogger(__name__)

RESULTS = "results"
"""Beside the study files, a folder of kept results for each."""


@dataclass(frozen=True)
class MadeStudy:
    """What `run_study` gives.

    Args:
        study: the study, shortened as was asked.
        folder: where the results stand.
        results: ranks and where they come from.
        failed: `model`, `seed` and `error` of each run that failed.
    """

    study: Study
    folder: Path
    results: StudyResults
    failed: list[dict[str, Any]]


def run_study(
    study: str | os.PathLike,
    *,
    data: str | os.PathLike | None = None,
    out: str | os.PathLike | None = None,
    seeds: Sequence[int] | None = None,
    only: Sequence[str] | None = None,
    epochs: int | None = None,
    jobs: int = 1,
    again: bool = False,
    keep: bool = False,
    show: bool = False,
    console: Console | None = None,
) -> MadeStudy:
    """Makes the table or figure of a study.

    Runs whose results are kept beside the study, or stand in `out`, are not
    made again; a call that was interrupted goes on. Where nothing is missing
    the data are not needed.

    Args:
        study: the name of a study of the package, or a TOML file.
        data: the log of the study, or a data folder made of it. `None` looks
            for the log here and in `data/`, or fetches it by its recipe.
        out: the folder for data, runs and results. `None` is
            `runs/studies/<name>`.
        seeds: other seeds than those of the study.
        only: some of its models.
        epochs: fewer epochs than the recipes have.
        jobs: how many runs are made at a time. Defaults to 1.
        again: whether all runs are made anew, in an `out` that holds none.
        keep: whether the results are written beside the study file, too.
        show: whether only the runs that are there are taken, and none made.
        console: where progress is shown. `None` is standard error.

    Returns:
        The study and its results, which stand in `out`: `study.json`,
        `ranks.npz`, `table.md`, `page.html` and, for some, `figure.svg`.

    Raises:
        UserError: the study or its data are not there or wrong, kept results
            are of other data or options, or no run succeeded.
    """
    path = find_study(study)
    name, kept = path.stem, path.parent / RESULTS / path.stem
    made = shortened(read_study(path), path, seeds, only, epochs)
    if out is None:
        out = Path("runs", "studies", name + (f"-{epochs}" if epochs else ""))
    out = Path(out)
    if keep and (seeds, only, epochs) != (None, None, None):
        raise UserError(
            "A study that is shortened cannot be kept: leave out --seeds, "
            "--only and --epochs, or --keep."
        )
    results = None
    if not again and epochs is None:
        results = known(StudyResults.load(kept), StudyResults.load(out))
    console = console or Console(stderr=True, markup=False, emoji=False)
    failed: list[dict[str, Any]] = []
    counted = made.show == "data" and results is not None and data is None
    if show or counted:
        if results is None:
            raise UserError(f"The study {name} was not run yet.")
        results = _of_now(made, path, results)
    elif made.show == "data":
        folder = data_folder(made.data, name, out / "data", data, console.print)
        found = describe_data(SequenceDataset.load(folder))
        results = StudyResults(found, Protocol(), made=[_origin([], 0.0, [])])
    else:
        results, failed = _fill(made, path, results, data, out, jobs, console)
    write_pages(out, made, name, results, failed)
    results.save(out)
    if keep and not failed:
        _copy(out, kept)
    return MadeStudy(made, out, results, failed)


def shortened(
    study: Study,
    path: Path,
    seeds: Sequence[int] | None,
    only: Sequence[str] | None,
    epochs: int | None,
) -> Study:
    """Returns a study with fewer seeds, models or epochs."""
    changes: dict[str, Any] = {}
    if seeds is not None:
        changes["seeds"] = tuple(seeds)
    if only is not None:
        for label in only:
            if label not in study.models:
                raise UserError(
                    unknown_name(f"model of {path}", label, study.models)
                )
        own = {**study.settings}
        own |= {
            label: values
            for label, values in study.options_of_models.items()
            if label in only
        }
        changes |= {"models": tuple(only), "overrides": own}
    if epochs is not None:
        overrides = {**changes.get("overrides", study.overrides)}
        for label, values in overrides.items():
            if isinstance(values, dict):
                overrides[label] = {**values, "epochs": epochs}
        changes["overrides"] = {**overrides, "epochs": epochs}
    return study.model_copy(update=changes)


def planned(study: Study, path: Path) -> list[PlannedRun]:
    """Lists the runs of a study."""
    own = study.options_of_models
    return plan_runs(
        study.models,
        study.seeds,
        {"k": Protocol.from_dict(study.protocol).k},
        {
            label: {**study.settings, **own.get(label, {})}
            for label in study.models
        },
        study.recipes(path),
        study.axis,
    )


def known(
    kept: StudyResults | None, newer: StudyResults | None
) -> StudyResults | None:
    """Returns the results that stand beside a study and in its folder.

    Where they are of other data or another protocol, those of the folder,
    which are the user's, count alone.
    """
    if kept is None or newer is None:
        return kept or newer
    if newer.data["fingerprint"] != kept.data["fingerprint"]:
        return newer
    if newer.protocol != kept.protocol:
        return newer
    further = [run for run in newer.runs if run not in kept.runs]
    if not further:
        return kept
    return kept.joined(replace(newer, ranks=newer.ranks.select(further)))


def _of_now(study: Study, path: Path, results: StudyResults) -> StudyResults:
    """Returns the results of the runs that the study has now."""
    if study.show == "data":
        return results
    runs = planned(study, path)
    results.check_same(runs, study.protocol_of(runs[0].config.max_length))
    wanted = [(run.label, run.config.seed) for run in runs]
    there = [run for run in wanted if run in results.runs]
    if not there:
        raise UserError(f"No run of the study {path.stem} was made yet.")
    return replace(results, ranks=results.ranks.select(there))


def _fill(
    study: Study,
    path: Path,
    results: StudyResults | None,
    data: str | os.PathLike | None,
    out: Path,
    jobs: int,
    console: Console,
) -> tuple[StudyResults, list[dict[str, Any]]]:
    """Makes the runs that are missing, returns the results of all."""
    runs = planned(study, path)
    protocol = study.protocol_of(runs[0].config.max_length)
    if results is not None:
        results.check_same(runs, protocol)
    there = [] if results is None else results.runs
    missing = [run for run in runs if (run.label, run.config.seed) not in there]
    failed: list[dict[str, Any]] = []
    if missing:
        folder = data_folder(
            study.data, path.stem, out / "data", data, console.print
        )
        dataset = SequenceDataset.load(folder)
        if results is not None:
            check_same_data(dataset, results.data["fingerprint"], path.stem)
        check_models(missing, dataset)
        place = out / "runs"
        check_same_runs(place, missing)
        possible = followed(protocol, dataset)
        failed = make_runs(missing, folder, place, possible, jobs, console)
        done = without_failed(missing, failed)
        if done:
            new = _read(study, done, place, dataset, protocol)
            results = new if results is None else results.joined(new)
    wanted = {(run.label, run.config.seed) for run in runs}
    if results is None or not wanted & set(results.runs):
        raise UserError(
            f"None of the {len(runs)} runs of {path.stem} succeeded: "
            f"{failed[0]['error']}"
        )
    return _of_now(study, path, results), failed


def _read(
    study: Study,
    runs: Sequence[PlannedRun],
    place: Path,
    data: SequenceDataset,
    protocol: Protocol,
) -> StudyResults:
    """Reads the results of finished runs from their folders."""
    folders = [Run(place / run.folder) for run in runs]
    rows = pd.DataFrame([row_of(run, place / run.folder) for run in runs])
    evaluations = [Evaluation.load(folder.ranks) for folder in folders]
    later = None
    if data.has_times:
        positions = evaluations[0].samples["position"].to_numpy()
        later = is_later(data, positions)
    levels: dict[str, dict[str, list[float]]] = {}
    if study.show == "levels":
        for run, folder in zip(runs, folders, strict=True):
            shares = _levels(folder, data, protocol)
            levels.setdefault(run.label, {})[str(run.config.seed)] = shares
    configs = {}
    for run in runs:
        configs[run.label] = run.config.to_dict()
        del configs[run.label]["seed"]
    seconds = float(rows["seconds"].sum())
    names = [[run.label, run.config.seed] for run in runs]
    return StudyResults(
        describe_data(data),
        protocol,
        configs,
        [_origin(names, seconds, folders)],
        PackedRanks.pack(rows, evaluations, later),
        levels,
    )


def _levels(run: Run, data: SequenceDataset, protocol: Protocol) -> list[float]:
    """Returns the shares of the levels of the model of a run."""
    model = run.load_model()
    if "levels" not in model.capabilities:
        raise UserError(
            f"{run.config.recipe} has no levels, so there are none to show."
        )
    winners, users = winning_levels(
        model, data, protocol.part, protocol.max_length
    )
    return level_shares(winners, users, model.num_layers + 1)


def _origin(
    runs: list[list[Any]], seconds: float, folders: Sequence[Run]
) -> dict[str, Any]:
    """Returns who made some runs, when and with what."""
    origin: dict[str, Any] = {
        "runs": runs,
        "date": today(),
        "commit": current_commit(),
        "seconds": round(seconds),
    }
    if folders:
        environment = folders[0].environment
        for key in ("mgnm_tf", "python", "packages", "device", "platform"):
            origin[key] = environment[key]
    return origin


def _copy(out: Path, kept: Path) -> None:
    """Copies the results, without data and runs, beside the study."""
    kept.mkdir(parents=True, exist_ok=True)
    for name in (RANKS, DESCRIPTION, *FILES):
        if (out / name).is_file():
            shutil.copyfile(out / name, kept / name)
