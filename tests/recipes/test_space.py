import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.recipes.space import DEFAULT
from mgnm_tf.recipes.space import Range
from mgnm_tf.recipes.space import make_space
from mgnm_tf.recipes.space import read_space


def test_a_file_gives_ranges_and_lists(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(
        "[space]\n"
        "learning_rate = {low = 0.001, high = 0.01, log = true}\n"
        "num_layers = {low = 0, high = 3}\n"
        'optimizer = ["adam", "sgd"]\n'
        "interest_bias = [false, true]\n"
    )
    space = read_space(path)
    assert space == {
        "learning_rate": Range(low=0.001, high=0.01, log=True),
        "num_layers": Range(low=0, high=3),
        "optimizer": ("adam", "sgd"),
        "interest_bias": (False, True),
    }
    assert type(space["num_layers"].low) is int
    assert type(space["interest_bias"][0]) is bool


def test_the_default_is_a_space_as_any_other():
    plain = {
        key: one.model_dump() if isinstance(one, Range) else list(one)
        for key, one in DEFAULT.items()
    }
    assert make_space(plain) == DEFAULT


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"low": 2.0, "high": 1.0}, "dropout: `low` must not be above `high`"),
        ({"low": 0.0, "high": 1.0, "log": True}, "`low` must be above 0 where"),
        ({"low": 0.0}, "Received: {'low': 0.0}"),
        ({"low": 0.0, "high": 1.0, "lgo": True}, "Unknown key 'lgo'"),
        (
            {"low": False, "high": 1.0},
            "`low` must be a number. Received: F",
        ),
        (
            {"low": 0.0, "high": float("inf")},
            "`high` must be a number. Received: inf",
        ),
        (0.5, "must be a table with `low` and `high`, or a list"),
        ([], "or a list of different"),
        ([1, 1], "or a list of different"),
        ([[1]], "or a list of different"),
    ],
)
def test_what_is_no_space_is_refused(value, message):
    with pytest.raises(UserError, match=message) as caught:
        make_space({"dropout": value}, "s.toml: ")
    assert str(caught.value).startswith("s.toml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dropout = [0.1]", "Unknown table 'dropout'"),
        ("[spaces]", "Did you mean 'space'"),
        ("", "it has no \\[space\\]"),
        ("[space]", "The search space is empty"),
        ("[space", "is no TOML"),
        (None, "The search space .*s.toml cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_space_is_refused(text, message, tmp_path):
    path = tmp_path / "s.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_space(path)
