"""What the runs of a comparison say together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mgnm_tf.evaluation.evaluate import Evaluation
from mgnm_tf.evaluation.significance import compare_many
from mgnm_tf.experiments.plan import PlannedRun
from mgnm_tf.training import run_folder
from mgnm_tf.training.history import best_epoch
from mgnm_tf.training.history import read_history
from mgnm_tf.utils.files import atomic_write
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json

RESULTS = "results.csv"
"""One row for each model and seed."""


def summarise(
    out: Path, runs: Sequence[PlannedRun], failed: list[dict[str, Any]]
) -> dict[str, Any]:
    """Reads the run folders, writes `results.csv` and `metrics.json`.

    `metrics.json` holds:

    - `test` (or `validation`, the part of the protocol): the metrics of the
      best model, whose name is `model`: the one with the highest NDCG;
    - `protocol`;
    - `models`: for each model its `test` (mean over the seeds), `std`
      (standard deviation over the seeds, 0 for one seed), `seeds`,
      `positives_per_second` (mean), `seconds_per_epoch` (mean),
      `peak_memory` (the highest, MiB), `parameters`, and `pvalues`: the
      paired t-test, two-sided and corrected by Holm, of the best model of
      each metric against this one, over users' values averaged over the
      seeds;
    - `best`: the best model of each metric;
    - `failed`: model, seed and error of each run that failed.

    Args:
        out: the folder of the comparison.
        runs: the runs of the comparison.
        failed: the runs among them that failed.

    Returns:
        The content of `metrics.json`.
    """
    lost = {(entry["model"], entry["seed"]): entry for entry in failed}
    rows, evaluations = [], {}
    for run in runs:
        key = (run.label, run.config.seed)
        if key in lost:
            rows.append({**lost[key], "status": "failed"})
            continue
        rows.append(_row(run, out / run.folder))
        evaluations.setdefault(run.label, []).append(
            Evaluation.load(out / run.folder / run_folder.RANKS)
        )
    table = pd.DataFrame(rows)
    atomic_write(out / RESULTS, table.to_csv(index=False))
    summary = summary_of(table, evaluations, failed)
    write_json(out / run_folder.METRICS, summary)
    return summary


def _row(run: PlannedRun, folder: Path) -> dict[str, Any]:
    """Returns the row of `results.csv` of a finished run."""
    metrics = read_json(folder / run_folder.METRICS)
    timing = read_json(folder / run_folder.TIMING)
    environment = read_json(folder / run_folder.ENVIRONMENT)
    history = read_history(folder / run_folder.HISTORY)
    values = [row[run.config.monitor] for row in history]
    best = best_epoch(values, run.config.mode) + 1 if values else None
    return {
        "model": run.label,
        "seed": run.config.seed,
        "status": "finished",
        **metrics[metrics["protocol"]["part"]],
        "epochs": len(timing["epochs"]),
        "best_epoch": best,
        "seconds": timing["seconds"],
        "seconds_per_epoch": timing["seconds_per_epoch"],
        "positives_per_second": timing["positives_per_second"],
        "peak_memory": timing["peak_memory"],
        "parameters": environment["parameters"],
        "device": environment["device"],
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
    protocol = next(iter(evaluations.values()))[0].protocol
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
    winner = best[f"ndcg@{protocol.k}"]
    return {
        "model": winner,
        protocol.part: models[winner][protocol.part],
        "protocol": protocol.to_dict(),
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

    Args:
        evaluations: model -> its evaluations, whose values are averaged.
        best: metric -> the model that the others are compared with.
    """
    per_user = {
        label: pd.concat([one.per_user() for one in of_model])
        .groupby("user_id")
        .mean()
        .reset_index()
        for label, of_model in evaluations.items()
    }
    users = len(next(iter(per_user.values())))
    if len(per_user) < 2 or users < 2:
        return {}
    tests: dict[str, dict[str, float]] = {}
    for metric, reference in best.items():
        result = compare_many(per_user, reference, metric)
        for label, pvalue in zip(
            result["model"], result["t_pvalue_holm"], strict=True
        ):
            tests.setdefault(label, {})[metric] = float(pvalue)
    return tests
