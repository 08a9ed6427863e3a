"""What the runs of `mgnm start` say, and the page that says it."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.ties import is_later
from mgnm_tf.report.start_page import write_start_page
from mgnm_tf.runs.run import Run
from mgnm_tf.studies.start_trainings import Trainings
from mgnm_tf.studies.verdict import Verdict
from mgnm_tf.studies.verdict import difference
from mgnm_tf.studies.verdict import mean_of
from mgnm_tf.studies.verdict import relative
from mgnm_tf.studies.verdict import shown
from mgnm_tf.studies.verdict import verdict_of
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json

DATA = "data"
"""The data folder in the folder of `mgnm start`."""
RUNS = "runs"
"""The comparison."""
PAGE = "start.html"
HEALTH = "health.json"
VERDICT = "verdict.json"

_TIED = 0.01
"""The share of test records from which ties are looked at apart."""


@dataclass(frozen=True)
class Started:
    """What `mgnm start` found out.

    Args:
        verdict: see `Verdict`.
        findings: what is to be known about the log, see `findings`.
        rows: the table, the best model first: dicts of `model`, `name`,
            `ndcg`, `low`, `high`, `hit`, `gauc`, `gain` (text), `epochs`
            (text) and `seconds`.
        metric: the metric of the intervals, for headings.
        protocol: the protocol as a sentence.
        commands: what comes next, each with what it is for.
        page: the page that says all of it.
    """

    verdict: Verdict
    findings: list[tuple[str, str]]
    rows: list[dict[str, Any]]
    metric: str
    protocol: str
    commands: list[tuple[str, str]]
    page: Path


def conclude(
    source: Path, out: Path, trainings: Trainings, counted: Sequence[str]
) -> Started:
    """Reads the finished runs, judges, writes verdict and page.

    Args:
        source: the file that the user gave.
        out: the folder of `mgnm start`.
        trainings: what was trained.
        counted: the labels of the models that count.
    """
    labels = [*counted, *trainings.finished()]
    runs = {
        label: Run(
            out
            / RUNS
            / trainings.planned(label, trainings.options(label)).folder
        )
        for label in labels
    }
    evaluations = {
        label: Evaluation.load(run.ranks) for label, run in runs.items()
    }
    users = {label: one.per_user() for label, one in evaluations.items()}
    metric = trainings.protocol.main_metric
    cuts = trainings.cuts()
    verdict = verdict_of(
        {label: users[label] for label in counted},
        {label: users[label] for label in trainings.finished()},
        metric,
        cuts,
        _later(trainings, evaluations),
    )
    started = Started(
        verdict=verdict,
        findings=[
            (kind, text) for kind, text in read_json(out / HEALTH)["findings"]
        ],
        rows=_rows(trainings, runs, users, counted, metric),
        metric=metric,
        protocol=trainings.protocol.describe(),
        commands=_commands(source, out, trainings, runs, counted, verdict),
        page=out / PAGE,
    )
    write_json(
        out / VERDICT, {"verdict": asdict(verdict), "rows": started.rows}
    )
    write_start_page(
        started.page,
        name=source.name,
        said=trainings.state.get("said"),
        minutes=trainings.state.get("minutes"),
        started={**asdict(started), "cuts": cuts},
    )
    return started


def _later(
    trainings: Trainings, evaluations: dict[str, Evaluation]
) -> dict[str, pd.DataFrame] | None:
    """Returns the values of the records that are later than what precedes.

    `None` where no, or hardly any, record has the time of the event before.
    """
    data = trainings.data
    if not data.has_times:
        return None
    found = {}
    for label, one in evaluations.items():
        later = is_later(data, one.samples["position"].to_numpy())
        if not later.any() or np.mean(later) > 1 - _TIED:
            return None
        part = replace(one, samples=one.samples[later].reset_index(drop=True))
        found[label] = part.per_user()
    return found


def _rows(
    trainings: Trainings,
    runs: dict[str, Run],
    users: dict[str, pd.DataFrame],
    counted: Sequence[str],
    metric: str,
) -> list[dict[str, Any]]:
    """Returns the rows of the table, the best model first."""
    means = {label: mean_of(table, metric) for label, table in users.items()}
    base = max(counted, key=lambda label: means[label].mean)
    k = trainings.protocol.places[0]
    rows = []
    for label, run in runs.items():
        values = run.metrics[trainings.protocol.part]
        gain, epochs = "", "counts"
        if label not in counted:
            full = trainings.full(label).epochs
            epochs = f"{trainings.epochs_of(label):.3g} of {full}"
        if label != base and means[base].mean > 0:
            one = difference(users[label], users[base], metric)
            mean, low, high = relative(one, means[base].mean)
            gain = f"{mean} % ({low} to {high})"
        rows.append(
            {
                "model": label,
                "name": shown(label),
                "ndcg": means[label].mean,
                "low": means[label].low,
                "high": means[label].high,
                "hit": values[f"hit@{k}"],
                "gauc": values["gauc"],
                "gain": gain,
                "epochs": epochs,
                "seconds": run.timing["seconds"],
            }
        )
    return sorted(rows, key=lambda row: -row["ndcg"])


def _commands(
    source: Path,
    out: Path,
    trainings: Trainings,
    runs: dict[str, Run],
    counted: Sequence[str],
    verdict: Verdict,
) -> list[tuple[str, str]]:
    """Returns the three commands that come next."""
    state = trainings.state
    told = [label for label in counted if label != "popularity"]
    models = ",".join([*told, *trainings.models])
    columns = state.get("columns")
    defaults = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    reading: list[str | Path] = []
    for role, name in columns.items():
        if name != defaults[role]:
            reading += [f"--{role}-column", name]
    if separator := state.get("separator"):
        reading += ["--separator", separator.replace("\t", "\\t")]
    command = state.get("command")
    if command["time_unit"] != "auto":
        reading += ["--time-unit", command["time_unit"]]
    if not command["quotes"]:
        reading += ["--no-quotes"]
    exported = out / "export"
    compared: list[str | Path] = [
        *("compare", "--data", out / DATA, "--models", models),
        *("--seeds", "0,1,2", "--out", out / "full"),
        *_protocol_options(trainings.protocol),
    ]
    export: list[str | Path] = [
        *("export", Path(runs[verdict.model].path), "--out", exported)
    ]
    recommend: list[str | Path] = [
        *("recommend", exported, "--history", source, *reading),
        *("--top", "20", "--out", out / "recommendations.parquet"),
    ]
    return [
        (why, shlex.join(["mgnm", *map(str, words)]))
        for why, words in (
            ("The full comparison: whole trainings, three seeds", compared),
            (f"{shown(verdict.model)} as a SavedModel with raw ids", export),
            ("Twenty items for every user of the log", recommend),
        )
    ]


def _protocol_options(protocol: Protocol) -> list[str]:
    """Returns the options of `mgnm compare` for what is no default of it."""
    usual, words = Protocol(), []
    for option, name in (
        ("--test-negatives", "negatives"),
        ("--test-exclude", "exclude"),
    ):
        if getattr(protocol, name) != getattr(usual, name):
            words += [option, str(getattr(protocol, name))]
    if protocol.places != usual.places:
        words += ["--k", ",".join(map(str, protocol.places))]
    return words
