"""The comparison with RecBole and ReChorus, with stand-ins for both."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.peers import compare
from benchmarks.peers import process
from benchmarks.peers import recbole_pairs
from benchmarks.peers import recbole_peer
from benchmarks.peers import rechorus_pairs
from benchmarks.peers.log import consistent_log
from benchmarks.peers.pairs import Case
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import create_model
from mgnm_tf.runs.config import TrainConfig

STAND_IN = """
import json
import sys

with open(sys.argv[1]) as file:
    count = json.load(file)["count"]
print(json.dumps({"samples": {"train": count}, "parameters": 5}), flush=True)
for line in sys.stdin:
    if line.strip() == "end":
        break
    print(json.dumps({"samples": 100, "seconds": 50.0}), flush=True)
"""


CASE = Case(width=8, length=6, batch=16, negatives=1)


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Puts a small script in the place of that of a library."""
    for library in compare.LIBRARIES.values():
        path = tmp_path / library.script
        path.write_text(STAND_IN, encoding="utf-8")
    monkeypatch.setattr(process, "__file__", str(tmp_path / "process.py"))
    return tmp_path


def open_stand_in(folder, count=7, library=recbole_pairs.RECBOLE):
    settings = {"count": count}
    return process.open_peer(sys.executable, library, settings, str(folder))


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
    data = consistent_log(str(log), tmp_path)
    recbole_pairs.write(data, tmp_path)
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


def test_rechorus_has_our_numbers_times_and_parts(log, tmp_path):
    data = consistent_log(str(log), tmp_path)
    rechorus_pairs.write(data, tmp_path)
    parts = [
        pd.read_csv(tmp_path / "log" / f"{name}.csv", sep="\t")
        for name in ("train", "dev", "test")
    ]
    everything = pd.concat(parts)
    assert list(everything) == ["user_id", "item_id", "time"]
    assert everything["item_id"].max() == data.num_items
    assert set(parts[0]["item_id"]) == set(range(1, 1 + data.num_items))
    for part, table in enumerate(parts):
        assert (table["item_id"] == data.items[data.parts == part]).all()
        assert (table["time"] == data.times[data.parts == part]).all()
    # ReChorus makes a sample of every training event with an earlier one.
    users = parts[0].groupby("user_id").size()
    assert len(data.positions("train")) == (users - 1).sum()
    assert len(parts[1]) == len(parts[2]) == len(users)
    order = everything.sort_values(["time", "user_id"], kind="mergesort")
    for number, row in order.groupby("user_id"):
        events = slice(data.offsets[number], data.offsets[number + 1])
        assert list(row["item_id"]) == list(data.items[events])


@pytest.mark.parametrize(
    "name", recbole_pairs.NAMES + recbole_pairs.SESSION_NAMES
)
def test_models_of_recbole_can_be_made(name):
    pair = recbole_pairs.make_pair(name, CASE)
    label = f"{pair.ours}:mgnm_paper"
    model = create_model(label, 10, 20, pair.options, max_length=6)
    assert model.embedding_dim == 8
    assert pair.ours == name


@pytest.mark.parametrize("name", rechorus_pairs.NAMES)
def test_models_of_rechorus_can_be_made(name):
    pair = rechorus_pairs.make_pair(name, CASE)
    config = compare.our_config(rechorus_pairs.RECHORUS, pair, CASE)
    assert config.objective == "bpr"
    assert (config.negatives, config.max_length) == (1, 6)
    assert config.optimizer.name == "adam"
    assert config.optimizer.l2 == 1e-6
    model = create_model(pair.ours, 10, 20, config.options, max_length=6)
    assert model.embedding_dim == pair.peer_options["emb_size"] == 8
    if "K" in pair.peer_options:
        assert model.num_interests == pair.peer_options["K"]
    for ours, theirs in (
        ("distillation_temperature", "temp"),
        ("num_layers", "n_layers"),
    ):
        if name in ("timirec", "timirec_plus"):
            assert model.get_config()[ours] == pair.peer_options[theirs]


def test_a_pair_that_is_none_is_refused():
    for library in compare.LIBRARIES.values():
        with pytest.raises(UserError, match="Unknown model 'timirex'"):
            library.make_pair("timirex", CASE)


def test_batch_of_recbole_counts_a_row_for_each_negative():
    options = recbole_pairs.options_of(
        "folder", batch=256, negatives=5, length=20
    )
    assert options["train_batch_size"] == 1280
    assert options["train_neg_sample_args"]["sample_num"] == 5
    assert options["loss_type"] == "BPR"


