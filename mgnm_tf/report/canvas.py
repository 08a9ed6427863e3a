"""The paper that figures are drawn on: one size of text, one look."""

import io
import re
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mgnm_tf.report.palette import Style

WIDTH = 4.4
"""Inches of a figure that fits a phone with text of 11 pixels."""
GREY = "#5f6368"
PALE = "#e3e5e8"

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mgnm_tf",
    "font.family": "sans-serif",
    # The first is measured; where it is missing, the next are not wider.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": "#333333",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "#333333",
    "ytick.labelcolor": "#333333",
    "legend.frameon": False,
}
_LETTER = 0.085
"""Inches of a letter of a legend, about."""


@contextmanager
def canvas(
    width: float, height: float, layout: Any = "constrained"
) -> Iterator[Figure]:
    """Gives an empty figure; whatever draws on it must do so inside.

    Args:
        width: in inches.
        height: in inches.
        layout: of Matplotlib. Defaults to `"constrained"`.
    """
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout=layout)


def as_svg(figure: Figure) -> str:
    """Returns an SVG document, the same for the same figure.

    Args:
        figure: drawn inside `canvas`.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def legend_width(names: Sequence[str]) -> float:
    """Returns about how many inches a legend beside a panel takes.

    Args:
        names: what stands in it.
    """
    return 0.5 + _LETTER * max(map(len, names), default=0)


def draw_without_axes(axis: Axes, *sides: str) -> None:
    """Takes away lines of an axis, with their ticks but not their labels.

    Args:
        axis: the panel.
        *sides: "left" or "bottom".
    """
    for side in sides:
        axis.spines[side].set_visible(False)
        axis.tick_params(axis="y" if side == "left" else "x", length=0)


def folded(label: str, width: int = 20) -> str:
    """Breaks a long name of a model, at its `:`, `+` and `_` if it can be.

    Args:
        label: the name.
        width: the most letters of a line. Defaults to 20.

    Example:

    >>> from mgnm_tf.report.canvas import folded
    >>> folded("mgnm:recommended+self_attention")
    'mgnm:recommended\\n+self_attention'
    """
    lines = [""]
    for word in re.split(r"(?=\+)|(?<=[: ])", label):
        for part in re.split(r"(?=_)", word) if len(word) > width else [word]:
            if lines[-1] and len(lines[-1] + part.rstrip()) > width:
                lines.append("")
            lines[-1] += part
            while len(lines[-1].rstrip()) > width:
                lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return "\n".join(line.rstrip() for line in lines)


def marked(style: Style, size: float, edge: float = 0.6) -> dict[str, Any]:
    """Returns colour and marker of a model, for `Axes.plot`.

    Args:
        style: its look.
        size: of the marker, in points.
        edge: width of the dark line around it. Defaults to 0.6.
    """
    return {
        "color": style.colour,
        "marker": style.marker,
        "markersize": size * (1.4 if style.marker == "*" else 1),
        "markeredgecolor": "#222222" if edge else style.colour,
        "markeredgewidth": edge,
    }


def legend_line(style: Style) -> Line2D:
    """Returns the sign of a model: its line with a marker in the middle.

    Args:
        style: its look.
    """
    look: dict[str, Any] = {**marked(style, 6), "linestyle": style.line}
    return Line2D(
        [0.08, 0.5, 0.92],
        [0.5, 0.5, 0.5],
        linewidth=1.6,
        markevery=[1],
        **look,
    )
