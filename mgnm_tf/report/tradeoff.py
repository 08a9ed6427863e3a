"""Quality against training time, as SVG."""

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes

from mgnm_tf.report.canvas import GREY
from mgnm_tf.report.canvas import WIDTH
from mgnm_tf.report.canvas import as_svg
from mgnm_tf.report.canvas import canvas
from mgnm_tf.report.canvas import folded
from mgnm_tf.report.canvas import marked
from mgnm_tf.report.labels import place_labels
from mgnm_tf.report.palette import Palette

_TIMES = {
    0.01: "0.01 s",
    0.1: "0.1 s",
    1: "1 s",
    10: "10 s",
    60: "1 min",
    600: "10 min",
    3600: "1 h",
    36_000: "10 h",
    360_000: "100 h",
}
_TRIES = 8
"""How often a figure is made higher, so that its labels find places."""


@dataclass(frozen=True)
class Point:
    """A model between what it costs and what it gives.

    Args:
        seconds: of training, above 0.
        quality: a metric, the mean over seeds.
        spread: its standard deviation over seeds. Defaults to 0.0.
    """

    seconds: float
    quality: float
    spread: float = 0.0


def draw_tradeoff(
    points: Mapping[str, Point],
    *,
    metric: str = "NDCG",
    palette: Palette | None = None,
    width: float = WIDTH,
) -> str:
    """Draws quality against training time, a named point for each model.

    Time has a logarithmic axis. A grey line joins the models that no other
    beats in both.

    Args:
        points: label of a model -> its point.
        metric: what the quality is. Defaults to `"NDCG"`.
        palette: the looks of the models. Defaults to `None`: in the order
            of `points`.
        width: in inches. Defaults to 4.4.

    Returns:
        An SVG document, the same for the same input.
    """
    palette = palette or Palette(points)
    height = max(3.2, 1.6 + 0.2 * len(points))
    for _ in range(_TRIES):
        with canvas(width, height) as figure:
            axis = figure.subplots()
            axis.set(xlabel="training time", title=metric)
            _draw_points(axis, points, palette)
            places = {
                folded(label): (point.seconds, point.quality)
                for label, point in points.items()
            }
            complete = place_labels(figure, axis, places)
            svg = as_svg(figure)
        if complete:
            break
        height *= 1.2
    return svg


def _draw_points(
    axis: Axes, points: Mapping[str, Point], palette: Palette
) -> None:
    """Draws the points and the line of the unbeaten; sets the limits."""
    front: list[str] = []
    costs = {
        label: (point.seconds, -point.quality)
        for label, point in points.items()
    }
    for label in sorted(points, key=costs.__getitem__):
        if not front or points[label].quality > points[front[-1]].quality:
            front.append(label)
    axis.plot(
        [points[label].seconds for label in front],
        [points[label].quality for label in front],
        color=GREY,
        linewidth=0.9,
        linestyle=(0, (4, 3)),
        zorder=1,
    )
    for label, point in points.items():
        axis.errorbar(
            [point.seconds],
            [point.quality],
            yerr=point.spread or None,
            elinewidth=1.2,
            linestyle="none",
            **marked(palette[label], 7),
        )
    axis.set_xscale("log")
    times = [point.seconds for point in points.values()] or [1.0]
    low, high = min(times) / 1.6, max(times) * 1.6
    axis.set_xlim(low, max(high, 4 * low))
    low, high = axis.get_xlim()
    ticks = [time for time in _TIMES if low <= time <= high]
    if len(ticks) < 2:
        ticks = sorted({*ticks, *(float(f"{one:.1g}") for one in times)})
    axis.set_xticks(ticks, [_TIMES.get(tick, f"{tick:g} s") for tick in ticks])
    axis.set_xticks([], minor=True)
    axis.margins(y=0.16)
    axis.set_autoscale_on(False)
