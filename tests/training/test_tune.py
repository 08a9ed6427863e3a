import json
import logging
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import mgnm_tf
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import DivergedError
from mgnm_tf.errors import UserError
from mgnm_tf.recipes.toml import read_recipe
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.history import read_history
from mgnm_tf.training import fit
from mgnm_tf.training import trials as module
from mgnm_tf.training import tune as search
from mgnm_tf.training.search_journal import JOURNAL
from mgnm_tf.training.search_space import values_of
from mgnm_tf.training.tune import tune
from tests.training.searches import SPACE
from tests.training.searches import Killed
from tests.training.searches import count
from tests.training.searches import made_quickly
from tests.training.searches import table_of
from tests.training.worlds import small_data

optuna = pytest.importorskip(
    "optuna", reason="optuna is not installed: mgnm_tf[tune]"
)

SMALL = {
    "options": {"embedding_dim": 4},
    "epochs": 1,
    "steps_per_execution": 1,
    "batch_size": 128,
    "shared_negatives": 20,
    "validation_negatives": 50,
}
"""Of YouTubeDNN, whose graph is soon made."""


@pytest.fixture(scope="module")
def data():
    return small_data()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "train", made_quickly)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A search that nothing interrupted."""
    return count(data, tmp_path_factory.mktemp("tune") / "a")


def test_the_first_trial_is_the_recipe_and_the_others_are_of_the_space(whole):
    table = table_of(whole.folder)
    assert list(table["trial"]) == list(range(3))
    assert set(table["state"]) == {"finished"}
    assert list(table.loc[0, ["last", "shrinkage"]]) == [5, 0.0]
    assert set(table["last"]) <= set(SPACE["last"])
    assert len(set(table["shrinkage"])) == 3
    assert table["shrinkage"].between(0, 9).all()
    assert [one.value for one in whole.trials] == list(table["val_ndcg@5"])


def test_the_best_trial_is_written_as_a_recipe(whole, data, tmp_path):
    best = max(whole.trials, key=lambda one: one.value)
    assert whole.best == best
    recipe = read_recipe(whole.folder / "recipe.toml")
    assert recipe == whole.recipe
    values = values_of(configure(whole.folder / "recipe.toml"))
    assert best.params.items() <= values.items()
    assert best.params.keys() == SPACE.keys()
    assert recipe.training.max_length == 20
    about = recipe.about
    assert (about.model, about.tuned) == ("item_knn", True)
    for part in (
        "mgnm tune from item_knn",
        f"trial {best.number}, the best of 3 by val_ndcg@5 ({best.value:.4f})",
        "seed 0",
        f"validation part of small, fingerprint {data.fingerprint}",
    ):
        assert part in about.source
    config = configure(whole.folder / "recipe.toml")
    folder = module.trial_folder(whole.folder, best.number)
    assert config.difference(run_folder.read_run(folder)[0]) == ""


def test_weights_are_kept_of_the_best_trial_alone(whole):
    folders = sorted((whole.folder / "trials").iterdir())
    assert [folder.name for folder in folders] == [
        f"000{number}" for number in range(3)
    ]
    for number, folder in enumerate(folders):
        best = number == whole.best.number
        assert (folder / run_folder.MODEL).exists() is best
        assert (folder / run_folder.RANKS).exists() is best
        metrics = json.loads((folder / run_folder.METRICS).read_text())
        assert list(metrics) == ["validation", "protocol", "samples"]
        value = metrics["validation"]["ndcg@5"]
        assert value == whole.trials[number].value
        assert (folder / run_folder.RECIPE).exists()


def test_a_second_call_trains_nothing_and_more_trials_go_on(
    data, quick, tmp_path, monkeypatch
):
    out = tmp_path / "a"
    assert count(data, out, 2).best.number < 2
    first = table_of(out)
    with monkeypatch.context() as patch:
        patch.setattr(module, "train", None)
        count(data, out, 2)
        count(data, out, 1)
    assert table_of(out).equals(first)
    more = count(data, out)
    assert table_of(out)[:2].equals(first)
    assert [one.number for one in more.trials] == [0, 1, 2]


def test_a_search_killed_again_and_again_ends_like_a_whole_one(
    data, quick, tmp_path, monkeypatch
):
    whole = count(data, tmp_path / "whole", 7)
    out = tmp_path / "a"

    def die(*arguments, **named):
        raise Killed

    places = [
        (module, "train"),
        (module, "_value"),
        (search, "keep_the_best"),
        (search, "write_table"),
        (search, "write_recipe"),
    ]
    for trials, (place, name) in enumerate(places, start=2):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, die)
            with pytest.raises(Killed):
                count(data, out, trials)
        # What a killed Optuna leaves.
        with open(out / JOURNAL, "a") as file:
            file.write('{"op_code": 4, "half')
        os.symlink(out / JOURNAL, out / f"{JOURNAL}.lock")
    again = count(data, out, 7)
    assert table_of(out).equals(table_of(whole.folder))
    assert again.recipe == whole.recipe
    names = sorted(entry.name for entry in (out / "trials").iterdir())
    assert names == [f"000{number}" for number in range(7)]


def test_an_interrupted_trial_keeps_its_values(
    data, quick, tmp_path, monkeypatch
):
    """Even if another version of Optuna would draw other ones."""
    values = []

    def train(data, config, out, **named):
        values.append(config.options)
        raise Killed

    with monkeypatch.context() as patch:
        count(data, tmp_path / "a", 1)
        patch.setattr(module, "train", train)
        with pytest.raises(Killed):
            count(data, tmp_path / "a", 2)
    monkeypatch.setattr(
        optuna.samplers,
        "TPESampler",
        lambda seed=0, **named: optuna.samplers.RandomSampler(seed + 1),
    )
    found = count(data, tmp_path / "a", 2)
    assert found.trials[1].params == values[0]


@pytest.mark.large
def test_a_killed_process_leaves_a_search_that_goes_on(data, whole, tmp_path):
    script = (
        "import os, signal, sys\n"
        "from tests.training import test_tune as t\n"
        "def train(*arguments, **named):\n"
        "    if len(list(t.module.Path(sys.argv[1]).glob('trials/*'))) == 2:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return t.fit.train(*arguments, **named)\n"
        "t.module.train = train\n"
        "t.count(t.small_data(), sys.argv[1])\n"
    )
    out = tmp_path / "a"
    done = subprocess.run([sys.executable, "-c", script, out], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(table_of(out)) == 2
    count(data, out)
    assert table_of(out).equals(table_of(whole.folder))


def test_another_seed_searches_elsewhere(data, whole, quick, tmp_path):
    other = count(data, tmp_path / "a", 2, seed=1)
    assert other.trials[0].params == whole.trials[0].params
    assert other.trials[1].params != whole.trials[1].params


def gradient(data, out, trials=2, **changes):
    arguments = {**SMALL, **changes}
    return tune(data, "youtube_dnn", out, trials=trials, **arguments)


def test_the_test_part_changes_nothing(data, tmp_path, monkeypatch):
    """Neither read nor, with other events in it, of any influence."""
    world = make_world(60, 120, seed=0, num_events=1200, num_interests=1)
    last = world.groupby("user_id")["timestamp"].idxmax().to_numpy()
    # An item that training never saw leaves the data: it stays where it is.
    known = world["item_id"].isin(world.drop(index=last)["item_id"])
    last = last[known[last].to_numpy()]
    other = world.copy()
    shuffled = np.random.default_rng(1).permutation(last)
    other.loc[last, "item_id"] = world.loc[shuffled, "item_id"].to_numpy()
    logs = [
        read_log(table, category_column="category") for table in (world, other)
    ]
    here, there = (
        split_log(log, "leave_one_out", name="small") for log in logs
    )
    assert here.fingerprint == data.fingerprint != there.fingerprint
    read = []

    def positions(self, part):
        read.append(part)
        return original(self, part)

    original = SequenceDataset.positions
    monkeypatch.setattr(SequenceDataset, "positions", positions)
    found = [
        gradient(one, tmp_path / name)
        for one, name in ((here, "a"), (there, "b"))
    ]
    assert set(read) == {"train", "validation"}
    assert table_of(tmp_path / "a").equals(table_of(tmp_path / "b"))
    first, second = (one.recipe.model_dump(exclude={"about"}) for one in found)
    assert first == second
    assert set(found[0].trials[0].params) == {
        "learning_rate",
        "dropout",
        "temperature",
        "interest_bias",
    }
    assert first["training"]["optimizer"]["learning_rate"] == pytest.approx(
        found[0].best.params["learning_rate"]
    )


def test_a_stage_of_a_trial_is_not_tested_either(data, tmp_path, monkeypatch):
    stages = []

    def train(data, stage, out, *, protocol, **named):
        stages.append(protocol.part)
        raise Killed

    monkeypatch.setattr(fit, "train", train)
    with pytest.raises(Killed):
        gradient(data, tmp_path / "a", after="mgnm_paper")
    assert stages == ["validation"]


def test_a_trial_is_measured_as_training_is_validated(data, tmp_path):
    """Its value is that of the epochs, or of the evaluation if it counts."""
    found = count(
        data,
        tmp_path / "a",
        1,
        validation_negatives="all",
        validation_exclude="none",
        monitor="val_mrr@5",
    )
    folder = module.trial_folder(found.folder, 0)
    metrics = json.loads((folder / run_folder.METRICS).read_text())
    assert metrics["protocol"]["negatives"] == "all"
    assert metrics["protocol"]["exclude"] == "none"
    assert found.recipe.training.validation_exclude == "none"


def test_a_trial_behind_the_others_is_ended_early(data, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "START", 1)
    monkeypatch.setattr(search, "WARM_UP", 0)
    arguments = {
        "epochs": 4,
        "learning_rate": 0.05,
        # The recipe lies outside of it.
        "space": {"learning_rate": [1e-9]},
    }

    def die(*arguments, **named):
        raise Killed

    with monkeypatch.context() as patch:
        gradient(data, tmp_path / "a", 1, **arguments)
        patch.setattr(fit, "write_evaluation", die)
        with pytest.raises(Killed):
            gradient(data, tmp_path / "a", 2, **arguments)
    found = gradient(data, tmp_path / "a", 3, **arguments)
    states = [one.state for one in found.trials]
    assert states == ["finished", "pruned", "pruned"]
    assert [one.epochs for one in found.trials] == [4, 1, 1]
    assert found.trials[0].params == {}
    assert found.best.number == 0
    folder = module.trial_folder(tmp_path / "a", 2)
    assert (folder / run_folder.METRICS).exists()
    assert len(read_history(folder / run_folder.HISTORY)) == 1
    assert found.recipe.training.optimizer.learning_rate == 0.05


def test_a_diverged_trial_is_a_failed_one(
    data, quick, tmp_path, monkeypatch, caplog
):
    def train(*arguments, **named):
        raise DivergedError("The training diverged.")

    with monkeypatch.context() as patch:
        patch.setattr(module, "train", train)
        with pytest.raises(UserError, match="None of the 2 trials has a value"):
            count(data, tmp_path / "a", 2)
    with caplog.at_level(logging.INFO, logger="mgnm_tf"):
        found = count(data, tmp_path / "a", 3)
    assert [one.state for one in found.trials] == ["failed"] * 2 + ["finished"]
    assert found.trials[0].error == "The training diverged."
    assert found.best.number == 2
    assert "Trial 2 (3 of 3): val_ndcg@5" in caplog.text


def test_the_best_is_the_first_of_the_least_where_less_is_better():
    done = [
        module.Trial(number, state, value, {}, 1, 1.0, "")
        for number, (state, value) in enumerate(
            [
                ("finished", 2.0),
                ("pruned", 0.5),
                ("finished", 1.0),
                ("finished", 1.0),
                ("failed", float("nan")),
            ]
        )
    ]
    assert search._best(done, "min").number == 2
    assert search._best(done, "max").number == 0
    assert search._best(done[1:2], "max") is None


def test_a_disk_that_is_full_costs_no_trial(data, quick, tmp_path, monkeypatch):
    def train(*arguments, **named):
        raise UserError("No space left.")

    with monkeypatch.context() as patch:
        patch.setattr(module, "train", train)
        with pytest.raises(UserError, match="No space left"):
            count(data, tmp_path / "a", 2)
    assert count(data, tmp_path / "a", 1).trials[0].state == "finished"


def test_no_trial_begins_when_the_time_is_up(data, quick, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="mgnm_tf"):
        found = count(data, tmp_path / "a", timeout_minutes=1e-6)
    assert len(found.trials) == 1
    assert "The time is up" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trials": 0}, r"\(`--trials`\) must be at least 1. Received: 0"),
        ({"timeout_minutes": 0}, r"\(`--timeout-minutes`\) must be above 0"),
        ({"space": {"lats": [1]}}, "'lats'. Did you mean 'last'"),
        ({"space": {}}, "The search space is empty"),
        ({"space": {"monitor": ["val_gauc"]}}, "`monitor` cannot be searched"),
        ({"space": {"max_length": [5]}}, "`max_length` cannot be searched"),
        (
            {"space": {"validation_exclude": ["none"]}},
            "`validation_exclude` cannot be searched",
        ),
        ({"space": {"sampling": {"low": 1, "high": 2}}}, "is no number"),
        ({"space": {"shrinkage": {"low": 2, "high": 1}}}, "must not be above"),
        ({"space": {"last": [0]}}, "Model item_knn: .*last"),
        ({"space": {"shared_negatives": [-1]}}, "`shared_negatives` must be"),
        ({"space": "nowhere.toml"}, "nowhere.toml cannot be read"),
        ({"monitor": "val_loss"}, "item_knn has no val_loss"),
    ],
)
def test_unusable_requests(data, tmp_path, change, message):
    with pytest.raises(UserError, match=message) as caught:
        count(data, tmp_path / "a", **change)
    assert "\n" not in str(caught.value)


def test_a_model_of_which_nothing_is_searched(data, tmp_path):
    with pytest.raises(UserError, match=r"nothing for popularity.*--space"):
        tune(data, "popularity", tmp_path / "a", trials=1)


def test_whole_numbers_stay_whole(data, quick, tmp_path):
    space = {
        "num_neighbors": {"low": 5, "high": 9},
        "shrinkage": {"low": 0, "high": 9},
    }
    found = count(data, tmp_path / "a", 2, space=space)
    values = found.trials[1].params
    assert isinstance(values["num_neighbors"], int)
    assert values["shrinkage"] != round(values["shrinkage"])


def test_the_public_name():
    assert mgnm_tf.tune is tune
