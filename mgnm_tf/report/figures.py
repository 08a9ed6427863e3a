"""Training curves as SVG."""

import io
from collections.abc import Mapping
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

Curves = Mapping[str, Sequence[Sequence[float]]]
"""Name of a model -> for each seed, a value an epoch."""

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mgnm_tf",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_curves(panels: Mapping[str, Curves]) -> str:
    """Draws panels side by side, a line for each model and seed.

    Args:
        panels: title of a panel -> its curves.

    Returns:
        An SVG document, the same for the same input.
    """
    labels = list(
        dict.fromkeys(name for one in panels.values() for name in one)
    )
    colours = mpl.color_sequences["tab10"]
    with mpl.rc_context(_STYLE):
        height = max(3.0, 0.2 * (1 + len(labels)))  # A line of the legend.
        figure = Figure(
            figsize=(4.2 * len(panels), height), layout="constrained"
        )
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (title, curves) in zip(axes, panels.items(), strict=True):
            axis.set(title=title, xlabel="epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
            for name, seeds in curves.items():
                colour = colours[labels.index(name) % len(colours)]
                for values in seeds:
                    axis.plot(
                        range(1, len(values) + 1),
                        values,
                        color=colour,
                        marker="o",
                        markersize=2.5,
                        linewidth=1.2,
                    )
        if labels:
            # Beside the panels, so that it hides no curve.
            lines = [
                Line2D([], [], color=colours[index % len(colours)])
                for index in range(len(labels))
            ]
            figure.legend(
                lines, labels, loc="outside right upper", frameon=False
            )
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
