"""Filters in an order of one's own, written as "name=number"."""

from collections.abc import Callable
from collections.abc import Sequence

from mgnm_tf.data.log import InteractionLog
from mgnm_tf.data.steps.filters import drop_repeats
from mgnm_tf.data.steps.filters import filter_core
from mgnm_tf.data.steps.filters import filter_support
from mgnm_tf.data.steps.filters import first_events
from mgnm_tf.data.steps.filters import top_items
from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import unknown_name

FILTERS: dict[str, tuple[int, Callable[..., InteractionLog]]] = {
    "user_support": (1, lambda log, least: filter_support(log, min_user=least)),
    "item_support": (1, lambda log, least: filter_support(log, min_item=least)),
    "core": (2, filter_core),
    "first_events": (1, first_events),
    "top_items": (1, top_items),
    "no_repeats": (0, drop_repeats),
}
"""Name -> how many numbers it takes, and what it does."""

_FORMS = ("{}", "{}=5", "{}=2:5")


def check_filters(filters: Sequence[str]) -> None:
    """Checks the form of filters, before any work.

    Raises:
        UserError: see `apply_filters`.
    """
    for text in filters:
        read_filter(text)


def apply_filters(
    log: InteractionLog, filters: Sequence[str]
) -> InteractionLog:
    """Applies filters in the given order.

    Args:
        log: the log.
        filters: each of one of these forms, with whole numbers from 1:

            - "user_support=2": users (sessions) with 2 events or more,
              "item_support=5": items with 5 events or more, each counted
              once;
            - "core=2:5": both, again until nothing changes, see
              `filter_core`;
            - "first_events=20": the first 20 events of each user (session);
            - "top_items=30000": the 30,000 items with the most events;
            - "no_repeats": without an item that comes again at once.

    Raises:
        UserError: a filter is not of one of these forms.
        DataError: no event is left.
    """
    for text in filters:
        name, numbers = read_filter(text)
        log = FILTERS[name][1](log, *numbers)
    return log


def read_filter(text: str) -> tuple[str, list[int]]:
    """Returns the name of a filter and its numbers."""
    name, equals, rest = str(text).partition("=")
    if name not in FILTERS:
        raise UserError(unknown_name("filter", name, FILTERS))
    count = FILTERS[name][0]
    numbers = rest.split(":") if equals else []
    whole = all(
        number.isascii() and number.isdigit() and int(number) > 0
        for number in numbers
    )
    if len(numbers) != count or not whole:
        form = _FORMS[count].format(name)
        number = ", with whole numbers from 1" if count else ""
        raise UserError(
            f"The filter {name!r} is written as {form}{number}. Received: "
            f"{text!r}"
        )
    return name, [int(number) for number in numbers]
