"""Which colour, marker and line a model has, the same on a whole page."""

from collections.abc import Iterable
from dataclasses import dataclass

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#333333",
)
"""The colours of Okabe and Ito ("Color Universal Design", 2008), which people
with any kind of colour vision tell apart; without their yellow, which is too
pale for a line on white."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
"""Matplotlib's markers; their number has no divisor in common with that of
the colours, so that 56 names have different pairs."""
LINES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Style:
    """How a model is drawn.

    Args:
        colour: as `#rrggbb`.
        marker: a marker of Matplotlib.
        line: a line style of Matplotlib.
    """

    colour: str
    marker: str
    line: str


class Palette:
    """Gives each name its own look, in the order of the names.

    Args:
        names: the names, of models mostly; one that stands twice counts once.

    Example:

    >>> from mgnm_tf.report.palette import Palette
    >>> Palette(["mgnm", "sasrec"])["sasrec"]
    Style(colour='#d55e00', marker='s', line='-')
    """

    def __init__(self, names: Iterable[str]):
        self.names = tuple(dict.fromkeys(names))
        self._styles = {
            name: Style(
                COLOURS[index % len(COLOURS)],
                MARKERS[index % len(MARKERS)],
                LINES[index // len(COLOURS) % len(LINES)],
            )
            for index, name in enumerate(self.names)
        }

    def __getitem__(self, name: str) -> Style:
        return self._styles[name]
