"""What the runs of a comparison say together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.significance import compare_seeds
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.run import Run
from mgnm_tf.studies.plan import PlannedRun
from mgnm_tf.utils.files import atomic_write
from mgnm_tf.utils.files import write_json

RESULTS = "results.csv"
"""One row for each model and seed."""

BEST_ON_TEST = "best_on_test_"
"""Before the name of a metric: the best of all epochs on the test part, by
itself, where a run was watched, see `mgnm_tf.training.watch_test`."""

FEWEST_SEEDS = 3
"""Runs from which the spread of a model over its seeds can be told."""


def summarise(
    out: Path,
    runs: Sequence[PlannedRun],
    failed: list[dict[str, Any]],
    protocol: Protocol,
) -> dict[str, Any]:
    """Reads the run folders, writes `results.csv` and `metrics.json`.

    `metrics.json` holds:

    - `test` (or `validation`, the part of the protocol): the metrics of the
      best model, whose name is `model`: the one with the highest NDCG at
      the first k;
    - `protocol`, and `samples`: how many were ranked (`ranked`), and how
      many of them do not count, as they have no negative
      (`without_negatives`);
    - `models`: for each model its `test` (mean over the seeds), `std`
      (standard deviation over the seeds, 0 for one seed), `seeds`,
      `positives_per_second` (mean), `seconds_per_epoch` (mean),
      `peak_memory` (the highest, MiB), `parameters`, and `pvalues`: the
      test of the best model of each metric against this one, without those
      that have too few seeds, see `significance_of`;
    - `best`: the best model of each metric;
    - `failed`: model, seed and error of each run that failed.

    Args:
        out: the folder of the comparison.
        runs: the runs of the comparison.
        failed: the runs among them that failed.
        protocol: the protocol of the comparison.

    Returns:
        The content of `metrics.json`.

    Raises:
        UserError: the runs were evaluated by different protocols, or ranked
            different samples.
    """
    lost = {(entry["model"], entry["seed"]): entry for entry in failed}
    rows, evaluations = [], {}
    for run in runs:
        key = (run.label, run.config.seed)
        if key in lost:
            rows.append({**lost[key], "status": "failed"})
            continue
        rows.append(row_of(run, out / run.folder))
        evaluation = Evaluation.load(Run(out / run.folder).ranks)
        _check_protocol(out / run.folder, evaluation.protocol, protocol)
        evaluations.setdefault(run.label, []).append(evaluation)
    table = pd.DataFrame(rows)
    atomic_write(out / RESULTS, table.to_csv(index=False))
    summary = summary_of(table, evaluations, failed)
    write_json(out / run_folder.METRICS, summary)
    return summary


def _check_protocol(folder: Path, ranks: Protocol, wanted: Protocol) -> None:
    """Refuses a run whose ranks or metrics are those of another protocol."""
    stored = Protocol.from_dict(Run(folder).metrics["protocol"])
    for found in (ranks, stored):
        if difference := wanted.difference(found):
            raise UserError(
                f"{folder} was evaluated by another protocol than the "
                f"comparison's: {difference}. Give the same command again to "
                "evaluate it anew."
            )


def row_of(run: PlannedRun, folder: Path) -> dict[str, Any]:
    """Returns the row of `results.csv` of a finished run."""
    made = Run(folder)
    metrics, timing = made.metrics, made.timing
    return {
        "model": run.label,
        "seed": run.config.seed,
        "status": "finished",
        **metrics[metrics["protocol"]["part"]],
        **{
            f"{BEST_ON_TEST}{name}": value
            for name, value in made.best_on_test.items()
        },
        "epochs": len(timing["epochs"]),
        "best_epoch": made.best_epoch,
        "validated": made.validated,
        "seconds": timing["seconds"],
        "seconds_per_epoch": timing["seconds_per_epoch"],
        "positives_per_second": timing["positives_per_second"],
        "peak_memory": timing["peak_memory"],
        "parameters": made.environment["parameters"],
        "device": made.environment["device"],
        "folder": run.folder,
    }


def summary_of(
    table: pd.DataFrame,
    evaluations: dict[str, list[Evaluation]],
    failed: list[dict[str, Any]],
) -> dict[str, Any]:
    """Returns the content of `metrics.json`, see `summarise`.

    Args:
        table: the rows of `results.csv`.
        evaluations: model -> the evaluation of each of its finished runs.
        failed: model, seed and error of each run that failed.
    """
    if not evaluations:
        return {"model": None, "models": {}, "best": {}, "failed": failed}
    first = next(iter(evaluations.values()))[0]
    protocol = first.protocol
    names = list(protocol.metric_names)
    models = {
        label: _of_model(rows, names, protocol.part)
        for label, rows in table[table["status"] == "finished"].groupby(
            "model", sort=False
        )
    }
    best = {
        name: max(models, key=lambda label: models[label][protocol.part][name])
        for name in names
    }
    tests = significance_of(evaluations, best)
    for label, entry in models.items():
        entry["pvalues"] = tests.get(label, {})
    winner = best[protocol.main_metric]
    return {
        "model": winner,
        protocol.part: models[winner][protocol.part],
        "protocol": protocol.to_dict(),
        "samples": first.counts(),
        "models": models,
        "best": best,
        "failed": failed,
    }


def _of_model(rows: pd.DataFrame, names: list[str], part: str):
    """Returns the entry of one model, from its rows."""
    return {
        part: rows[names].mean().to_dict(),
        "std": rows[names].std().fillna(0.0).to_dict(),
        "seeds": rows["seed"].tolist(),
        "seconds_per_epoch": float(rows["seconds_per_epoch"].mean()),
        "positives_per_second": float(rows["positives_per_second"].mean()),
        "peak_memory": float(rows["peak_memory"].max()),
        "parameters": int(rows["parameters"].iloc[0]),
    }


def significance_of(
    evaluations: dict[str, list[Evaluation]], best: dict[str, str]
) -> dict[str, dict[str, float]]:
    """Returns model -> metric -> corrected p-value against the best.

    Tested is what a table shows, the mean over users or over samples, with
    users and seeds drawn at random, see `compare_seeds`. A model takes part
    if its spread over seeds is known: with three runs, or two that rank
    everything alike, as those of a model that draws nothing do.

    Args:
        evaluations: model -> the evaluations of its runs.
        best: metric -> the model that the others are compared with.

    Raises:
        UserError: the evaluations are of different samples.
    """
    per_user = {
        label: [one.per_user() for one in of_model]
        for label, of_model in evaluations.items()
        if _has_enough_seeds(of_model)
    }
    if not per_user:
        return {}
    users = next(iter(per_user.values()))[0][["user_id", "samples"]]
    for label, tables in per_user.items():
        if not all(users.equals(one[["user_id", "samples"]]) for one in tables):
            raise UserError(
                f"The runs of {label} ranked other samples than those of "
                f"{next(iter(per_user))}; they cannot be compared."
            )
    protocol = next(iter(evaluations.values()))[0].protocol
    tests: dict[str, dict[str, float]] = {}
    for metric, reference in best.items():
        if reference not in per_user or len(users) < 2:
            continue
        weights = users["samples"].to_numpy(float)
        if protocol.weights_users_alike(metric):
            weights = np.ones_like(weights)
        values = {
            label: np.stack([one[metric] for one in tables])
            for label, tables in per_user.items()
        }
        found = compare_seeds(values, weights, reference)
        for label, pvalue in found.items():
            tests.setdefault(label, {})[metric] = pvalue
    return tests


def _has_enough_seeds(evaluations: Sequence[Evaluation]) -> bool:
    first, *others = (one.samples["rank"] for one in evaluations)
    if len(evaluations) >= FEWEST_SEEDS:
        return True
    return bool(others) and all(first.equals(one) for one in others)
