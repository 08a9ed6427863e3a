"""Quality beside RecTools, with a stand-in for it."""

import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.peers import quality
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.prepare import prepare
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.utils.files import read_json

# It ranks the true item of each test event at place 2.
STAND_IN = """
import json
import sys

import pandas as pd

with open(sys.argv[1]) as file:
    settings = json.load(file)
events = pd.read_csv(settings["events"])
tests = events[events["part"] == "test"].assign(rank=2)
tests[["user_id", "item_id", "rank"]].to_csv(settings["lists"], index=False)
answer = {"best_epoch": 3, "epochs": 5, "seconds_to_best": 90.0}
print(json.dumps({**answer, "parameters": 7}))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "data"
    world = make_world(60, 120, seed=0, num_events=1200, num_interests=1)
    prepare(world, folder)
    return folder


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    def put(text):
        (tmp_path / "rectools_peer.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(quality, "__file__", str(tmp_path / "quality.py"))

    return put


def test_both_stand_in_one_table(data, stand_in, tmp_path):
    stand_in(STAND_IN)
    out = tmp_path / "out.json"
    done = CliRunner().invoke(
        quality.app,
        [
            *(str(data), "--python", sys.executable),
            *("--models", "popularity", "--out", str(out)),
        ],
    )
    assert done.exit_code == 0, done.output
    rows = read_json(out)["results"]
    peer = rows["RecTools SASRec"]
    assert peer["hit@10"] == 1.0
    assert peer["ndcg@10"] == pytest.approx(1 / np.log2(3))
    assert 0 < rows["popularity"]["ndcg@10"] < 1
    assert "| RecTools SASRec | 0.6309 | 1.0000 | 3 of 5 | 1.5 | 7 |" in (
        done.output
    )


def test_an_error_of_the_peer_ends_in_a_sentence(data, stand_in):
    stand_in("raise ImportError('no rectools')")
    done = CliRunner().invoke(
        quality.app, [str(data), "--python", sys.executable]
    )
    assert done.exit_code == 1
    assert "RecTools ended with an error" in " ".join(done.output.split())


def test_another_split_is_refused(tmp_path):
    world = make_world(60, 120, seed=0, num_events=1200, num_interests=1)
    prepare(world, tmp_path / "data", split="temporal")
    done = CliRunner().invoke(
        quality.app, [str(tmp_path / "data"), "--python", sys.executable]
    )
    assert done.exit_code == 1
    assert "is split by temporal" in " ".join(done.output.split())


def test_the_last_events_of_a_day_keep_their_order(data):
    events = quality.events_of(quality.SequenceDataset.load(data))
    assert not events.duplicated(["user_id", "datetime"]).any()
    parts = events.sort_values("datetime")["part"].map(PARTS.index)
    users = events.sort_values("datetime")["user_id"]
    assert (parts.groupby(users).diff().dropna() >= 0).all()
    assert set(parts) == {0, 1, 2}


def test_a_list_counts_by_its_place(data):
    loaded = quality.SequenceDataset.load(data)
    tests = loaded.positions("test")
    lists = pd.DataFrame(
        {
            "user_id": loaded.sequences[tests],
            "item_id": loaded.items[tests],
            "rank": np.arange(len(tests)) + 1,
        }
    )
    metrics = quality.metrics_of(loaded, lists)
    assert metrics["hit@10"] == pytest.approx(10 / len(tests))
    gains = 1 / np.log2(np.arange(10) + 2)
    assert metrics["ndcg@10"] == pytest.approx(gains.sum() / len(tests))