def test_softmax_over_the_catalogue_draws_no_negatives():
    options = recbole_pairs.options_of(
        "folder", 256, negatives="all", length=20
    )
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
    data = consistent_log(str(log), stand_in)
    config = TrainConfig(
        model="gru4rec",
        options={"embedding_dim": 4},
        negatives=2,
        max_length=5,
    )
    ours = compare.Ours(data, config)
    count = len(data.positions("train"))
    with open_stand_in(stand_in, count) as peer:
        result = compare.compare(ours, peer, rounds=2)
    assert result["samples"]["ours"]["train"] == count
    assert result["samples"]["theirs"] == {"train": count}
    assert result["parameters"]["theirs"] == 5
    for task in recbole_pairs.RECBOLE.tasks:
        assert result[task]["theirs"]["median"] == 2.0
        mine = result[task]["ours"]["median"]
        assert result[task]["ratio"]["most"] >= mine / 2.1
    seconds = result["train"]["epoch_seconds"]
    assert seconds["theirs"] == [count / 2, count / 2]
    fastest = pytest.approx(count / result["train"]["ours"]["most"], rel=1e-3)
    assert min(seconds["ours"]) == fastest
    row = {"ours": "gru4rec", "theirs": "GRU4Rec"}
    row |= {"length": 5, "negatives": 2, **result}
    text = compare.markdown([row], "RecBole").splitlines()
    assert text[2].startswith("| gru4rec | GRU4Rec | 5 | 2 |")
    assert f"| {count / 2:g} ({count / 2:g}, {count / 2:g}) |" in text[2]
    assert len({line.count("|") for line in text}) == 1


def test_other_samples_are_refused(stand_in):
    ours = SimpleNamespace(samples={"train": 7_000}, tasks=["train"])
    with open_stand_in(stand_in, count=7_001) as peer:
        with pytest.raises(UserError, match="RecBole makes 7,001 .* 7,000"):
            compare.compare(ours, peer, rounds=1)


def test_training_alone_on_a_stretch(log, stand_in):
    data = consistent_log(str(log), stand_in)
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
    with open_stand_in(stand_in, ours.samples["train"]) as peer:
        result = compare.compare(ours, peer, rounds=1)
    assert not set(compare.EVALUATIONS) & set(result)
    row = {"ours": "srgnn", "theirs": "SRGNN", "length": 5}
    text = compare.markdown([{**row, "negatives": "all", **result}], "RecBole")
    assert "sampled" not in text
    assert text.splitlines()[2].startswith("| srgnn | SRGNN | 5 | all |")


def test_tests_that_are_not_asked_for_are_not_made():
    case = replace(CASE, negatives="all", tasks=("train",))
    pair = recbole_pairs.make_pair("narm", case)
    settings = recbole_pairs.settings(pair, case, "folder", "")
    assert settings["tests"] == {}
    assert settings["options"]["dropout_probs"] == [0.25, 0.5]


def test_a_peer_that_ends_is_told(stand_in):
    with open_stand_in(stand_in) as peer:
        assert peer.measure("train") == (100, 50.0)
        with pytest.raises(RuntimeError, match="RecBole ended"):
            peer.measure("end")


