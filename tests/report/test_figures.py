import re
import xml.etree.ElementTree as ElementTree

import pytest

from mgnm_tf.report.figures import Point
from mgnm_tf.report.figures import draw_axis
from mgnm_tf.report.figures import draw_curves
from mgnm_tf.report.figures import draw_intervals
from mgnm_tf.report.figures import draw_shares
from mgnm_tf.report.figures import draw_swatch
from mgnm_tf.report.figures import draw_tradeoff
from mgnm_tf.report.palette import Palette
from tests.report.test_tables import SUMMARY

SVG = "{http://www.w3.org/2000/svg}"
PANELS = {
    "validation NDCG@5": {"mgnm": [[0.1, 0.2], [0.1, 0.3]], "gru": [[0.2]]},
    "training loss": {"gru": [[1.0, 0.5]]},
}
POINTS = {
    "popularity": Point(0.2, 0.01),
    "item_knn": Point(0.3, 0.03, 0.001),
    "mgnm": Point(900.0, 0.05, 0.002),
    "slow": Point(4000.0, 0.02),
}
BLUE, RED = "#0072b2", "#d55e00"


def texts(svg):
    """Returns the words of a figure, in order."""
    root = ElementTree.fromstring(svg)
    return [text.text for text in root.iter(f"{SVG}text")]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: draw_curves(PANELS),
        lambda: draw_tradeoff(POINTS),
        lambda: draw_intervals(SUMMARY, "gauc", published={"mgnm": 0.7}),
        lambda: draw_axis([1, 2], {"mgnm": [[0.1, 0.2], [0.3]]}),
        lambda: draw_shares({"Toys": [1, 2]}, ["level 0", "level 1"]),
        lambda: draw_swatch(Palette(["mgnm"])["mgnm"]),
    ],
)
def test_the_same_input_gives_the_same_file(draw):
    assert draw() == draw()
    ElementTree.fromstring(draw())


@pytest.mark.parametrize(
    "draw",
    [
        lambda: draw_curves({"nothing": {}}),
        lambda: draw_tradeoff({}),
        lambda: draw_intervals({**SUMMARY, "models": {}}, "gauc"),
        lambda: draw_axis([], {}),
        lambda: draw_axis(["a"], {"mgnm": [[]]}),
        lambda: draw_shares({}, []),
        lambda: draw_shares({"nobody": [0, 0]}, ["level 0", "level 1"]),
    ],
)
def test_nothing_is_drawn_of_nothing(draw):
    ElementTree.fromstring(draw())


def test_every_run_is_a_line_of_the_colour_of_its_model():
    svg = draw_curves(PANELS)
    for text in ("validation NDCG@5", "training loss", "mgnm", "gru", "epoch"):
        assert text in texts(svg)
    lines = re.findall(r"stroke: (#[0-9a-f]{6}); stroke-width: 1.2", svg)
    assert sorted(lines) == sorted([BLUE] * 2 + [RED] * 2)


def test_a_model_has_the_same_look_in_every_figure():
    palette = Palette(["mgnm", "gru", "popularity"])
    (panel,) = [{"gru": [[1.0, 0.5]]}]
    assert RED in draw_curves({"loss": panel}, palette=palette)
    assert RED in draw_tradeoff({"gru": Point(1, 1)}, palette=palette)
    assert RED in draw_axis([1, 2], {"gru": [[1], [2]]}, palette=palette)
    for svg in (
        draw_curves({"loss": panel}),
        draw_tradeoff({"gru": Point(1, 1)}),
        draw_axis([1, 2], {"gru": [[1], [2]]}),
    ):
        assert BLUE in svg and RED not in svg


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
    left = [float(text.get("x")) for text in legend.iter(f"{SVG}text")]
    assert min(left) > max(edges)
    assert "legend_1" not in draw_curves(PANELS, legend=False)


def test_a_legend_of_long_names_leaves_room_for_the_panels():
    name = "mgnm:recommended+self_attention_for_capsules+without_graph"
    svg = draw_curves({"loss": {name: [[1.0, 0.5, 0.4]]}})
    root = ElementTree.fromstring(svg)
    (axes,) = [g for g in root.iter(f"{SVG}g") if g.get("id") == "axes_1"]
    assert max(places(axes)) - min(places(axes)) > 200


