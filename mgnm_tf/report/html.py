"""The report of a comparison: one HTML file that needs nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mgnm_tf.report.beyond_accuracy import show_beyond_accuracy
from mgnm_tf.report.figures import Point
from mgnm_tf.report.figures import draw_curves
from mgnm_tf.report.figures import draw_intervals
from mgnm_tf.report.figures import draw_tradeoff
from mgnm_tf.report.page import Block
from mgnm_tf.report.page import Facts
from mgnm_tf.report.page import Note
from mgnm_tf.report.page import Picture
from mgnm_tf.report.page import Pictures
from mgnm_tf.report.page import Problems
from mgnm_tf.report.page import Section
from mgnm_tf.report.page import Table
from mgnm_tf.report.page import render_page
from mgnm_tf.report.palette import Palette
from mgnm_tf.report.slices import show_slices
from mgnm_tf.report.tables import FOOTNOTE
from mgnm_tf.report.tables import Cell
from mgnm_tf.report.tables import comparison_cells
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.history import read_history
from mgnm_tf.utils.files import atomic_write
from mgnm_tf.utils.files import read_json

REPORT = "report.html"
SLICES = "slices.csv"
"""One row for each model, seed and slice of the records."""

Runs = Mapping[tuple[str, int], Path]
"""Model and seed -> the folder of a finished run."""

_WIDE = 7.2
"""Inches of the one figure that takes the width of the page."""


def write_report(folder: Path, summary: dict[str, Any], protocol: str) -> Path:
    """Writes `report.html` of a comparison.

    Args:
        folder: the folder of the comparison, with `comparison.json`,
            `results.csv` and, unless it is older, `slices.csv`.
        summary: the content of its `metrics.json`.
        protocol: the protocol as a sentence.

    Returns:
        The path of the report.
    """
    results = pd.read_csv(folder / "results.csv")
    finished = results[results["status"] == "finished"]
    runs = {
        (row.model, row.seed): folder / row.folder
        for row in finished.itertuples()
    }
    shared = read_json(folder / "comparison.json")
    palette = Palette(summary["models"])
    headings, rows = comparison_cells(summary)
    lead: list[Block] = [
        Table(
            headings,
            rows,
            footnote=f"{FOOTNOTE} With several seeds: mean ± standard "
            "deviation.",
        ),
        Note(protocol, small=False),
    ]
    sections = [
        Section("Failed runs", failures(summary)),
        Section("Quality and training time", tradeoff(summary, results)),
        Section("Metrics", intervals(summary, palette)),
        Section("Slices", _slices(folder, summary, palette, shared["data"])),
        Section("Coverage and novelty", _beyond_accuracy(summary, runs)),
        Section("Training curves", curves(runs, palette)),
        Section("Significance", significance(summary)),
        Section("Runs", [_run_table(results)]),
        Section(
            "Training",
            [
                Facts(shared["settings"]),
                Note(
                    "Given for all runs, before the recipe of each model, "
                    "which stands whole in the recipe.toml of its runs."
                ),
            ],
        ),
        Section("Data", [Facts(shared["data"])]),
        Section("Machine and versions", environments(runs)),
    ]
    name = shared["data"].get("name") or "unnamed data"
    path = folder / REPORT
    atomic_write(path, render_page(f"Comparison on {name}", sections, lead))
    return path


def failures(summary: dict[str, Any]) -> list[Block]:
    """Returns the runs that failed, with their reasons.

    Args:
        summary: the content of `metrics.json`.
    """
    lines = [
        f"{run['model']}, seed {run['seed']}: {run['error']}"
        for run in summary["failed"]
    ]
    return [Problems(lines)] if lines else []


def tradeoff(summary: dict[str, Any], results: pd.DataFrame) -> list[Block]:
    """Returns quality against training time.

    Args:
        summary: the content of `metrics.json`.
        results: the rows of `results.csv`, with `seconds` of training.
    """
    if not summary["models"] or "seconds" not in results:
        return []
    part, metric = summary["protocol"]["part"], main_metric(summary)
    finished = results[results["status"] == "finished"]
    seconds = finished.groupby("model")["seconds"].mean()
    points = {
        label: Point(
            max(float(seconds[label]), 0.001),
            entry[part][metric],
            entry["std"][metric],
        )
        for label, entry in summary["models"].items()
    }
    palette = Palette(points)
    title = metric.upper()
    wide, narrow = (
        draw_tradeoff(points, metric=title, palette=palette, **width)
        for width in ({"width": _WIDE}, {})
    )
    text = f"{title} and training time of each model"
    return [
        Pictures(
            [Picture(wide, text, narrow)],
            f"{title} against the training time of a run, validation "
            "included, on a logarithmic axis; means over seeds, with one "
            "standard deviation to either side. The dashed line joins the "
            "models that no other beats in both.",
        )
    ]


def intervals(summary: dict[str, Any], palette: Palette) -> list[Block]:
    """Returns the metrics of all models, with their spread over seeds.

    Args:
        summary: the content of `metrics.json`.
        palette: the looks of the models.
    """
    pictures = [
        Picture(
            draw_intervals(summary, metric, palette=palette),
            f"{metric.upper()} of each model",
        )
        for metric in summary["best"]
    ]
    if not pictures:
        return []
    caption = "The mean over seeds, and one standard deviation to either side."
    if all(len(one["seeds"]) == 1 for one in summary["models"].values()):
        caption = "One seed of each model: there is no spread to show."
    return [Pictures(pictures, caption)]


def curves(runs: Runs, palette: Palette) -> list[Block]:
    """Returns the training curves, with their legend beside them.

    Args:
        runs: the finished runs.
        palette: the looks of the models.
    """
    panels: dict[str, dict[str, list]] = {}
    for (model, _), path in runs.items():
        history = read_history(path / run_folder.HISTORY)
        for column, title in _curves_of(history).items():
            values = [row[column] for row in history]
            panels.setdefault(title, {}).setdefault(model, []).append(values)
    if not panels:
        return []
    drawn = {name for panel in panels.values() for name in panel}
    return [
        Pictures(
            [
                Picture(
                    draw_curves({title: panel}, palette=palette, legend=False),
                    f"{title} of each model by epoch",
                )
                for title, panel in panels.items()
            ],
            "One line for each seed. Losses of different objectives cannot "
            "be compared.",
            palette,
            [name for name in palette.names if name in drawn],
        )
    ]


def _curves_of(history: list[dict[str, float]]) -> dict[str, str]:
    """Returns column -> title of what is drawn of a history."""
    if not history:
        return {}
    ranking = [name for name in history[0] if name.startswith("val_ndcg@")]
    titles = {
        name: f"validation {name.removeprefix('val_').upper()}"
        for name in [*ranking[:1], "val_gauc"]
    }
    titles["loss"] = "training loss"
    return {name: titles[name] for name in titles if name in history[0]}


def significance(summary: dict[str, Any]) -> list[Block]:
    """Returns the table of corrected p-values.

    Args:
        summary: the content of `metrics.json`.
    """
    if len(summary["models"]) < 2:
        return []
    rows = []
    for label, entry in summary["models"].items():
        row = [label]
        for name, best in summary["best"].items():
            value = entry["pvalues"].get(name)
            text = "" if value is None else f"{value:.2g}"
            row.append("best" if best == label else text)
        rows.append(row)
    return [
        Note(
            "Corrected p-values of the best model of each metric against the "
            "others, over users and seeds; empty where a model has fewer than "
            "three seeds."
        ),
        Table(["Model", *(name.upper() for name in summary["best"])], rows),
    ]


def environments(runs: Runs) -> list[Block]:
    """Returns the different devices and versions of runs, in words.

    Args:
        runs: the finished runs.
    """
    lines = []
    for path in runs.values():
        one = read_json(path / run_folder.ENVIRONMENT)
        packages = {
            "mgnm_tf": one["mgnm_tf"],
            "Python": one["python"],
            **one["packages"],
        }
        versions = ", ".join(f"{key} {packages[key]}" for key in packages)
        lines.append(f"{one['device']}; {versions}; {one['platform']}")
    return [Note(line, small=False) for line in dict.fromkeys(lines)]


def _slices(
    folder: Path,
    summary: dict[str, Any],
    palette: Palette,
    data: dict[str, Any],
) -> list[Block]:
    """Returns the slices, where they were written."""
    path = folder / SLICES
    if not summary["models"] or not path.is_file():
        return []
    slices = pd.read_csv(path, dtype={"bounds": str})
    has_times = not data.get("order_only", False)
    return show_slices(slices, main_metric(summary), palette, has_times)


def _beyond_accuracy(summary: dict[str, Any], runs: Runs) -> list[Block]:
    if not summary["models"]:
        return []
    return show_beyond_accuracy(summary, main_metric(summary), runs)


def main_metric(summary: dict[str, Any]) -> str:
    """Returns the metric that models are ordered by: the first NDCG.

    Args:
        summary: the content of `metrics.json`, with a model in it.
    """
    names = list(summary["best"])
    return next((name for name in names if name.startswith("ndcg@")), names[0])


def _run_table(results: pd.DataFrame) -> Table:
    """Returns the table of all runs."""
    shown = results.drop(columns=["folder", "device"], errors="ignore")
    rows = [
        [
            Cell(_as_text(value), "words" if name == "error" else "")
            for name, value in zip(shown.columns, row, strict=True)
        ]
        for row in shown.itertuples(index=False)
    ]
    return Table([name.replace("_", " ") for name in shown.columns], rows)


def _as_text(value: Any) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1 else f"{value:.4f}"
    return str(value)
