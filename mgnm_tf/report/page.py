"""A page of tables, figures and notes: one HTML file that needs nothing else.

It has no script and loads nothing. Reports of comparisons and of studies are
made of the blocks below.
"""

import base64
import re
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import ClassVar

import jinja2
from markupsafe import Markup

from mgnm_tf.report.figures import draw_swatch
from mgnm_tf.report.palette import Palette
from mgnm_tf.report.tables import Cell


@dataclass(frozen=True)
class Note:
    """A paragraph.

    Args:
        text: plain text.
        small: whether it is a remark. Defaults to `True`.
    """

    kind: ClassVar[str] = "note"
    text: str
    small: bool = True


@dataclass(frozen=True)
class Problems:
    """A list of what went wrong.

    Args:
        lines: plain text.
    """

    kind: ClassVar[str] = "problems"
    lines: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """Names and values, as of a configuration.

    Args:
        values: name -> a JSON value.
    """

    kind: ClassVar[str] = "facts"
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table, which scrolls in its own box where it is too wide.

    Args:
        headings: of the columns; the first column names the rows.
        rows: cells, or their texts.
        caption: what it shows. Defaults to `""`.
        footnote: what its signs mean. Defaults to `""`.
    """

    kind: ClassVar[str] = "table"
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    caption: str = ""
    footnote: str = ""

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows, of cells alone."""
        return [
            [cell if isinstance(cell, Cell) else Cell(cell) for cell in row]
            for row in self.rows
        ]


@dataclass(frozen=True)
class Picture:
    """A figure.

    Args:
        svg: an SVG document.
        text: what it shows, for those who do not see it.
        narrow: the same for a narrow screen. Defaults to `None`: `svg`.
    """

    svg: str
    text: str
    narrow: str | None = None

    @property
    def source(self) -> str:
        """The figure as an address that holds it."""
        return as_address(self.svg)

    @property
    def narrow_source(self) -> str | None:
        """The narrow figure as an address that holds it."""
        return None if self.narrow is None else as_address(self.narrow)


@dataclass(frozen=True)
class Pictures:
    """Figures side by side, below each other on a narrow screen.

    Args:
        pictures: the figures.
        caption: what they show. Defaults to `""`.
        palette: of the legend beside them. Defaults to `None`: no legend.
        names: the names in the legend. Defaults to `None`: all of the
            palette.
    """

    kind: ClassVar[str] = "pictures"
    pictures: Sequence[Picture]
    caption: str = ""
    palette: Palette | None = None
    names: Sequence[str] | None = None

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Name and sign of each model."""
        if self.palette is None:
            return []
        names = self.palette.names if self.names is None else self.names
        return [
            (name, as_address(draw_swatch(self.palette[name])))
            for name in names
        ]


Block = Note | Problems | Facts | Table | Pictures
"""What a section is made of."""


@dataclass(frozen=True)
class Section:
    """A part of a page with a title.

    Args:
        title: of the section.
        blocks: what it is made of.
    """

    title: str
    blocks: Sequence[Block]


def render_page(
    title: str, sections: Sequence[Section], lead: Sequence[Block] = ()
) -> str:
    """Returns the HTML of a page.

    Args:
        title: of the page.
        sections: its parts; one without blocks is left out.
        lead: what stands above the first section. Defaults to `()`.

    Example:

    >>> from mgnm_tf.report.page import Note, Section, render_page
    >>> page = render_page("Toys", [Section("Data", [Note("19,412 users")])])
    >>> "19,412 users" in page
    True
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mgnm_tf.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = in_words
    environment.filters["breakable"] = _breakable
    return environment.get_template("page.html").render(
        title=title,
        lead=lead,
        sections=[section for section in sections if section.blocks],
    )


def as_address(svg: str) -> str:
    """Returns an address that holds an SVG document.

    Args:
        svg: the document.
    """
    code = base64.b64encode(svg.encode("utf-8")).decode()
    return f"data:image/svg+xml;base64,{code}"


def _breakable(text: str) -> Markup:
    """Lets a name of a model break where people would break it."""
    parts = re.split(r"(?=[+_])|(?<=:)", text)
    return Markup("<wbr>").join(parts)


def in_words(value: Any) -> str:
    """Writes a JSON value as people would.

    Args:
        value: the value.

    Example:

    >>> from mgnm_tf.report.page import in_words
    >>> in_words({"min_user": 5, "seeds": [0, 1], "later_only": False})
    'min user 5, seeds 0; 1, later only no'
    """
    if isinstance(value, dict):
        return ", ".join(
            f"{key.replace('_', ' ')} {in_words(one)}"
            for key, one in value.items()
        )
    if isinstance(value, list):
        return "; ".join(map(in_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return "none" if value is None else str(value)
