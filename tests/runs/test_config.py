import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.recipes.toml import format_recipe
from mgnm_tf.recipes.toml import read_recipe
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure


def test_round_trip():
    config = configure("mgnm", options={"embedding_dim": "8"}, epochs=3, k=7)
    assert TrainConfig.from_dict(config.to_dict()) == config
    assert config.options["embedding_dim"] == 8
    assert config.k == (7,)


def test_a_run_gives_back_its_recipe(tmp_path):
    config = configure("mgnm:paper+long_history", epochs=3, learning_rate=0.5)
    path = tmp_path / "recipe.toml"
    path.write_text(format_recipe(config.to_recipe()))
    again = configure(path)
    assert config.difference(again) == ""
    assert configure(read_recipe(path)).difference(config) == ""


def test_unknown_key_names_the_nearest():
    with pytest.raises(UserError, match="'epoch'.*Did you mean 'epochs'"):
        TrainConfig.from_dict({"model": "mgnm", "epoch": 3})


@pytest.mark.parametrize(
    "objective, negatives, shared",
    [
        ("bce", 5, 0),
        ("bpr", 5, 0),
        ("sampled_softmax", 0, 1000),
        ("gbce", 0, 1000),
        ("softmax", "all", 0),
    ],
)
def test_negatives_follow_the_objective(objective, negatives, shared):
    config = TrainConfig(model="mgnm", objective=objective)
    assert (config.negatives, config.shared_negatives) == (negatives, shared)
    # Over a recipe, too, whose draws belong to its own objective.
    config = configure("sasrec:mgnm_paper", objective=objective)
    assert (config.negatives, config.shared_negatives) == (negatives, shared)


def test_given_negatives_win():
    config = TrainConfig(
        model="m", objective="sampled_softmax", shared_negatives=9
    )
    assert config.shared_negatives == 9
    config = configure("mgnm:paper", objective="gbce", shared_negatives=9)
    assert (config.negatives, config.shared_negatives) == (0, 9)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"objective": "soft"}, "Unknown objective 'soft'.*softmax"),
        ({"objective": "paper"}, "objective 'paper' is called 'bce' now"),
        ({"correct_sampling": True}, "is called `logq_correction` now"),
        ({"sampling": "unifrm"}, "sampling 'unifrm'. Did you mean 'uniform'"),
        ({"monitor": "val_ndgc@10"}, "Did you mean 'val_ndcg@5'"),
        ({"monitor": "val_ndcg@0"}, "Unknown monitor"),
        ({"epochs": 0}, "`epochs` must be at least 1. Received: epochs=0"),
        ({"epochs": True}, "`epochs` must be a number. Received: True"),
        ({"validation_negatives": 0}, "`validation_negatives` must be at le"),
        ({"validation_negatives": "x"}, "must be an integer or 'all'"),
        (
            {"training_exclude": "x"},
            "exclude 'x'. Known: history, user, none",
        ),
        (
            {"validation_exclude": "x"},
            "exclude 'x'. Known: history, user, none",
        ),
        ({"negatives": "all", "sampling": "popularity"}, "draws nothing"),
        ({"batch_size": 2.5}, "`batch_size` must be an integer"),
        ({"seed": -1}, "`seed` must be at least 0"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be at least"),
        ({"learning_rate": 2e3}, "`learning_rate` must be at most 1000.0"),
        ({"optimizer": "adm"}, "Unknown optimizer 'adm'. Did you mean 'adam'"),
        ({"steps_per_execution": 0}, "`steps_per_execution` must be"),
        ({"negatives": 0}, "both 0"),
        ({"negatives": "some"}, "`negatives` must be an integer or 'all'"),
        ({"negatives": "all", "shared_negatives": 3}, "draws nothing"),
        ({"objective": "softmax", "negatives": 3}, "over the whole catalogue"),
        ({"k": 0}, "`k` must be at least 1"),
        ({"k": (5, 0)}, "`k` must be at least 1"),
        ({"lerning_rate": 1.0}, "Did you mean 'learning_rate'"),
    ],
)
def test_bad_values_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        configure("mgnm:paper", **change)


@pytest.mark.parametrize("objective", ["bce", "gbce", "sampled_softmax"])
def test_every_objective_can_have_all_items(objective):
    config = TrainConfig(model="m", objective=objective, negatives="all")
    assert config.shared_negatives == 0
    over = configure("sasrec", objective=objective, negatives="all")
    assert (over.negatives, over.shared_negatives) == ("all", 0)
    assert TrainConfig.from_dict(config.to_dict()) == config


def test_mode_tells_what_is_better():
    assert TrainConfig(model="m", monitor="val_loss").mode == "min"
    assert TrainConfig(model="m", monitor="val_hit@20").mode == "max"
    assert TrainConfig(model="m").mode == "max"


def test_difference_names_what_differs():
    config = TrainConfig(model="m", epochs=3)
    assert config.difference(TrainConfig(model="m", epochs=3)) == ""
    assert config.difference(TrainConfig(model="m")) == "epochs is 3, was 20"


def test_two_names_of_one_recipe_are_the_same_run():
    assert configure("mgnm").difference(configure("mgnm:recommended")) == ""


def test_a_configuration_of_the_version_before_is_read():
    before = {
        "model": "mgnm",
        "preset": "recommended",
        "options": {"dropout": "0.1"},
        "objective": "paper",
        "negatives": 5,
        "shared_negatives": 0,
        "sampling": "uniform",
        "correct_sampling": True,
        "batch_size": 64,
        "max_length": 30,
        "learning_rate": 0.5,
        "learning_rate_schedule": "cosine",
        "epochs": 3,
        "patience": 1,
        "monitor": "val_hit@5",
        "validation_negatives": 50,
        "seed": 4,
        "steps_per_execution": None,
        "mixed_precision": False,
        "jit_compile": False,
    }
    config = TrainConfig.from_dict(before)
    assert (config.objective, config.logq_correction) == ("bce", True)
    assert config.optimizer.learning_rate == 0.5
    assert config.optimizer.schedule == "cosine"
    assert (config.max_length, config.seed) == (30, 4)
    assert config.recipe == "mgnm:recommended"
    assert config.validation_exclude == "history"


@pytest.mark.parametrize(
    ("recipe", "settings", "k"),
    [
        ("niser_plus", {}, (20,)),
        ("mgnm", {}, (5,)),
        ("mgnm", {"monitor": "val_hit@50"}, (50,)),
        ("mgnm", {"monitor": "val_gauc"}, (5,)),
        ("niser_plus", {"k": (1, 3)}, (1, 3)),
    ],
)
def test_places_are_those_of_the_monitor(recipe, settings, k):
    assert configure(recipe, **settings).k == k