def test_the_tradeoff_names_points_and_times():
    words = texts(draw_tradeoff(POINTS, metric="NDCG@10"))
    assert set(words) >= {*POINTS, "NDCG@10", "training time", "1 s", "1 min"}


def front(points):
    """Returns the points of the line of the unbeaten, from the left."""
    svg = draw_tradeoff(points)
    (path,) = re.findall(r'<path d="([^"]*)"[^>]*stroke-dasharray', svg)
    return len(re.findall("[ML]", path))


def test_the_line_joins_those_that_no_other_beats():
    # All but the slow one, which others beat in both.
    assert front(POINTS) == 3
    assert front({**POINTS, "as fast": Point(0.2, 0.005)}) == 3
    assert front({**POINTS, "best": Point(0.1, 0.06)}) == 1


def test_equal_times_still_have_an_axis():
    points = {"a": Point(0.0123, 0.1), "b": Point(0.0123, 0.2)}
    words = texts(draw_tradeoff(points))
    assert any(word.endswith(" s") for word in words)


def test_an_interval_is_one_deviation_to_either_side():
    svg = draw_intervals(SUMMARY, "ndcg@5")
    words = texts(svg)
    names = ["popularity", "item_knn", "mgnm"]
    assert [word for word in words if word in names] == names
    assert "NDCG@5" in words
    bars = [
        [float(x) for x in re.findall(r"[ML] (\S+) ", path)]
        for path in re.findall(
            r'<path d="([^"]*)"[^>]*stroke-width: 4[;"]', svg
        )
    ]
    # 0.0123, 0.02 and 0.03 ± 0.004.
    (knn, *_), (low, high) = bars[1], bars[2]
    first = bars[0][0]
    unit = (knn - first) / (0.02 - 0.0123)
    assert high - low == pytest.approx(0.008 * unit, rel=1e-3)
    assert (high + low) / 2 - knn == pytest.approx(0.01 * unit, rel=1e-3)


def test_published_values_stand_beside_ours():
    plain = draw_intervals(SUMMARY, "ndcg@5")
    with_published = draw_intervals(
        SUMMARY, "ndcg@5", published={"mgnm": 0.035}
    )
    assert with_published.count("<use") == plain.count("<use") + 1


def test_numbers_are_drawn_to_scale_and_words_evenly():
    def ticks(values):
        svg = draw_axis(values, {"mgnm": [[0.1], [0.2], [0.3]]})
        found = re.findall(r'<g id="xtick_\d">.*?x="([\d.]+)"', svg, re.DOTALL)
        one, two, three = map(float, found[:3])
        return (three - two) / (two - one)

    assert ticks([1, 2, 4]) == pytest.approx(2, rel=1e-3)
    assert ticks(["1-2", "3-5", "6+"]) == pytest.approx(1, rel=1e-3)


def test_only_several_seeds_have_a_band():
    one = draw_axis([1, 2], {"mgnm": [[0.1], [0.2]]})
    two = draw_axis([1, 2], {"mgnm": [[0.1, 0.12], [0.2, 0.25]]})
    band = "FillBetweenPolyCollection"
    assert band not in one and band in two


def test_many_rows_are_thin_bars_without_names():
    names = ["level 0", "level 1"]
    rows = {f"user {number}": [1, number] for number in range(50)}
    svg = draw_shares(rows, names, title="Winning level", ylabel="50 users")
    words = texts(svg)
    assert {"Winning level", "50 users", *names} <= set(words)
    assert not any(word.startswith("user") for word in words)
    height = float(re.search(r'<svg [^>]*height="([\d.]+)pt"', svg)[1])
    assert height < 72 * 6


def test_counts_are_shown_as_shares():
    words = texts(draw_shares({"Toys": [30, 10]}, ["level 0", "level 1"]))
    assert {"Toys", "level 0", "level 1", "75%", "25%"} <= set(words)
