"""The report of a comparison: one HTML file that needs nothing else."""

import base64
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from mgnm_tf.report.figures import draw_curves
from mgnm_tf.report.tables import FOOTNOTE
from mgnm_tf.report.tables import comparison_cells
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.history import read_history
from mgnm_tf.utils.files import atomic_write
from mgnm_tf.utils.files import read_json

REPORT = "report.html"


def write_report(folder: Path, summary: dict[str, Any], protocol: str) -> Path:
    """Writes `report.html` of a comparison.

    Args:
        folder: the folder of the comparison, with `comparison.json` and
            `results.csv`.
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
    headings, rows = comparison_cells(summary)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mgnm_tf.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = _words
    page = environment.get_template("comparison.html").render(
        headings=headings,
        rows=rows,
        footnote=FOOTNOTE,
        summary=summary,
        protocol=protocol,
        figure=_figure(runs),
        shared=read_json(folder / "comparison.json"),
        environments=_environments(runs),
        runs=_run_table(results),
    )
    path = folder / REPORT
    atomic_write(path, page)
    return path


def _figure(runs: dict[tuple[str, int], Path]) -> str | None:
    """Returns the training curves as a data address, None without any."""
    columns = {
        "val_ndcg@5": "validation NDCG@5",
        "val_gauc": "validation GAUC",
        "loss": "training loss",
    }
    panels: dict[str, dict[str, list]] = {
        title: {} for title in columns.values()
    }
    for (model, _), path in runs.items():
        history = read_history(path / run_folder.HISTORY)
        for column, title in columns.items():
            if history:
                values = [row[column] for row in history]
                panels[title].setdefault(model, []).append(values)
    if not any(panels.values()):
        return None
    svg = draw_curves(panels).encode("utf-8")
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _environments(runs: dict[tuple[str, int], Path]) -> list[str]:
    """Returns the different devices and versions of the runs, in words."""
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
    return list(dict.fromkeys(lines))


def _run_table(results: pd.DataFrame) -> dict[str, Any]:
    """Returns headings and rows of all runs, as text."""
    shown = results.drop(columns=["folder", "device"], errors="ignore")
    texts = [
        ["" if pd.isna(value) else _as_text(value) for value in row]
        for row in shown.itertuples(index=False)
    ]
    return {"headings": list(shown.columns), "rows": texts}


def _words(value: Any) -> str:
    """Writes a JSON value as people would."""
    if isinstance(value, dict):
        return ", ".join(
            f"{key.replace('_', ' ')} {_words(one)}"
            for key, one in value.items()
        )
    if isinstance(value, list):
        return "; ".join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return "none" if value is None else str(value)


def _as_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1 else f"{value:.4f}"
    return str(value)
