import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import model_names
from mgnm_tf.recipes.space import DEFAULT
from mgnm_tf.recipes.space import Range
from mgnm_tf.runs.config import configure
from mgnm_tf.training.search_space import is_inside
from mgnm_tf.training.search_space import is_whole
from mgnm_tf.training.search_space import space_for
from mgnm_tf.training.search_space import values_of

SEARCHED = ["learning_rate", "dropout", "temperature", "interest_bias"]


@pytest.mark.parametrize(
    ("recipe", "keys"),
    [
        ("mgnm", SEARCHED),
        ("mind", SEARCHED),
        ("sasrec", SEARCHED[:3]),
        # Its scores are inner products: no temperature.
        ("mgnm:paper", ["learning_rate", "dropout", "interest_bias"]),
        ("item_knn", ["last", "shrinkage"]),
        ("item_knn:whole_history", ["shrinkage"]),
    ],
)
def test_the_default_is_what_a_recipe_has(recipe, keys):
    space = space_for(configure(recipe))
    assert list(space) == keys
    assert all(space[key] == DEFAULT[key] for key in keys)


@pytest.mark.parametrize("model", model_names())
def test_every_model_that_trains_is_searched(model):
    config = configure(model)
    if model in ("popularity", "sknn", "vsknn"):
        with pytest.raises(UserError, match=f"has nothing for {model}"):
            space_for(config)
    elif model != "item_knn":
        assert "learning_rate" in space_for(config)


def test_the_values_are_those_of_the_recipe():
    values = values_of(configure("mgnm", learning_rate=0.02))
    assert values["learning_rate"] == 0.02
    assert values["learning_rate_schedule"] == "cosine"
    assert values["dropout"] == 0.25
    assert values["shared_negatives"] == 500
    # By the constructor.
    assert values["routing_iterations"] == 3
    assert not {"max_length", "monitor", "after", "num_users"} & set(values)


def test_what_is_inside():
    one = Range(low=0.0, high=0.5)
    assert is_inside(0.5, one) and is_inside(0, one)
    assert not is_inside(0.6, one)
    assert not is_inside(None, one)
    assert not is_inside(True, Range(low=0, high=1))
    assert is_inside("adam", ("sgd", "adam"))
    assert is_inside(True, (False, True))
    assert not is_inside(True, (0, 1))


@pytest.mark.parametrize(
    ("key", "low", "high", "whole"),
    [
        ("num_interests", 1, 8, True),
        ("shared_negatives", 32, 512, True),
        ("negatives", 1, 8, True),
        ("dropout", 0, 1, False),
        ("learning_rate", 1, 2, False),
        ("temperature", 1, 2, False),
        ("num_interests", 1.0, 8, False),
    ],
)
def test_whole_numbers_are_for_options_that_count(key, low, high, whole):
    assert is_whole(key, Range(low=low, high=high), "mgnm") is whole


@pytest.mark.parametrize(
    "key", ["epochs", "patience", "batch_size", "objective"]
)
def test_the_budget_is_not_searched(key):
    with pytest.raises(UserError, match=f"`{key}` cannot be .* same budget"):
        space_for(configure("mgnm"), {key: [5]})
