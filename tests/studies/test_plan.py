import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.recipes.recipe import About
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.studies.plan import check_models
from mgnm_tf.studies.plan import longest_history
from mgnm_tf.studies.plan import plan_runs
from mgnm_tf.studies.plan import protocol_of_runs
from tests.training.worlds import small_data

SETTINGS = {"epochs": 2, "max_length": 20}


def test_runs_are_listed_seed_by_seed():
    runs = plan_runs(["popularity", "mgnm:released"], [3, 4], SETTINGS, {})
    assert [run.folder for run in runs] == [
        "popularity/seed-3",
        "mgnm-released/seed-3",
        "popularity/seed-4",
        "mgnm-released/seed-4",
    ]
    config = runs[1].config
    assert (config.model, config.recipe) == ("mgnm", "mgnm:released")
    assert (config.seed, config.epochs) == (3, 2)


def test_options_of_a_model_are_told_from_those_of_its_training():
    options = {"gru4rec": {"embedding_dim": "8", "learning_rate": "0.01"}}
    first, second = plan_runs(["mgnm", "gru4rec"], [0], {}, options)
    assert second.config.options["embedding_dim"] == 8
    assert second.config.options["temperature"] == 0.1
    assert second.config.optimizer.learning_rate == 0.01
    assert second.config.optimizer.schedule == "cosine"
    assert first.config.options["embedding_dim"] == 64
    assert first.config.optimizer.learning_rate == 0.006


def test_settings_win_over_every_recipe_and_a_models_own_over_them():
    settings = {"epochs": 2, "learning_rate": 0.5}
    options = {"sasrec": {"epochs": "3"}}
    first, second = plan_runs(["mgnm", "sasrec"], [0], settings, options)
    assert (first.config.epochs, second.config.epochs) == (2, 3)
    assert second.config.optimizer.learning_rate == 0.5


def test_histories_of_different_lengths_must_rank_the_same_lists():
    runs = plan_runs(["mgnm", "mgnm:paper"], [0], {}, {})
    with pytest.raises(UserError, match="mgnm reads histories of 20 .*100"):
        longest_history(runs, "history")
    assert longest_history(runs, "user") == longest_history(runs, "none") == 100
    shared = Protocol(negatives="all", max_length=100)
    assert [run.protocol(shared).max_length for run in runs] == [20, 100]
    assert {run.protocol(shared).negatives for run in runs} == {"all"}
    runs = plan_runs(["mgnm", "mgnm:paper"], [0], {"max_length": 30}, {})
    assert [run.config.max_length for run in runs] == [30, 30]


@pytest.mark.parametrize(
    ("models", "asked", "task"),
    [
        (["mgnm", "sasrec"], {}, (1000, "history", (5,))),
        # As their papers do; counting has no say.
        (["popularity", "niser_plus", "dsan"], {}, ("all", "none", (20,))),
        (["vsknn"], {}, ("all", "none", (20,))),
        (["niser_plus"], {"negatives": 50}, (50, "none", (20,))),
        (["niser_plus"], {"k": [1, 3]}, ("all", "none", (1, 3))),
        (["niser_plus", "mgnm"], {}, (1000, "history", (5, 20))),
    ],
)
def test_runs_are_tested_as_their_recipes_ask(models, asked, task, caplog):
    with caplog.at_level("INFO", logger="mgnm_tf.studies.plan"):
        found = protocol_of_runs(plan_runs(models, [0], {}, {}), asked)
    assert (found.negatives, found.exclude, found.places) == task
    said = "validated in different ways" in caplog.text
    assert said == (models == ["niser_plus", "mgnm"])


def test_a_wrong_protocol_is_one_sentence():
    runs = plan_runs(["mgnm"], [0], {}, {})
    with pytest.raises(UserError, match="`negatives` must be at least 1"):
        protocol_of_runs(runs, {"negatives": 0})
    with pytest.raises(UserError, match="'negative'"):
        protocol_of_runs(runs, {"negative": 5})


def test_further_parts_go_to_their_models():
    further = {
        "thin": Recipe(
            about=About(model="mgnm", part=True), model={"embedding_dim": 4}
        )
    }
    (run,) = plan_runs(["mgnm+thin"], [0], {}, {}, further)
    assert run.config.options["embedding_dim"] == 4
    with pytest.raises(UserError, match="sasrec has no part 'thin'"):
        plan_runs(["sasrec+thin"], [0], {}, {}, further)


def test_an_objective_of_one_model_brings_its_negatives():
    options = {"mgnm:paper": {"objective": "sampled_softmax"}}
    (run,) = plan_runs(["mgnm:paper"], [0], {"negatives": None}, options)
    assert run.config.shared_negatives == 1000
    assert run.config.negatives == 0


@pytest.mark.parametrize(
    "models, seeds, options, message",
    [
        ([], [0], {}, "at least one model"),
        (["mgnm"], [], {}, "at least one seed"),
        (["mgnm", "mgnm"], [0], {}, "each model once"),
        (["mgnm"], [1, 1], {}, "each seed once.*1, 1"),
        (["mgnm"], [0], {"mgmn": {}}, "Did you mean 'mgnm'"),
        (["mgnm"], [0], {"mgnm": {"epochs": "x"}}, "`epochs` must be an int"),
        (["mgnm"], [0], {"mgnm": {"epochs": "0"}}, "`epochs` must be at least"),
    ],
)
def test_unusable_plans(models, seeds, options, message):
    with pytest.raises(UserError, match=message):
        plan_runs(models, seeds, {}, options)


@pytest.mark.parametrize(
    "label, options, message",
    [
        ("popularty", {}, "Did you mean 'popularity'"),
        ("gru4rec:mgnm_papr", {}, "Did you mean 'mgnm_paper'"),
        ("gru4rec", {"embeding_dim": "8"}, "Did you mean 'embedding_dim'"),
        ("gru4rec", {"embedding_dim": "-1"}, "embedding_dim"),
    ],
)
def test_names_are_checked_before_anything_is_trained(label, options, message):
    with pytest.raises(UserError, match=message):
        runs = plan_runs([label], [0], {}, {label: options})
        check_models(runs, small_data())
