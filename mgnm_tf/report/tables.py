"""The table of a comparison, for the terminal and for the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

STYLES = {"best": "bold", "second": "underline", "": ""}

STAR = (
    "* differs from the best of the column, seeds and users both taken as "
    "drawn at random (p < 0.05, corrected by Holm); needs three seeds."
)
FOOTNOTE = (
    f"Best in bold, second underlined. {STAR} Seconds an epoch with its "
    "validation; MiB: the most memory of a run."
)


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Args:
        text: what stands in it.
        mark: `"best"`, `"second"`, `"published"`, `"words"` for a text that
            may be broken, or `""`.
    """

    text: str
    mark: str = ""


Published = Mapping[str, Mapping[str, float]]
"""Label of a model -> metric -> the published value."""


def comparison_cells(
    summary: dict[str, Any],
    deviations: bool = True,
    published: Published | None = None,
) -> tuple[list[str], list[list[Cell]]]:
    """Lays out `metrics.json` of a comparison.

    Args:
        summary: its content, see `mgnm_tf.studies.summary`.
        deviations: whether the standard deviation over several seeds stands
            beside the mean. Defaults to `True`.
        published: what others report, in a column to the right of each
            metric that they report. Defaults to `None`.

    Returns:
        The headings, and the cells of each row.
    """
    metrics = list(summary["best"])
    published = published or {}
    reported = {name for one in published.values() for name in one}
    headings = ["Model"]
    for name in metrics:
        headings += [name.upper(), *["published"][: name in reported]]
    headings += ["positives/s", "s/epoch", "MiB", "parameters"]
    lost: dict[str, list[str]] = {}
    for run in summary["failed"]:
        lost.setdefault(run["model"], []).append(str(run["seed"]))
    rows = []
    for label, entry in summary["models"].items():
        seeds = ", ".join(lost.pop(label, ()))
        row = [Cell(f"{label} (failed: seed {seeds})" if seeds else label)]
        for name in metrics:
            row.append(_metric_cell(summary, label, name, deviations))
            if name in reported:
                value = published.get(label, {}).get(name)
                text = "-" if value is None else f"{value:.4f}"
                row.append(Cell(text, "published"))
        row += [
            Cell(f"{entry['positives_per_second']:,.0f}"),
            Cell(f"{entry['seconds_per_epoch']:,.1f}"),
            Cell(f"{entry['peak_memory']:,.0f}"),
            Cell(f"{entry['parameters']:,}"),
        ]
        rows.append(row)
    for label in lost:
        blanks = [Cell("-")] * (len(headings) - 1)
        rows.append([Cell(f"{label} (failed)"), *blanks])
    return headings, rows


def terminal_table(summary: dict[str, Any], width: int = 80) -> Table:
    """Returns the table of a comparison for a terminal; nothing in it wraps.

    Where it is too wide, columns are left out: first what a run costs, then
    metrics, from the right. Names and the first metrics always stay, in a
    table wider than the terminal if need be.

    Args:
        summary: the content of `metrics.json`, see `comparison_cells`.
        width: columns of the terminal. Defaults to 80.
    """
    headings, rows = comparison_cells(summary, deviations=False)
    # Units on a line of their own save columns.
    texts = [heading.replace("/", "\n/") for heading in headings]
    widths = [
        max(
            *map(cell_len, text.split("\n")),
            *(cell_len(row[column].text) for row in rows),
        )
        for column, text in enumerate(texts)
    ]
    kept = len(headings)
    while kept > 3 and sum(widths[:kept]) + kept - 1 > width:
        kept -= 1
    caption = FOOTNOTE
    if kept < len(headings):
        left_out = ", ".join(headings[kept:])
        caption += f" Left out here, in report.html: {left_out}."
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_edge=False,
        caption=caption,
        caption_justify="left",
        width=sum(widths[:kept]) + kept - 1,
    )
    for text, wide in zip(texts[:kept], widths, strict=False):
        table.add_column(
            text,
            justify="right" if table.columns else "left",
            no_wrap=True,
            min_width=wide,
        )
    for row in rows:
        table.add_row(
            *(Text(cell.text, STYLES[cell.mark]) for cell in row[:kept])
        )
    return table


def _metric_cell(
    summary: dict[str, Any], label: str, name: str, deviations: bool
) -> Cell:
    part = summary["protocol"]["part"]
    models = summary["models"]
    values = {other: entry[part][name] for other, entry in models.items()}
    text = f"{values[label]:.4f}"
    if deviations and len(models[label]["seeds"]) > 1:
        text += f" ± {models[label]['std'][name]:.4f}"
    distinct = sorted(set(values.values()), reverse=True)
    place = distinct.index(values[label])
    if models[label]["pvalues"].get(name, 1.0) < 0.05:
        text += "*"
    return Cell(text, {0: "best", 1: "second"}.get(place, ""))