CHECKOUT = {
    "torch.py": """
__version__ = "0"
chosen = []

def get_num_threads():
    return 2

def set_num_threads(count):
    chosen[:] = [count]
""",
    "utils/utils.py": "def init_seed(seed): pass",
    "helpers/SeqReader.py": """
class SeqReader:
    @staticmethod
    def parse_data_args(parser):
        parser.add_argument("--path")
        parser.add_argument("--dataset")
        return parser

    def __init__(self, arguments):
        with open(f"{arguments.path}/{arguments.dataset}/train.csv") as file:
            users = [line.split()[0] for line in file][1:]
        self.count = len(users) - len(set(users))
""",
    "helpers/BaseRunner.py": """
import time
import numpy as np
import torch

class BaseRunner:
    @staticmethod
    def parse_runner_args(parser):
        for name in ("batch_size", "num_neg", "history_max"):
            parser.add_argument(f"--{name}", type=np.int)
        for name in ("lr", "l2"):
            parser.add_argument(f"--{name}", type=np.float)
        return parser

    def __init__(self, arguments):
        self.batch_size = arguments.batch_size

    def fit(self, dataset):
        # One process and one thread are fastest.
        slow = self.num_workers != 1 or torch.chosen != [1]
        time.sleep(0.3 if slow else 0.01)
        users = dataset.data["user_id"]
        assert len(set(users)) == len(users)
        for begin in range(0, len(users), self.batch_size):
            dataset.model(users[begin : begin + self.batch_size])
""",
    "models/sequential/ComiRec.py": """
import numpy as np

class ComiRec:
    reader, runner = "SeqReader", "BaseRunner"

    @staticmethod
    def parse_model_args(parser):
        for name in ("emb_size", "attn_size", "K", "add_pos"):
            parser.add_argument(f"--{name}", type=int)
        return parser

    def __init__(self, arguments, corpus):
        self.size = arguments.emb_size

    def count_variables(self):
        return self.size

    def register_forward_hook(self, hook):
        self.hook = hook

    def __call__(self, batch):
        self.hook(self, (batch,), {"prediction": batch})

    class Dataset:
        def __init__(self, model, corpus, phase):
            assert phase == "train"
            self.model = model
            self.data = {"user_id": np.arange(corpus.count).astype(np.object)}

        def __len__(self):
            return len(self.data["user_id"])
""",
}
"""What a checkout of ReChorus offers to `rechorus_peer.py`."""


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like ReChorus."""
    for path, text in CHECKOUT.items():
        path = tmp_path / "code" / "src" / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "code"


def settings_of_rechorus(checkout, folder):
    pair = rechorus_pairs.make_pair("comirec_sa", CASE)
    return rechorus_pairs.settings(pair, CASE, str(folder), str(checkout))


@pytest.mark.parametrize("samples", [0, 20])
def test_rechorus_counts_and_finds_how_it_is_fastest(
    checkout, tmp_path, samples
):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "train.csv").write_text("user_id\n" + "1\n" * 51)
    settings = settings_of_rechorus(checkout, tmp_path)
    settings |= {"train_samples": samples, "trial_samples": 30}
    with process.open_peer(
        sys.executable, rechorus_pairs.RECHORUS, settings, str(tmp_path)
    ) as peer:
        assert peer.description["samples"] == {"train": 50}
        assert peer.description["parameters"] == 8
        assert peer.description["threads"] == {"train": 1}
        assert peer.description["workers"] == 1
        assert len(peer.description["trials"]) == 2 * len(
            rechorus_pairs.WORKERS
        )
        count, seconds = peer.measure("train")
    assert count == (samples or 50)
    assert 0.01 <= seconds < 0.3


def test_rechorus_gets_the_settings_of_the_paper(checkout):
    (checkout / "src/models/sequential/TiMiRec.py").write_text("")
    pair = rechorus_pairs.make_pair("timirec_extractor", CASE)
    settings = rechorus_pairs.settings(pair, CASE, "folder", str(checkout))
    assert settings["model"] == "TiMiRec"
    assert settings["train_samples"] == 0
    expected = {
        "dataset": "log",
        "batch_size": 16,
        "num_neg": 1,
        "history_max": 6,
        "emb_size": 8,
        "l2": 1e-6,
        "stage": "pretrain",
        "add_trm": 0,
    }
    assert expected.items() <= settings["options"].items()


def run(*options):
    arguments = ["log.csv", "--python", "python", *options]
    return CliRunner().invoke(compare.app, arguments)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--peer", "rechorus"], "give --peer-code"),
        (["--peer-code", "x"], "leave out --peer-code"),
        (["--peer", "other"], "Unknown peer 'other'"),
        (
            ["--peer", "rechorus", "--peer-code", "x", "--tasks", "sampled"],
            "Unknown task 'sampled'",
        ),
        (["--peer", "rechorus", "--peer-code", "x"], "x has no src/models"),
        (
            ["--peer", "rechorus", "--peer-code", "x", "--negatives", "all"],
            "give --negatives 1",
        ),
    ],
)
def test_options_that_cannot_be_used_are_a_sentence(options, sentence):
    result = run(*options)
    assert result.exit_code == 1
    assert sentence in " ".join(result.output.split())


def test_the_command_writes_what_it_prints(log, tmp_path, checkout):
    out = tmp_path / "out.json"
    result = CliRunner().invoke(
        compare.app,
        [str(log), "--python", sys.executable, "--peer", "rechorus"]
        + ["--peer-code", str(checkout), "--models", "comirec_sa"]
        + ["--negatives", "1", "--width", "4", "--lengths", "5"]
        + ["--rounds", "2", "--train-samples", "256", "--out", str(out)],
    )
    assert result.exit_code == 0, result.output
    [row] = json.loads(out.read_text())["results"]
    assert row["ours"] == "comirec_sa:timirec_paper"
    assert (row["width"], row["negatives"], row["batch"]) == (4, 1, 256)
    assert row["options"]["attn_size"] == 8
    assert len(row["train"]["epoch_seconds"]["ours"]) == 2
    assert row["peer"]["workers"] == 1
    assert "| ours | ReChorus |" in result.output


@pytest.mark.parametrize("library", ["recbole", "rechorus", "rectools"])
def test_no_module_here_hides_a_package_of_a_peer(library):
    """A peer's script finds its own folder before its environment."""
    peers = Path(process.__file__).parent
    text = (peers / f"requirements-{library}.txt").read_text(encoding="utf-8")
    packages = {library, *re.findall(r"^[a-z]\w*", text, re.MULTILINE)}
    assert "torch" in packages
    assert not packages & {path.stem for path in peers.glob("*.py")}
