"""The figures of reports and studies, as SVG."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from mgnm_tf.report.canvas import WIDTH
from mgnm_tf.report.canvas import as_svg
from mgnm_tf.report.canvas import canvas
from mgnm_tf.report.canvas import draw_without_axes
from mgnm_tf.report.canvas import folded
from mgnm_tf.report.canvas import legend_line
from mgnm_tf.report.canvas import legend_width
from mgnm_tf.report.canvas import marked
from mgnm_tf.report.palette import COLOURS
from mgnm_tf.report.palette import Palette
from mgnm_tf.report.palette import Style
from mgnm_tf.report.tradeoff import Point
from mgnm_tf.report.tradeoff import draw_tradeoff

__all__ = [
    "Curves",
    "Point",
    "draw_axis",
    "draw_curves",
    "draw_intervals",
    "draw_shares",
    "draw_swatch",
    "draw_tradeoff",
]

Curves = Mapping[str, Sequence[Sequence[float]]]
"""Name of a model -> for each seed, a value an epoch."""

_MANY_ROWS = 20
"""With more bars, there is no room for their names."""


def draw_intervals(
    summary: Mapping[str, Any],
    metric: str,
    *,
    palette: Palette | None = None,
    published: Mapping[str, float] | None = None,
    width: float = WIDTH,
) -> str:
    """Draws a metric of each model, with its spread over seeds.

    A row for each model: the mean, and a bar of one standard deviation over
    the seeds to either side.

    Args:
        summary: as `metrics.json` of a comparison: `protocol` with `part`,
            and `models` with the metrics of the part and `std`.
        metric: the name of a metric.
        palette: the looks of the models. Defaults to `None`: in the order
            of the summary.
        published: label of a model -> the published value, drawn as an empty
            diamond. Defaults to `None`.
        width: in inches. Defaults to 4.4.

    Returns:
        An SVG document, the same for the same input.
    """
    models, part = summary["models"], summary["protocol"]["part"]
    palette = palette or Palette(models)
    names = [folded(label, 26) for label in models]
    lines = sum(1 + name.count("\n") for name in names)
    with canvas(width, 0.75 + 0.24 * max(lines, 1)) as figure:
        axis = figure.subplots()
        axis.set(title=metric.upper())
        draw_without_axes(axis, "left")
        for row, (label, entry) in enumerate(models.items()):
            style = palette[label]
            mean, spread = entry[part][metric], entry["std"][metric]
            axis.plot(
                [mean - spread, mean + spread],
                [row, row],
                color=style.colour,
                linewidth=4,
                alpha=0.4,
                solid_capstyle="butt",
            )
            axis.plot([mean], [row], linestyle="none", **marked(style, 5.5))
            if published and label in published:
                axis.plot(
                    [published[label]],
                    [row],
                    marker="d",
                    linestyle="none",
                    markerfacecolor="white",
                    markeredgecolor="black",
                    markersize=6,
                )
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.margins(x=0.08)
        axis.locator_params(axis="x", nbins=5)
        return as_svg(figure)


def draw_curves(
    panels: Mapping[str, Curves],
    *,
    palette: Palette | None = None,
    legend: bool = True,
    width: float = WIDTH,
) -> str:
    """Draws panels side by side, a line for each model and seed.

    Args:
        panels: title of a panel -> its curves.
        palette: the looks of the models. Defaults to `None`: in the order
            in which they come.
        legend: whether the names stand beside the panels. Defaults to
            `True`.
        width: of a panel, in inches. Defaults to 4.4.

    Returns:
        An SVG document, the same for the same input.
    """
    labels = list(
        dict.fromkeys(name for one in panels.values() for name in one)
    )
    palette = palette or Palette(labels)
    height = max(2.8, 0.2 * (1 + len(labels)) * legend)  # A line of the legend.
    beside = legend_width(labels) if labels and legend else 0.0
    with canvas(width * len(panels) + beside, height) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (title, curves) in zip(axes, panels.items(), strict=True):
            axis.set(title=title, xlabel="epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
            for name, seeds in curves.items():
                style = palette[name]
                for values in seeds:
                    axis.plot(
                        range(1, len(values) + 1),
                        values,
                        linestyle=style.line,
                        linewidth=1.2,
                        # The only sign of a single epoch.
                        **marked(style, 3.5, edge=0.0),
                    )
        if labels and legend:
            # Beside the panels, so that it hides no curve.
            lines = [legend_line(palette[name]) for name in labels]
            figure.legend(lines, labels, loc="outside right upper")
        return as_svg(figure)


def draw_axis(
    values: Sequence[float | str],
    series: Mapping[str, Sequence[Sequence[float]]],
    *,
    title: str = "",
    xlabel: str = "",
    palette: Palette | None = None,
    legend: bool = True,
    width: float = WIDTH,
) -> str:
    """Draws how something changes along an axis of a study.

    A line of the means over seeds for each name, in a band of one standard
    deviation to either side where there are several seeds.

    Args:
        values: of the axis: numbers, drawn to scale, or words, evenly.
        series: name of a model or metric -> for each of `values`, a value a
            seed; none leaves a gap.
        title: of the figure. Defaults to `""`.
        xlabel: what the axis is. Defaults to `""`.
        palette: the looks of the names. Defaults to `None`: in the order of
            `series`.
        legend: whether the names stand above the panel. Defaults to `True`.
        width: in inches. Defaults to 4.4.

    Returns:
        An SVG document, the same for the same input.
    """
    palette = palette or Palette(series)
    to_scale = all(isinstance(value, (int, float)) for value in values)
    places = np.asarray(values if to_scale else range(len(values)), float)
    height = 2.9 + 0.2 * ((len(series) + 1) // 2) * legend
    with canvas(width, height) as figure:
        axis = figure.subplots()
        axis.set(title=title, xlabel=xlabel)
        for name, points in series.items():
            style = palette[name]
            seeds = [np.asarray(one, float) for one in points]
            means = [one.mean() if one.size else np.nan for one in seeds]
            spreads = [one.std(ddof=1) if one.size > 1 else 0 for one in seeds]
            low, high = np.subtract(means, spreads), np.add(means, spreads)
            if any(spreads):
                axis.fill_between(
                    places, low, high, color=style.colour, alpha=0.15, lw=0
                )
            axis.plot(
                places,
                means,
                linestyle=style.line,
                linewidth=1.5,
                **marked(style, 5),
            )
        if not to_scale or len(values) <= 10:
            axis.set_xticks(places, [str(value) for value in values])
        axis.margins(x=0.06)
        if legend and series:
            lines = [legend_line(palette[name]) for name in series]
            figure.legend(lines, series, loc="outside upper left", ncols=2)
        return as_svg(figure)


def draw_shares(
    rows: Mapping[str, Sequence[float]],
    names: Sequence[str],
    *,
    title: str = "",
    ylabel: str = "",
    width: float = WIDTH,
) -> str:
    """Draws what a whole is made of, a bar for each row.

    With more than 20 rows, as for single users, the bars are thin and
    without names.

    Args:
        rows: name of a row -> what each of `names` has, shares or counts;
            they are drawn as parts of their sum.
        names: of the parts, in order.
        title: of the figure. Defaults to `""`.
        ylabel: what the rows are. Defaults to `""`.
        width: in inches. Defaults to 4.4.

    Returns:
        An SVG document, the same for the same input.
    """
    labels = [folded(label, 26) for label in rows]
    lines = sum(1 + label.count("\n") for label in labels)
    columns = min(len(names), 4) or 1
    many = len(rows) > _MANY_ROWS
    height = (
        0.8 + (0.09 if many else 0.3) * lines + 0.2 * -(-len(names) // columns)
    )
    with canvas(width, height) as figure:
        axis = figure.subplots()
        axis.set(title=title, xlim=(0, 100), ylabel=ylabel)
        axis.grid(visible=False)
        draw_without_axes(axis, "left")
        values = np.array([rows[label] for label in rows], float)
        values = values.reshape(len(rows), len(names))
        total = values.sum(axis=1, keepdims=True)
        shares = 100 * values / np.where(total > 0, total, 1)
        left = np.zeros(len(rows))
        for index, share in enumerate(shares.T):
            colour = COLOURS[index % len(COLOURS)]
            axis.barh(
                range(len(rows)),
                share,
                left=left,
                color=colour,
                edgecolor="white",
                linewidth=0.2 if many else 0.8,
                height=1.0 if many else 0.75,
                # Beyond the colours, a pattern.
                hatch="//" if index >= len(COLOURS) else None,
                label=names[index],
            )
            for row, part in enumerate(share):
                if part >= 9 and not many:
                    axis.text(
                        left[row] + part / 2,
                        row,
                        f"{part:.0f}%",
                        color=_readable_on(colour),
                        ha="center",
                        va="center",
                        fontsize=8.5,
                    )
            left = left + share
        axis.set_yticks(*([()] if many else [range(len(labels)), labels]))
        axis.set_ylim(max(len(labels), 1) - 0.4, -0.6)
        axis.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
        if names and rows:
            figure.legend(loc="outside upper left", ncols=columns)
        return as_svg(figure)


def draw_swatch(style: Style) -> str:
    """Draws the sign of a model for a legend, as SVG.

    Args:
        style: its look.
    """
    with canvas(0.36, 0.17, layout="none") as figure:
        figure.patch.set_visible(False)
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set_axis_off()
        axis.add_line(legend_line(style))
        axis.set(xlim=(0, 1), ylim=(0, 1))
        return as_svg(figure)


def _readable_on(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "black" if 2 * red + 5 * green + blue > 8 * 128 else "white"
