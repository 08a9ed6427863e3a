"""Makes what is missing of a study and writes its results."""

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import followed
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.interest_divergence import divergence_shares
from mgnm_tf.evaluation.interest_divergence import interest_divergences
from mgnm_tf.evaluation.levels import level_shares
from mgnm_tf.evaluation.levels import winning_levels
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.slices import history_lengths
from mgnm_tf.evaluation.ties import is_later
from mgnm_tf.runs.environment import current_commit
from mgnm_tf.runs.run import Run
from mgnm_tf.studies.packed_ranks import PackedRanks
from mgnm_tf.studies.plan import PlannedRun
from mgnm_tf.studies.plan import check_models
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
from mgnm_tf.studies.study_results import describe_data
from mgnm_tf.studies.study_runs import planned
from mgnm_tf.studies.study_runs import protocol_of
from mgnm_tf.studies.study_runs import shortened
from mgnm_tf.studies.summary import row_of
from mgnm_tf.utils.files import atomic_folder

logger = logging.getLogger(__name__)

RESULTS = "results"
"""Beside the study files, a folder of kept results for each."""


@dataclass(frozen=True)
class MadeStudy:
    """What `run_study` gives.

    Args:
        study: the study, shortened as was asked.
        folder: where the results stand.
        results: ranks of these runs, and where they come from.
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
        again: whether the kept results do not count, so that every run is
            made in `out`; a second call goes on there.
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
    beside = None if again or epochs else StudyResults.load(kept)
    results = merge_results(beside, StudyResults.load(out))
    console = console or Console(stderr=True, markup=False, emoji=False)
    failed: list[dict[str, Any]] = []
    if show and results is None:
        raise UserError(f"The study {name} was not run yet.")
    if made.show == "data":
        if results is None or data is not None:
            results = _count(made, name, data, out, console)
        selected = results
    else:
        if not show:
            results, failed = _run_missing(
                made, path, results, data, out, jobs, console
            )
        selected = _select_current(made, path, results)
    write_pages(out, made, name, selected, failed)
    results.save(out)
    if keep:
        _keep(out, kept, made, path, selected)
    return MadeStudy(made, out, selected, failed)


def _count(
    study: Study,
    name: str,
    data: str | os.PathLike | None,
    out: Path,
    console: Console,
) -> StudyResults:
    """Returns the size of the data."""
    folder = data_folder(study.data, name, out / "data", data, console.print)
    dataset = SequenceDataset.load(folder)
    origin = {
        "runs": [],
        "date": date.today().isoformat(),
        "commit": current_commit(),
        "seconds": 0,
    }
    return StudyResults(describe_data(dataset), Protocol(), made=[origin])


def merge_results(
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
    if newer.protocol.difference(kept.protocol):
        return newer
    further = [run for run in newer.runs if run not in kept.runs]
    return kept.joined(newer.select(further)) if further else kept


def _select_current(
    study: Study, path: Path, results: StudyResults
) -> StudyResults:
    """Returns the results of the runs that the study has now."""
    runs = planned(study, path)
    results.check_same(runs, protocol_of(study, runs))
    wanted = [(run.label, run.config.seed) for run in runs]
    there = [run for run in wanted if run in results.runs]
    if not there:
        raise UserError(f"No run of the study {path.stem} was made yet.")
    return results.select(there)


def _run_missing(
    study: Study,
    path: Path,
    results: StudyResults | None,
    data: str | os.PathLike | None,
    out: Path,
    jobs: int,
    console: Console,
) -> tuple[StudyResults, list[dict[str, Any]]]:
    """Makes the runs that are missing; returns all results, and failures."""
    runs = planned(study, path)
    protocol = protocol_of(study, runs)
    if results is not None:
        results.check_same(runs, protocol)
    there = [] if results is None else results.runs
    missing = [run for run in runs if (run.label, run.config.seed) not in there]
    failed: list[dict[str, Any]] = []
    if missing or data is not None or (out / "data").is_dir():
        folder = data_folder(
            study.data, path.stem, out / "data", data, console.print
        )
        dataset = SequenceDataset.load(folder)
        if results is not None:
            check_same_data(dataset, results.data["fingerprint"], path.stem)
    if missing:
        check_models(missing, dataset, _NEEDED.get(study.show))
        place = out / "runs"
        check_same_runs(place, missing, dataset.fingerprint)
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
    return results, failed


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
    positions = evaluations[0].samples["position"].to_numpy()
    later = is_later(data, positions) if data.has_times else None
    lengths = history_lengths(data, positions) if study.lengths else None
    levels: dict[str, dict[str, list[float]]] = {}
    if study.show in _SHARES:
        for run, folder in zip(runs, folders, strict=True):
            mine = run.protocol(protocol)
            shares = _SHARES[study.show](folder, data, mine)
            levels.setdefault(run.label, {})[str(run.config.seed)] = shares
    configs = {}
    for run in runs:
        configs[run.label] = run.config.to_dict()
        del configs[run.label]["seed"]
    return StudyResults(
        describe_data(data),
        protocol,
        configs,
        _origins(runs, folders, rows["seconds"].tolist()),
        PackedRanks.pack(rows, evaluations, later, lengths),
        levels,
    )


def _levels(run: Run, data: SequenceDataset, protocol: Protocol) -> list[float]:
    """Returns the shares of the levels of the model of a run."""
    model = run.load_model()
    winners, users = winning_levels(
        model, data, protocol.part, protocol.max_length
    )
    return level_shares(winners, users, model.num_layers + 1)


def _divergences(
    run: Run, data: SequenceDataset, protocol: Protocol
) -> list[float]:
    """Returns the shares of the divergences of the model of a run.

    Those of the first recommendation, and then those of a drawn item.
    """
    possible, model = followed(protocol, data), run.load_model()
    one = replace(possible, negatives=1)
    return [
        *divergence_shares(interest_divergences(model, data, possible)),
        *divergence_shares(interest_divergences(model, data, one, drawn=True)),
    ]


_SHARES = {"levels": _levels, "divergences": _divergences}
"""What is read of the models of a study besides their ranks."""

_NEEDED = {
    "levels": {"levels": "has no levels, so there are none to show"},
    "divergences": {
        "attention": "has not got several interests, so that nothing diverges"
    },
}
"""What the models of a study must be able to do, see `check_models`."""

_OF_THE_ORIGIN = (
    *("date", "commit", "mgnm_tf", "python", "packages", "device", "platform"),
)


def _origins(
    runs: Sequence[PlannedRun], folders: Sequence[Run], seconds: list[float]
) -> list[dict[str, Any]]:
    """Returns who made runs, when and with what, alike ones together."""
    origins: list[dict[str, Any]] = []
    for run, folder, lasted in zip(runs, folders, seconds, strict=True):
        found = {
            name: folder.environment.get(name, "") for name in _OF_THE_ORIGIN
        }
        for origin in origins:
            if all(origin[name] == found[name] for name in _OF_THE_ORIGIN):
                break
        else:
            origin = {"runs": [], **found, "seconds": 0}
            origins.append(origin)
        origin["runs"].append([run.label, run.config.seed])
        origin["seconds"] = round(origin["seconds"] + lasted)
    return origins


def _keep(
    out: Path, kept: Path, study: Study, path: Path, results: StudyResults
) -> None:
    """Copies complete results, without data and runs, beside the study."""
    wanted = [] if study.show == "data" else planned(study, path)
    if len(results.runs) < len(wanted):
        raise UserError(
            f"{len(results.runs)} of {len(wanted)} runs are there; only a "
            f"complete study is kept. The results stand in {out}."
        )
    with atomic_folder(kept, overwrite=True) as folder:
        for name in (RANKS, DESCRIPTION, *FILES):
            if (out / name).is_file():
                shutil.copyfile(out / name, folder / name)
