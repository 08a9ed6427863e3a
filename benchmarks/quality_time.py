"""The picture of quality against time: `python -m benchmarks.quality_time`.

It is made from the kept results of studies (`studies/results/`), which hold
the metrics and the seconds of every run.
"""

import io
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import pandas as pd
import typer
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.app import sentences
from mgnm_tf.errors import UserError
from mgnm_tf.studies.packed_ranks import PackedRanks
from mgnm_tf.utils.files import atomic_write

SECONDS = "seconds"

_INK = "#1f2937"
_STYLE = {
    # A page of its own colour, so that it is legible on a dark one, too.
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "mgnm_tf",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": "#94a3b8",
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def points(quality: Path, times: Path, metric: str) -> pd.DataFrame:
    """Returns quality and training time of each model of two files of ranks.

    Args:
        quality: the file (.npz) whose metrics count.
        times: the file (.npz) whose times count; models that it has not are
            left out.
        metric: the column that is the quality.

    Returns:
        A row a model, with `quality`, the mean over its seeds, `minutes`, the
        median, and the least and the most of each (`quality_least`, ...).

    Raises:
        UserError: a file cannot be read, or has no such metric or no times.
    """
    found = {}
    for name, path, column, middle in (
        ("quality", quality, metric, "mean"),
        ("minutes", times, SECONDS, "median"),
    ):
        table = PackedRanks.load(path).table
        if column not in table or table[column].isna().all():
            raise UserError(f"{path} has no {column} of its runs.")
        table[column] /= 60 if column == SECONDS else 1
        runs = table.dropna(subset=[column]).groupby("model", sort=False)
        for ending, how in (("", middle), ("_least", "min"), ("_most", "max")):
            found[name + ending] = runs[column].agg(how)
    return pd.DataFrame(found).reindex(found["quality"].index).dropna()


def draw(rows: pd.DataFrame, metric: str) -> str:
    """Draws quality against time.

    Args:
        rows: what `points` returned.
        metric: the name of the quality.

    Returns:
        An SVG document, the same for the same input.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        colours = mpl.color_sequences["tab10"]
        line = 0.12 * (rows["quality"].max() - rows["quality"].min())
        for number, (model, row) in enumerate(rows.iterrows()):
            colour = colours[number % len(colours)]
            for axis, other in (("minutes", "quality"), ("quality", "minutes")):
                ends = [row[f"{axis}_least"], row[f"{axis}_most"]]
                across = [row[other], row[other]]
                pair = (ends, across) if axis == "minutes" else (across, ends)
                axes.plot(*pair, color=colour, linewidth=1.5, alpha=0.6)
            axes.plot(row["minutes"], row["quality"], "o", color=colour)
            # Below where the name would cover the point of another model.
            near = rows["quality"].sub(row["quality"]).between(1e-9, line)
            near &= rows["minutes"].div(row["minutes"]).between(1, 2)
            axes.annotate(
                str(model),
                (row["minutes"], row["quality"]),
                xytext=(6, -14 if near.any() else 6),
                textcoords="offset points",
            )
        axes.set_xscale("log")
        axes.set_ylim(
            0.93 * rows["quality_least"].min(),
            1.05 * rows["quality_most"].max(),
        )
        axes.set_xlim(
            0.75 * rows["minutes_least"].min(), 1.7 * rows["minutes_most"].max()
        )
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(
            FuncFormatter(
                lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else ""
            )
        )
        axes.grid(color="#e2e8f0", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set(
            xlabel="training, minutes (logarithmic)",
            ylabel=f"{metric.upper()} of the test part",
        )
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


@app.command()
def main(
    quality: Annotated[
        Path, typer.Argument(help="File (.npz) of ranks, whose metrics count.")
    ],
    times: Annotated[
        Path, typer.Argument(help="File (.npz) of ranks, whose times count.")
    ],
    out: Annotated[Path, typer.Option(help="SVG file to write.")],
    metric: Annotated[str, typer.Option(help="The quality.")] = "ndcg@10",
) -> None:
    """Draw quality against the time of training of the models of a study."""
    with sentences():
        atomic_write(out, draw(points(quality, times, metric), metric))


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.quality_time")
