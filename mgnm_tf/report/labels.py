"""Names beside points, none of which hides another or a point."""

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from mgnm_tf.report.canvas import GREY

_RINGS = (7, 13, 20, 28, 38, 50, 64, 80, 100, 125)
"""How far a label may stand from its point, in typographic points."""
_NEAR = 13
"""From further away a line leads to the point."""
_SIDES = (
    (1, 0),
    (-1, 0),
    (0, 1),
    (0, -1),
    (0.8, 0.6),
    (-0.8, 0.6),
    (0.8, -0.6),
    (-0.8, -0.6),
)
_SPACE = 2.0
"""Pixels that stay free around a label."""
_POINT = 5.0
"""Half the width of a point, in pixels."""


def place_labels(
    figure: Figure, axis: Axes, points: Mapping[str, tuple[float, float]]
) -> bool:
    """Writes the name of each point beside it.

    A label goes to the nearest free place around its point: inside the
    panel, over no other label and no point.

    Args:
        figure: the figure, whose limits and layout do not change any more.
        axis: the panel of the points.
        points: label -> x, y in the units of the data.

    Returns:
        Whether there was a free place for each. Where there was none, the
        label stands to the right of its point.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    inside = axis.get_window_extent()
    centres = {
        label: axis.transData.transform(point)
        for label, point in points.items()
    }
    taken = [_around(centre) for centre in centres.values()]
    complete = True
    for label in sorted(points, key=lambda one: (-points[one][1], one)):
        for note in _candidates(axis, label, points[label]):
            box = _box(note, renderer)
            if _is_inside(box, inside) and not box.count_overlaps(taken):
                break
            note.remove()
        else:
            complete = False
            note = next(_candidates(axis, label, points[label]))
            box = _box(note, renderer)
        taken.append(box)
    return complete


def _candidates(
    axis: Axes, label: str, point: tuple[float, float]
) -> Iterator[Annotation]:
    """Yields the label at one place after the other, the nearest first."""
    for distance in _RINGS:
        for right, up in _SIDES:
            yield axis.annotate(
                label,
                point,
                xytext=(distance * right, distance * up),
                textcoords="offset points",
                ha={1: "left", 0: "center", -1: "right"}[int(np.sign(right))],
                va={1: "bottom", 0: "center", -1: "top"}[int(np.sign(up))],
                fontsize=9,
                linespacing=1.0,
                in_layout=False,
                # What passes below does not cross it out.
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                arrowprops=None
                if distance <= _NEAR
                else {
                    "arrowstyle": "-",
                    "color": GREY,
                    "linewidth": 0.6,
                    "shrinkA": 0,
                    "shrinkB": 4,
                },
            )


def _box(note: Annotation, renderer: Any) -> Bbox:
    # Of the text alone: the line to the point may cross others.
    note.update_positions(renderer)
    box = Text.get_window_extent(note, renderer)
    return box.padded(_SPACE)


def _around(centre: np.ndarray) -> Bbox:
    return Bbox([centre - _POINT, centre + _POINT])


def _is_inside(box: Bbox, panel: Bbox) -> bool:
    return (
        panel.x0 <= box.x0
        and box.x1 <= panel.x1
        and panel.y0 <= box.y0
        and box.y1 <= panel.y1
    )
