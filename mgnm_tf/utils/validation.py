"""Checks of arguments, each with a sentence that says what was expected."""

import difflib
from collections.abc import Iterable


def check_positive_int(value: int, name: str, minimum: int = 1) -> int:
    """Returns `value` if it is an integer of at least `minimum`.

    Raises:
        TypeError: it is not an integer (a `bool` is not one).
        ValueError: it is smaller than `minimum`.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(
            f"`{name}` must be an integer. Received: {name}={value!r}"
        )
    if value < minimum:
        raise ValueError(
            f"`{name}` must be at least {minimum}. Received: {name}={value}"
        )
    return int(value)


def check_negatives(value: int | str, name: str, minimum: int = 0):
    """Returns `value` if it is a number of negatives, or "all".

    Raises:
        ValueError: it is not.
    """
    if value == "all":
        return value
    if isinstance(value, str):
        raise ValueError(
            f"`{name}` must be a number or 'all'. Received: {name}={value!r}"
        )
    return check_positive_int(value, name, minimum)


def check_nothing_drawn(
    shared_negatives: int, sampling: str, logq_correction: bool
) -> None:
    """Refuses what draws negatives where all items are negatives.

    Args:
        shared_negatives: how many are to be drawn for a batch.
        sampling: how they are to be drawn.
        logq_correction: whether the loss is to correct for that.

    Raises:
        ValueError: one of them is not what it is without drawing.
    """
    for name, value, nothing in (
        ("shared_negatives", shared_negatives, 0),
        ("sampling", sampling, "uniform"),
        ("logq_correction", logq_correction, False),
    ):
        if value != nothing:
            raise ValueError(
                "`negatives='all'` draws nothing, so it needs "
                f"{name}={nothing!r}. Received: {name}={value!r}"
            )


def check_range(
    value: float, name: str, low: float = 0.0, high: float = float("inf")
) -> float:
    """Returns `value` if `low <= value <= high`.

    Raises:
        TypeError: it is not a number.
        ValueError: it is outside the range, or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"`{name}` must be a number. Received: {name}={value!r}"
        )
    if not low <= value <= high:
        raise ValueError(
            f"`{name}` must be between {low} and {high}. "
            f"Received: {name}={value}"
        )
    return float(value)


def check_choice(value, name: str, choices: Iterable):
    """Returns `value` if it is one of `choices`.

    Raises:
        ValueError: it is not; the message names the nearest choice.
    """
    choices = list(choices)
    if value not in choices:
        raise ValueError(unknown_name(name, value, choices))
    return value


def unknown_name(kind: str, name, known: Iterable) -> str:
    """Returns a sentence on an unknown name, with the nearest known one."""
    names = [str(choice) for choice in known]
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = f"Known: {', '.join(names)}." if names else "There is none."
    return f"Unknown {kind} {name!r}.{hint} {listed}"
