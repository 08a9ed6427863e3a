import pandas as pd
import pytest

from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.serving import Recommender
from mgnm_tf.serving.bulk.recommend_partitions import recommend_partitions
from tests.export.worlds import export_sums
from tests.serving.folders import made_events

EVENTS = made_events(20)
SORTED = EVENTS.sort_values(["user_id", "timestamp"], kind="stable")
SORTED = SORTED.reset_index(drop=True)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return export_sums(tmp_path_factory.mktemp("export") / "served")


def cut(events, rows):
    return [events[n : n + rows] for n in range(0, len(events), rows)]


@pytest.mark.parametrize("rows", [1, 3, 7, 80])
def test_no_history_is_cut_wherever_frames_end(export, rows):
    frames = [SORTED[:0], *cut(SORTED, rows), SORTED[:0]]
    found = list(recommend_partitions(iter(frames), export, k=3))
    expected = Recommender.load(export).recommend(SORTED, k=3)
    pd.testing.assert_frame_equal(
        pd.concat(found, ignore_index=True), expected, check_dtype=False
    )
    assert found[0].dtypes.astype(str).to_dict() == {
        "user_id": "object",
        "rank": "int32",
        "item_id": "object",
        "score": "float32",
    }


def test_the_model_is_loaded_once_a_process(export, monkeypatch):
    loads, load = [], Recommender.load
    monkeypatch.setattr(
        Recommender, "load", lambda path: loads.append(path) or load(path)
    )
    other = export.parent / "other"
    export_sums(other)
    for _ in range(3):
        list(recommend_partitions([SORTED], other))
    assert loads == [other]


def test_nothing_is_loaded_for_nothing(tmp_path):
    assert not list(recommend_partitions([], tmp_path / "no"))
    assert not list(recommend_partitions([SORTED[:0]], tmp_path / "no"))


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        ([SORTED[:40], SORTED[:40]], "sorted by 'user_id'.*'u0' after '"),
        ([EVENTS], "must be sorted by 'user_id', so that no history is cut"),
        ([SORTED[["item_id"]]], "A partition has no column 'user_id'"),
        ([SORTED[["user_id"]]], "has no column 'item_id'"),
        ([SORTED.assign(user_id=None)], "holds ids of several kinds or none"),
    ],
)
def test_frames_that_cannot_be_used(export, frames, sentence):
    with pytest.raises(DataError, match=sentence):
        list(recommend_partitions(frames, export))


def test_arguments_that_cannot_be_used(export, tmp_path):
    with pytest.raises(UserError, match="`k` must be at least 1"):
        list(recommend_partitions([SORTED], export, k=0))
    with pytest.raises(UserError, match="There is no export folder"):
        list(recommend_partitions([SORTED], tmp_path / "no"))
