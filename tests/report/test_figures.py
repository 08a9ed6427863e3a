import re
import xml.etree.ElementTree as ElementTree

from mgnm_tf.report.figures import draw_curves

PANELS = {
    "validation NDCG@5": {"mgnm": [[0.1, 0.2], [0.1, 0.3]], "gru": [[0.2]]},
    "training loss": {"gru": [[1.0, 0.5]]},
}


def test_every_run_is_a_line_of_the_colour_of_its_model():
    svg = draw_curves(PANELS)
    ElementTree.fromstring(svg)
    for text in ("validation NDCG@5", "training loss", "mgnm", "gru", "epoch"):
        assert text in svg
    lines = re.findall(r"stroke: (#[0-9a-f]{6}); stroke-width: 1.2", svg)
    blue, orange = "#1f77b4", "#ff7f0e"
    # Each panel has an entry for a model in its legend, too.
    assert sorted(lines) == sorted([blue] * 3 + [orange] * 4)


def test_the_same_curves_give_the_same_file():
    assert draw_curves(PANELS) == draw_curves(PANELS)


def test_an_empty_panel_is_drawn():
    ElementTree.fromstring(draw_curves({"nothing": {}}))
