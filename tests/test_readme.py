"""README is short, and shows what it is about.

What it names and what it runs is tested with the pages of `docs/`, in
`tests/docs/`.
"""

import re
import xml.etree.ElementTree as ET

from tests.docs.pages import PAGES
from tests.docs.pages import ROOT
from tests.docs.pages import blocks

README = PAGES["README.md"]


def test_it_has_180_lines_at_most():
    assert len(README.splitlines()) <= 180


def test_the_front_door_is_five_statements_and_runs():
    door, keras_way = (
        block for block in blocks("README.md") if block.language == "python"
    )
    assert door.mark == keras_way.mark == "run"
    lines = [line for line in door.text.splitlines() if line]
    assert len(lines) <= 1 + 5
    assert "mgnm_tf.train(" in door.text
    explained = blocks("docs/getting-started.md")
    same = door.text.replace("runs/a", "runs/python")
    same = same.replace("exports/a", "exports/python")
    assert same in [block.text for block in explained]
    assert len(keras_way.text.splitlines()) <= 8
    assert ".compile(" in keras_way.text and ".fit(" in keras_way.text


def test_it_has_two_pictures_with_a_text_beside_each():
    pictures = dict(
        pair[::-1] for pair in re.findall(r"!\[([^\]]+)\]\((\S+)\)", README)
    )
    assert set(pictures) == {
        "docs/images/mgnm.svg",
        "docs/images/quality-time.svg",
    }


def test_the_pictures_are_legible_on_a_dark_page():
    """They bring a page of their own, which covers all of them."""
    for name in ("mgnm", "quality-time"):
        path = ROOT / "docs" / "images" / f"{name}.svg"
        root = ET.parse(path).getroot()
        first = next(
            element
            for element in root.iter()
            if element.tag.endswith(("}rect", "}path"))
            and "marker" not in str(element.attrib)
            and not _within(root, element, "}defs")
        )
        paint = f"{first.get('fill')} {first.get('style')}"
        assert "#ffffff" in paint, name


def _within(root, element, tag):
    return any(
        element in list(parent.iter())
        for parent in root.iter()
        if parent.tag.endswith(tag)
    )


def test_the_table_is_that_of_the_results():
    """The page of results takes it from here: there is one home for it."""
    table = README.split("<!-- --8<-- [start:toys] -->")[1]
    table = table.split("<!-- --8<-- [end:toys] -->")[0]
    assert "| `mgnm` |" in table and "| `item_knn` |" in table
    results = PAGES["docs/results.md"]
    assert '--8<-- "README.md:toys"' in results
    rivals = [row for row in table.splitlines() if "`sasrec`" in row]
    assert len(rivals) == 1 and rivals[0] not in results
