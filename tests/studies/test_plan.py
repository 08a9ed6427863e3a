import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.studies.plan import check_models
from mgnm_tf.studies.plan import plan_runs
from tests.training.worlds import small_data


def test_runs_are_listed_seed_by_seed():
    runs = plan_runs(["popularity", "mgnm:released"], [3, 4], {"epochs": 2}, {})
    assert [run.folder for run in runs] == [
        "popularity/seed-3",
        "mgnm-released/seed-3",
        "popularity/seed-4",
        "mgnm-released/seed-4",
    ]
    config = runs[1].config
    assert (config.model, config.preset) == ("mgnm", "released")
    assert (config.seed, config.epochs) == (3, 2)


def test_options_of_a_model_are_told_from_those_of_its_training():
    options = {"gru4rec": {"embedding_dim": "8", "learning_rate": "0.01"}}
    first, second = plan_runs(["mgnm", "gru4rec"], [0], {}, options)
    assert second.config.options == {"embedding_dim": "8"}
    assert second.config.learning_rate == 0.01
    assert first.config.options == {}
    assert first.config.learning_rate == 1e-3


def test_an_objective_of_one_model_brings_its_negatives():
    options = {"mgnm": {"objective": "sampled_softmax"}}
    (run,) = plan_runs(["mgnm"], [0], {"negatives": None}, options)
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
        (["mgnm"], [0], {"mgnm": {"epochs": "x"}}, "'epochs' must be an int"),
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
        ("gru4rec:defalt", {}, "Did you mean 'default'"),
        ("gru4rec", {"embeding_dim": "8"}, "Did you mean 'embedding_dim'"),
        ("gru4rec", {"embedding_dim": "-1"}, "embedding_dim"),
    ],
)
def test_names_are_checked_before_anything_is_trained(label, options, message):
    runs = plan_runs([label], [0], {}, {label: options})
    with pytest.raises(UserError, match=message):
        check_models(runs, small_data())
