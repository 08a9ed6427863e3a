import re

from mgnm_tf.report.page import Facts
from mgnm_tf.report.page import Note
from mgnm_tf.report.page import Picture
from mgnm_tf.report.page import Pictures
from mgnm_tf.report.page import Problems
from mgnm_tf.report.page import Section
from mgnm_tf.report.page import Table
from mgnm_tf.report.page import render_page
from mgnm_tf.report.palette import Palette
from mgnm_tf.report.tables import Cell

HOSTILE = "<script>alert(1)</script>"


def test_every_block_is_shown_and_every_text_escaped():
    page = render_page(
        HOSTILE,
        [
            Section(
                HOSTILE,
                [
                    Note(HOSTILE),
                    Problems([HOSTILE]),
                    Facts({HOSTILE: HOSTILE}),
                    Table([HOSTILE], [[HOSTILE]], HOSTILE, HOSTILE),
                    Pictures(
                        [Picture("<svg/>", HOSTILE, "<svg/>")],
                        HOSTILE,
                        Palette([HOSTILE]),
                    ),
                ],
            )
        ],
        [Note(HOSTILE, small=False)],
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 16


def test_cells_carry_their_marks():
    page = render_page(
        "a",
        [Section("b", [Table(["m", "x"], [["mgnm", Cell("0.1", "best")]])])],
    )
    assert '<th scope="row">mgnm</th><td class="best">0.1</td>' in page


def test_sections_without_blocks_are_left_out():
    page = render_page("a", [Section("empty", []), Section("b", [Note("c")])])
    assert "empty" not in page and page.count("<section") == 1


def test_long_pages_have_links_to_their_sections():
    sections = [Section(f"part {i}", [Note("x")]) for i in range(3)]
    assert "<nav" not in render_page("a", sections[:2])
    page = render_page("a", sections)
    links = re.findall('href="#([^"]*)"', page)
    assert links == re.findall('<section id="([^"]*)"', page)
    assert len(links) == 3


def test_a_legend_names_those_that_are_drawn():
    palette = Palette(["mgnm", "gru", "popularity"])
    pictures = [Picture("<svg/>", "x")]
    some = Pictures(pictures, palette=palette, names=["gru"])
    assert [name for name, _ in some.legend] == ["gru"]
    assert len(Pictures(pictures, palette=palette).legend) == 3
    assert Pictures(pictures).legend == []
