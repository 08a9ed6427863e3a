"""Text options, read by the declared type."""

from typing import Literal
from typing import Optional

import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.utils.options import parse_options
from mgnm_tf.utils.options import parse_value


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("3", int, 3),
        ("-3", int, -3),
        ("3", float, 3.0),
        ("1e-3", float, 0.001),
        ("True", bool, True),
        ("false", bool, False),
        ("none", int | None, None),
        ("none", str, "none"),
        ("3", Optional[int], 3),  # noqa: UP045
        ("relu", str | None, "relu"),
        ("2", Literal[1, 2], 2),
        ("max", Literal["max", "mean"] | None, "max"),
        ("0.5", int | float, 0.5),
    ],
)
def test_values(text, declared, expected):
    value = parse_value(text, declared, "x")
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "declared", "words"),
    [
        ("a", int, "must be an integer. Received: x=a"),
        ("1.5", int, "must be an integer."),
        ("none", int, "must be an integer."),
        ("1", bool, "must be true or false."),
        ("a", float | None, "must be a number or none."),
        ("a", Literal["b", "c"], "must be one of b, c."),
    ],
)
def test_a_text_that_does_not_fit(text, declared, words):
    with pytest.raises(UserError) as caught:
        parse_value(text, declared, "x")
    assert words in str(caught.value)


def test_options_keep_values_that_are_no_text():
    declared = {"dim": int, "rate": float}
    options = {"dim": 4, "rate": "0.5"}
    assert parse_options(options, declared, "it") == {"dim": 4, "rate": 0.5}


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(UserError, match="of it 'dmi'. Did you mean 'dim'?"):
        parse_options({"dmi": 4}, {"dim": int}, "it")
