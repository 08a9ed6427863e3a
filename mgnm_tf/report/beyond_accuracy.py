"""Coverage and novelty beside accuracy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mgnm_tf.report.page import Block
from mgnm_tf.report.page import Note
from mgnm_tf.report.page import Table
from mgnm_tf.report.tables import Cell
from mgnm_tf.runs import run_folder
from mgnm_tf.utils.files import read_json


def show_beyond_accuracy(
    summary: Mapping[str, Any],
    metric: str,
    runs: Mapping[tuple[str, int], Path],
) -> list[Block]:
    """Returns what recommendations are like besides being right.

    Args:
        summary: the content of `metrics.json`.
        metric: the metric that stands beside.
        runs: model and seed -> the folder of a finished run.
    """
    found = [
        {"model": model, **read_json(path / run_folder.BEYOND_ACCURACY)}
        for (model, _), path in runs.items()
        if (path / run_folder.BEYOND_ACCURACY).is_file()
    ]
    if not found:
        return []
    table = pd.DataFrame(found).groupby("model").mean()
    part = summary["protocol"]["part"]
    rows: list[list[Cell | str]] = []
    for label, entry in summary["models"].items():
        row: list[Cell | str] = [label, f"{entry[part][metric]:.4f}"]
        if label in table.index:
            one = table.loc[label]
            row += [
                f"{100 * one['coverage']:.1f}%",
                f"{one['novelty']:.2f}",
                f"{one['gini']:.3f}",
                f"{one['records']:,.0f}",
            ]
        else:
            row += ["-"] * 4
        rows.append(row)
    k = int(table["k"].iloc[0])
    headings = ["Model", metric.upper(), f"coverage@{k}", f"novelty@{k}"]
    return [
        Table(
            [*headings, f"Gini@{k}", "lists"],
            rows,
            footnote=""
            if set(summary["models"]) <= set(table.index)
            else "-: runs of an earlier version, which did not measure it.",
        ),
        Note(
            f"From the {k} best items of the whole catalogue for at most "
            "1,000 records, drawn with the seed of the protocol; fewer for "
            "models that look at each pair of a history and an item. "
            "Coverage: the share of the catalogue that is in a list at least; "
            "it grows with the number of lists. Novelty: the mean of -log2 of "
            "an item's share of the training events, so one bit more is half "
            "as popular. Gini: 0 where all items are listed equally often, 1 "
            "where it is always the same."
        ),
    ]
