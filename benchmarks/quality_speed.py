"""The picture of quality against speed: `python -m benchmarks.quality_speed`.

It is made from the kept results of a study (`studies/results/`), which hold
the metrics and the speed of every run.
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

QUALITY = "ndcg@5"
SPEED = "positives_per_second"

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


def points(path: Path) -> pd.DataFrame:
    """Returns quality and speed of each model of a file of packed ranks.

    Args:
        path: the file (.npz).

    Returns:
        A row a model, with `quality`, the mean over its seeds, `speed`, the
        median, and the least and the most of each (`quality_least`, ...).

    Raises:
        UserError: the file cannot be read, or has no quality or no speed.
    """
    table = PackedRanks.load(path).table
    for column in (QUALITY, SPEED):
        if column not in table or table[column].isna().all():
            raise UserError(f"{path} has no {column} of its runs.")
    runs = table.dropna(subset=[QUALITY, SPEED]).groupby("model", sort=False)
    return pd.DataFrame(
        {
            "quality": runs[QUALITY].mean(),
            "quality_least": runs[QUALITY].min(),
            "quality_most": runs[QUALITY].max(),
            "speed": runs[SPEED].median(),
            "speed_least": runs[SPEED].min(),
            "speed_most": runs[SPEED].max(),
        }
    )


def draw(rows: pd.DataFrame) -> str:
    """Draws quality against speed.

    Args:
        rows: what `points` returned.

    Returns:
        An SVG document, the same for the same input.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        colours = mpl.color_sequences["tab10"]
        for number, (model, row) in enumerate(rows.iterrows()):
            colour = colours[number % len(colours)]
            for axis, other in (("speed", "quality"), ("quality", "speed")):
                ends = [row[f"{axis}_least"], row[f"{axis}_most"]]
                across = [row[other], row[other]]
                pair = (ends, across) if axis == "speed" else (across, ends)
                axes.plot(*pair, color=colour, linewidth=1.5, alpha=0.6)
            axes.plot(row["speed"], row["quality"], "o", color=colour)
            # Below where the name would cover the point of another model.
            near = rows["quality"].sub(row["quality"]).between(1e-9, 0.008)
            near &= rows["speed"].div(row["speed"]).between(1, 1.6)
            axes.annotate(
                str(model),
                (row["speed"], row["quality"]),
                xytext=(6, -14 if near.any() else 6),
                textcoords="offset points",
            )
        axes.set_xscale("log")
        axes.set_ylim(
            0.93 * rows["quality_least"].min(),
            1.05 * rows["quality_most"].max(),
        )
        axes.set_xlim(
            0.75 * rows["speed_least"].min(), 1.7 * rows["speed_most"].max()
        )
        thousands = FuncFormatter(lambda value, _: f"{value:,.0f}")
        axes.xaxis.set_major_formatter(thousands)
        axes.xaxis.set_minor_formatter(
            FuncFormatter(
                lambda value, _: (
                    f"{value:,.0f}" if f"{value:e}"[0] in "25" else ""
                )
            )
        )
        axes.grid(color="#e2e8f0", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set(
            xlabel="training, positives a second (logarithmic)",
            ylabel="NDCG@5 of the test part",
        )
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


@app.command()
def main(
    ranks: Annotated[Path, typer.Argument(help="File (.npz) of ranks.")],
    out: Annotated[Path, typer.Option(help="SVG file to write.")],
) -> None:
    """Draw quality against speed of the models of a study."""
    with sentences():
        atomic_write(out, draw(points(ranks)))


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.quality_speed")
