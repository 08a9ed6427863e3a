"""The data of a study: a world that it makes, and folders of before."""

import pytest

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.studies.study import StudyData
from mgnm_tf.studies.study_data import MADE_OF
from mgnm_tf.studies.study_data import data_folder
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json

WORLD = {"num_users": 60, "num_items": 480, "num_events": 1200, "seed": 0}


def made(out, world=WORLD, **options):
    spec = StudyData(world=world, options=options)
    return data_folder(spec, "worlds", out, None, lambda step: None)


def test_a_world_is_made_and_prepared(tmp_path):
    data = SequenceDataset.load(made(tmp_path / "data", split="temporal"))
    assert data.metadata["filtered"]["events"] == 1200
    assert data.metadata["name"] == "worlds"
    assert data.metadata["split"]["method"] == "temporal"


def test_another_world_does_not_take_the_folder_of_the_first(tmp_path):
    out = made(tmp_path / "data")
    assert made(tmp_path / "data") == out
    with pytest.raises(UserError, match="before the .data. of the study"):
        made(tmp_path / "data", {**WORLD, "seed": 1})


def test_a_folder_of_before_there_were_worlds_still_counts(tmp_path):
    out = made(tmp_path / "data")
    made_of = read_json(out / MADE_OF)
    made_of["data"].pop("source")
    write_json(out / MADE_OF, made_of)
    assert made(tmp_path / "data") == out


@pytest.mark.parametrize(
    ("world", "message"),
    [
        ({"num_users": 60}, "worlds: .* missing .*num_items"),
        ({**WORLD, "num_events": "many"}, "data.world. of the study worlds"),
        ({**WORLD, "num_items": 100}, "at least 480 for 4 interests"),
    ],
)
def test_a_wrong_world_is_one_sentence(tmp_path, world, message):
    with pytest.raises(UserError, match=message):
        made(tmp_path / "data", world)
    assert not (tmp_path / "data").exists()
