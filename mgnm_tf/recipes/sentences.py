"""The errors of pydantic as sentences of ours."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic import ValidationError

from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import unknown_name

_KINDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "dict": "a table",
    "tuple": "a list",
    "model": "a table",
}


def validated(kind: type[BaseModel], values: Any, where: str = "") -> Any:
    """Returns an object of values that come from a user.

    Args:
        kind: the class of the object.
        values: a dict of its fields.
        where: where the values stand, for the message.

    Raises:
        UserError: a value is refused; one sentence on the first one.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise UserError(where + _sentence(error.errors(), kind)) from error


def _sentence(errors: list[dict[str, Any]], kind: type[BaseModel]) -> str:
    """Returns a sentence on one of `ValidationError.errors()`.

    An unknown key comes first: it is mostly the slip that makes another key
    missing.
    """
    unknown = [one for one in errors if one["type"] == "extra_forbidden"]
    error = [*unknown, *errors][0]
    path, received = _path(error), error["input"]
    name = path[-1] if path else kind.__name__.lower()
    if path[-2:] == ["optimizer", "name"]:
        name = "optimizer"
    if error["type"] == "extra_forbidden":
        where = f"key of [{'.'.join(path[:-1])}]" if path[:-1] else "key"
        return unknown_name(where, name, _fields(kind, path[:-1]))
    if error["type"] == "missing":
        return f"`{'.'.join(path)}` is missing."
    if error["type"] == "literal_error":
        return unknown_name(name, received, _choices(error))
    if error["type"] == "value_error":
        text = str(error["ctx"]["error"])
        return f"`{name}` {text}" if text.startswith("must ") else text
    if error["type"] in _EXPECTED:
        expected = _EXPECTED[error["type"]](error["ctx"])
    else:
        first = error["type"].partition("_")[0]
        expected = f"must be {_KINDS.get(first, error['msg'])}"
        # A field of several types has an error for each of them.
        words = [
            word
            for other in errors
            if other["type"] == "literal_error" and _path(other) == path
            for word in _choices(other)
        ]
        expected = " or ".join([expected, *map(repr, words)])
    return f"`{name}` {expected}. Received: {name}={received!r}"


def _path(error: dict[str, Any]) -> list[str]:
    """Returns the fields that lead to an error, members of unions left out."""
    return [
        part
        for part in error["loc"]
        if isinstance(part, str) and part.isidentifier() and part not in _KINDS
    ]


_EXPECTED: dict[str, Callable[[dict], str]] = {
    "greater_than_equal": lambda context: f"must be at least {context['ge']}",
    "less_than_equal": lambda context: f"must be at most {context['le']}",
}


def _fields(kind: type[BaseModel], path: list[str]) -> list[str]:
    """Returns the fields of the object at a path."""
    for name in path:
        annotation = kind.model_fields[name].annotation
        if not isinstance(annotation, type):
            return []
        kind = annotation
    return list(kind.model_fields)


def _choices(error: dict[str, Any]) -> list[str]:
    """Returns the words of pydantic's "'a', 'b' or 'c'"."""
    words = error["ctx"]["expected"].replace(" or ", ",").split(",")
    return [word.strip("' ") for word in words]
