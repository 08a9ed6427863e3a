"""The table of a comparison, for the terminal and for the report."""

from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

STYLES = {"best": "bold", "second": "underline", "": ""}

FOOTNOTE = (
    "Best in bold, second underlined. * differs from the best: paired t-test "
    "over users, corrected by Holm, p < 0.05. Seconds an epoch with its "
    "validation; MiB: the most memory of a run."
)


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Args:
        text: what stands in it.
        mark: `"best"`, `"second"` or `""`.
    """

    text: str
    mark: str = ""


def comparison_cells(
    summary: dict[str, Any], deviations: bool = True
) -> tuple[list[str], list[list[Cell]]]:
    """Lays out `metrics.json` of a comparison.

    Args:
        summary: its content, see `mgnm_tf.experiments.summary`.
        deviations: whether the standard deviation over several seeds stands
            beside the mean. Defaults to `True`.

    Returns:
        The headings, and the cells of each row.
    """
    metrics = list(summary["best"])
    headings = ["Model", *(name.upper() for name in metrics)]
    headings += ["positives/s", "s/epoch", "MiB", "parameters"]
    lost: dict[str, list[str]] = {}
    for run in summary["failed"]:
        lost.setdefault(run["model"], []).append(str(run["seed"]))
    rows = []
    for label, entry in summary["models"].items():
        seeds = ", ".join(lost.pop(label, ()))
        row = [Cell(f"{label} (failed: seed {seeds})" if seeds else label)]
        row += [
            _metric_cell(summary, label, name, deviations) for name in metrics
        ]
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


def terminal_table(summary: dict[str, Any]) -> Table:
    """Returns the table of a comparison, narrow enough for a terminal."""
    headings, rows = comparison_cells(summary, deviations=False)
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        caption=FOOTNOTE,
        caption_justify="left",
    )
    table.add_column(headings[0], overflow="fold", min_width=10)
    for heading in headings[1:]:
        # Units on a line of their own: the table fits into 80 columns.
        heading = heading.replace("/", "\n/")
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell.text, STYLES[cell.mark]) for cell in row))
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
