import numpy as np
import pytest
from matplotlib.text import Annotation
from matplotlib.text import Text

from mgnm_tf.report.canvas import canvas
from mgnm_tf.report.canvas import folded
from mgnm_tf.report.labels import place_labels
from mgnm_tf.report.palette import Palette


def boxes(points, height):
    """Returns whether all found places, and the boxes of the labels."""
    with canvas(4.4, height) as figure:
        axis = figure.subplots()
        for x, y in points.values():
            axis.plot([x], [y], "o")
        axis.margins(0.1)
        axis.set_autoscale_on(False)
        complete = place_labels(figure, axis, points)
        notes = [one for one in axis.texts if isinstance(one, Annotation)]
        panel = axis.get_window_extent()
        return complete, [Text.get_window_extent(one) for one in notes], panel


@pytest.mark.parametrize("seed", range(3))
def test_no_label_hides_another(seed):
    random = np.random.default_rng(seed)
    points = {
        f"model_{i}:recipe": tuple(random.uniform(size=2)) for i in range(16)
    }
    complete, found, panel = boxes(points, 6.0)
    assert complete and len(found) == 16
    for index, box in enumerate(found):
        assert not box.count_overlaps(found[:index])
        assert panel.x0 <= box.x0 and box.x1 <= panel.x1


def test_equal_points_have_their_labels_apart():
    complete, (one, two), _ = boxes({"a": (1, 1), "b": (1, 1)}, 3.0)
    assert complete and not one.overlaps(two)


def test_what_finds_no_place_is_said_and_still_drawn():
    points = {f"{'long' * 12}_{i}": (1, 1) for i in range(40)}
    complete, found, _ = boxes(points, 1.5)
    assert not complete and len(found) == 40


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        ("mgnm", ["mgnm"]),
        ("mgnm:recommended", ["mgnm:recommended"]),
        ("timirec:timirec_paper", ["timirec:", "timirec_paper"]),
        ("mgnm:paper+without_graph", ["mgnm:paper", "+without_graph"]),
        (
            "mgnm+self_attention_for_capsules",
            ["mgnm+self_attention", "_for_capsules"],
        ),
        ("x" * 45, ["x" * 20, "x" * 20, "x" * 5]),
        ("", [""]),
    ],
)
def test_long_names_are_folded(label, lines):
    assert folded(label).split("\n") == lines


def test_many_models_look_different():
    names = [f"model {i}" for i in range(56)]
    palette = Palette(names)
    looks = {(palette[one].colour, palette[one].marker) for one in names}
    assert len(looks) == 56
