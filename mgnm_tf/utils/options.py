"""Options of models: text read by the declared type."""

import types
import typing
from collections.abc import Mapping
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import unknown_name

_WORDS = {"true": True, "false": False}


def parse_options(
    options: Mapping[str, Any], declared: Mapping[str, Any], owner: str
) -> dict[str, Any]:
    """Checks the names of options and reads the values given as text.

    Args:
        options: name -> value; a value that is no string is kept as it is.
        declared: name -> declared type, such as `int` or `float | None`.
        owner: whose options they are, for the message.

    Returns:
        name -> value.

    Raises:
        UserError: a name is unknown, or a text does not fit its type.
    """
    for name in options:
        if name not in declared:
            raise UserError(unknown_name(f"option of {owner}", name, declared))
    return {
        name: parse_value(value, declared[name], name)
        if isinstance(value, str)
        else value
        for name, value in options.items()
    }


def parse_value(text: str, declared: Any, name: str) -> Any:
    """Reads a text as a value of the declared type.

    `none` is `None` where the type allows it; `true` and `false` are the
    two booleans.

    Args:
        text: the text, for example `0.01`.
        declared: `int`, `float`, `bool`, `str`, a `typing.Literal`, or a
            union of those and `None`. Text of any other type is kept.
        name: the name of the option, for the message.

    Raises:
        UserError: the text does not fit.
    """
    members = _members(declared)
    if type(None) in members and text.lower() == "none":
        return None
    for member in members:
        if member is bool and text.lower() in _WORDS:
            return _WORDS[text.lower()]
        if member in (int, float):
            try:
                return member(text)
            except ValueError:
                continue
        if typing.get_origin(member) is typing.Literal:
            for choice in typing.get_args(member):
                if text == str(choice):
                    return choice
    if any(_takes_text(member) for member in members):
        return text
    raise UserError(
        f"Option {name!r} must be {_describe(members)}. Received: {name}={text}"
    )


def _members(declared: Any) -> tuple:
    """Returns the types of a union, or the type alone."""
    if typing.get_origin(declared) in (typing.Union, types.UnionType):
        return typing.get_args(declared)
    return (declared,)


def _takes_text(member: Any) -> bool:
    """Whether a text can stand for a value of this type unchanged."""
    known = (int, float, bool, type(None))
    return member not in known and (
        typing.get_origin(member) is not typing.Literal
    )


def _describe(members: tuple) -> str:
    """Returns words for the types, for a message."""
    words = {int: "an integer", float: "a number", bool: "true or false"}
    words[type(None)] = "none"
    return " or ".join(
        words[member]
        if member in words
        else "one of " + ", ".join(map(str, typing.get_args(member)))
        for member in members
    )
