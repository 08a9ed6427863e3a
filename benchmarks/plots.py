"""Results as plots."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.tables import rows_of

SPEEDS = ("positives_per_second", "records_per_second", "rows_per_second")
CURVE = "step_us_per_positive"
TRADE = "search_ms"


def save_plots(report: dict, stem: Path) -> list[Path]:
    """Draws speeds, the curves of growth, and recall against time, as SVG.

    Args:
        report: what `run_phases` returned or wrote.
        stem: path of the files without their ends.

    Returns:
        The files.
    """
    paths = []
    rows = rows_of(report["results"])
    for phase, found in rows[rows["figure"].isin(SPEEDS)].groupby("phase"):
        path = Path(f"{stem}-{phase}.svg")
        _bars(found, path)
        paths.append(path)
    points = [
        {"model": what.split(",")[0], **figures}
        for what, figures in report["results"].get("growth", {}).items()
        if CURVE in figures
    ]
    if points:
        path = Path(f"{stem}-growth.svg")
        _curves(pd.DataFrame(points), path)
        paths.append(path)
    points = list(report["results"].get("retrieval", {}).values())
    if points:
        path = Path(f"{stem}-retrieval.svg")
        _trade(pd.DataFrame(points), path)
        paths.append(path)
    return paths


def _bars(rows: pd.DataFrame, path: Path) -> None:
    """Draws a bar for each model, with the range of the windows."""
    rows = rows.sort_values("median")
    middle = rows["median"].astype(float)
    ranges = [middle - rows["least"], rows["most"] - middle]
    figure, axes = plt.subplots(
        figsize=(7, 1 + 0.3 * len(rows)), layout="constrained"
    )
    axes.barh(rows["what"], middle, xerr=ranges, capsize=2)
    axes.set(xscale="log", xlabel=rows["figure"].iloc[0].replace("_", " "))
    figure.savefig(path)
    plt.close(figure)


def _curves(points: pd.DataFrame, path: Path) -> None:
    """Draws the time of a positive along each curve, on logarithmic axes."""
    curves = points["curve"].unique()
    figure, panels = plt.subplots(
        1,
        len(curves),
        figsize=(3 * len(curves), 3),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, curve in zip(panels[0], curves):
        found = points[points["curve"] == curve]
        for model, line in found.groupby("model"):
            middle = [figures["median"] for figures in line[CURVE]]
            axes.plot(line["value"], middle, "o-", label=model)
        axes.set(xscale="log", yscale="log", xlabel=curve)
    panels[0][0].set_ylabel("microseconds of a positive")
    panels[0][0].legend()
    figure.savefig(path)
    plt.close(figure)


def _trade(points: pd.DataFrame, path: Path) -> None:
    """Draws recall against the time of a user, a line for each kind.

    A star marks the default of the kind, a ring the kind that is chosen for
    the size; only the largest size and the most interests are drawn.
    """
    points = points[points["items"] == points["items"].max()]
    points = points[points["interests"] == points["interests"].max()]
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for kind, line in points.groupby("kind", sort=False):
        line = line.sort_values("effort")
        times = [figures["median"] for figures in line[TRADE]]
        (drawn,) = axes.plot(times, line["recall"], "o-", label=kind)
        for effort, chosen, time, recall in zip(
            line["effort"], line["chosen"], times, line["recall"]
        ):
            if effort == 1.0:
                color = drawn.get_color()
                axes.plot(time, recall, "*", color=color, markersize=14)
                if chosen:
                    axes.plot(time, recall, "o", mfc="none", markersize=20)
    axes.set(
        xscale="log",
        xlabel="milliseconds of a user",
        ylabel="recall of the 20 best",
        title=f"{points['items'].iloc[0]:,} items; star: the default",
    )
    axes.legend()
    figure.savefig(path)
    plt.close(figure)
