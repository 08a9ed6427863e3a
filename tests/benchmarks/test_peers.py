"""The comparison with RecBole, with a stand-in for RecBole."""

import json
import sys

import pandas as pd
import pytest

from benchmarks.peers import compare
from benchmarks.peers import recbole_peer
from benchmarks.peers.pairs import NAMES
from benchmarks.peers.pairs import SESSION_NAMES
from benchmarks.peers.pairs import make_pair
from benchmarks.peers.pairs import recbole_options
from mgnm_tf.data.log import read_log
from mgnm_tf.data.splits import split_log
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.models.registry import create_model
from mgnm_tf.runs.config import TrainConfig

STAND_IN = """
import json
import sys

print(json.dumps({"samples": {"train": 7}, "parameters": 5}), flush=True)
for line in sys.stdin:
    if line.strip() == "end":
        break
    print(json.dumps({"samples": 100, "seconds": 50.0}), flush=True)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Puts a small script in the place of `recbole_peer.py`."""
    (tmp_path / "recbole_peer.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.setattr(compare, "__file__", str(tmp_path / "compare.py"))
    return tmp_path


def open_stand_in(folder):
    pair = make_pair("gru4rec", 4, 5)
    options = recbole_options(str(folder), 16, 2, 5)
    return compare.open_peer(sys.executable, pair, options, str(folder))


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log with rare items, and two users with 3 events and 1."""
    path = tmp_path_factory.mktemp("log") / "log.csv"
    world = make_world(60, 480, num_events=600, seed=0)
    world = world[["user_id", "item_id", "timestamp"]].astype(str)
    item, time = world["item_id"].iloc[0], world["timestamp"].iloc[0]
    few = [["three", item, time]] * 3 + [["one", item, time]]
    few = pd.DataFrame(few, columns=world.columns)
    pd.concat([world, few]).to_csv(path, index=False)
    return path


def test_data_are_the_same_for_both(log, tmp_path):
    first = split_log(read_log(log), "leave_one_out")
    assert sum(first.metadata["cold_item_events"].values()) > 0
    data = compare.write_data(str(log), tmp_path)
    written = pd.read_csv(tmp_path / "log" / "log.inter", sep="\t", dtype=str)
    written.columns = [name.partition(":")[0] for name in written.columns]
    assert len(written) == len(data.items)
    assert {"one", "three"}.isdisjoint(written["user_id"])
    sizes = written.groupby("user_id").size()
    assert sizes.min() >= 4
    # RecBole makes a sample of every event but the first of a user, and
    # takes the last two of them for validation and test.
    assert len(data.positions("train")) == (sizes - 3).sum()
    assert len(data.positions("test")) == len(sizes)
    last = written.astype({"timestamp": float}).sort_values("timestamp")
    last = last.groupby("user_id")["item_id"].last()
    test = data.positions("test")
    for position in test:
        user = data.user_ids[data.sequences[position] - 1]
        assert last[user] == data.item_ids[data.items[position] - 1]


@pytest.mark.parametrize("name", NAMES + SESSION_NAMES)
def test_models_of_the_pairs_can_be_made(name):
    pair = make_pair(name, width=8, length=6)
    label = f"{pair.ours}:mgnm_paper"
    model = create_model(label, 10, 20, pair.options, max_length=6)
    assert model.embedding_dim == 8
    assert pair.ours == name


def test_batch_of_recbole_counts_a_row_for_each_negative():
    options = recbole_options("folder", batch=256, negatives=5, length=20)
    assert options["train_batch_size"] == 1280
    assert options["train_neg_sample_args"]["sample_num"] == 5
    assert options["loss_type"] == "BPR"


def test_softmax_over_the_catalogue_draws_no_negatives():
    options = recbole_options("folder", batch=256, negatives="all", length=20)
    assert options["train_batch_size"] == 256
    assert options["train_neg_sample_args"] is None
    assert options["loss_type"] == "CE"


def test_time_of_graphs_is_noted():
    class Model:
        def _get_slice(self, histories):
            return [*histories, "graph"]

    model = Model()
    seconds = recbole_peer._time_graphs(model)
    assert model._get_slice([1]) == [1, "graph"]
    assert len(seconds) == 1
    assert seconds[0] >= 0
    assert recbole_peer._time_graphs(object()) == []


def test_both_take_turns(log, stand_in):
    data = compare.write_data(str(log), stand_in)
    config = TrainConfig(
        model="gru4rec",
        options={"embedding_dim": 4},
        negatives=2,
        max_length=5,
    )
    with open_stand_in(stand_in) as peer:
        result = compare.compare(compare.Ours(data, config), peer, rounds=2)
    assert result["samples"]["ours"]["train"] == len(data.positions("train"))
    assert result["samples"]["theirs"] == {"train": 7}
    assert result["parameters"]["theirs"] == 5
    for task in compare.TASKS:
        assert result[task]["theirs"]["median"] == 2.0
        ours = result[task]["ours"]["median"]
        assert result[task]["ratio"]["most"] >= ours / 2.1
    row = {"ours": "gru4rec", "theirs": "GRU4Rec"}
    text = compare.markdown([{**row, "length": 5, "negatives": 2, **result}])
    assert text.splitlines()[2].startswith("| gru4rec | GRU4Rec | 5 | 2 |")


def test_training_alone_on_a_stretch(log, stand_in):
    data = compare.write_data(str(log), stand_in)
    config = TrainConfig(
        model="srgnn",
        options={"embedding_dim": 4},
        objective="softmax",
        batch_size=16,
        max_length=5,
    )
    ours = compare.Ours(data, config, ["train"], samples=64)
    epoch = compare.Ours(data, config, ["train"])
    execution = ours.model.steps_per_execution
    assert ours.steps == max(1, round(4 / execution)) * execution
    assert ours.trained == 16 * ours.steps < epoch.trained
    with open_stand_in(stand_in) as peer:
        result = compare.compare(ours, peer, rounds=1)
    assert not set(compare.EVALUATIONS) & set(result)
    row = {"ours": "srgnn", "theirs": "SRGNN", "length": 5}
    text = compare.markdown([{**row, "negatives": "all", **result}])
    assert "sampled" not in text
    assert text.splitlines()[2].startswith("| srgnn | SRGNN | 5 | all |")


def test_tests_that_are_not_asked_for_are_not_made(stand_in):
    pair = make_pair("narm", 4, 5)
    options = recbole_options(str(stand_in), 16, "all", 5)
    with compare.open_peer(
        sys.executable, pair, options, str(stand_in), ["train"]
    ):
        settings = json.loads((stand_in / "settings.json").read_text())
    assert settings["tests"] == {}
    assert settings["options"]["dropout_probs"] == [0.25, 0.5]


def test_a_peer_that_ends_is_told(stand_in):
    with open_stand_in(stand_in) as peer:
        assert peer.measure("train") == (100, 50.0)
        with pytest.raises(RuntimeError, match="RecBole ended"):
            peer.measure("end")
