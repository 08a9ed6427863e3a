import re
import xml.etree.ElementTree as ElementTree

from mgnm_tf.report.figures import draw_curves

SVG = "{http://www.w3.org/2000/svg}"
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
    assert sorted(lines) == sorted([blue] * 2 + [orange] * 2)


def test_the_same_curves_give_the_same_file():
    assert draw_curves(PANELS) == draw_curves(PANELS)


def test_an_empty_panel_is_drawn():
    ElementTree.fromstring(draw_curves({"nothing": {}}))


def places(group):
    """Returns the horizontal places of all lines in a group."""
    return [
        float(number)
        for path in group.iter(f"{SVG}path")
        for number in re.findall(r"[ML] (\S+) \S+", path.get("d"))
    ]


def test_the_legend_stands_beside_the_panels():
    svg = draw_curves(PANELS)
    root = ElementTree.fromstring(svg)
    groups = {group.get("id"): group for group in root.iter(f"{SVG}g")}
    assert [name for name in groups if (name or "").startswith("legend")] == [
        "legend_1"
    ]
    edges = [*places(groups["axes_1"]), *places(groups["axes_2"])]
    legend = groups["legend_1"]
    # One entry for each model of any panel, to the right of every curve.
    names = [text.text for text in legend.iter(f"{SVG}text")]
    assert names == ["mgnm", "gru"]
    assert min(places(legend)) > max(edges)
