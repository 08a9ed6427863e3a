"""Options that say what the columns of a file of histories are called."""

import inspect
from typing import Annotated
from typing import Any

import typer

_OPTIONS: dict[str, tuple[Any, Any, Any]] = {
    "user_column": (str, "user_id", typer.Option(help="Column of the user.")),
    "item_column": (str, "item_id", typer.Option(help="Column of the item.")),
    "time_column": (
        str | None,
        None,
        typer.Option(
            help="Column of the time.",
            show_default="timestamp, if it is there",
        ),
    ),
    "separator": (
        str | None,
        None,
        typer.Option(
            help="Between columns.", show_default="by the name of the file"
        ),
    ),
    "time_unit": (
        str,
        "auto",
        typer.Option(
            help="Unit of times that are numbers: s, ms, us, ns or auto."
        ),
    ),
    "quotes": (
        bool,
        True,
        typer.Option(
            "--quotes/--no-quotes",
            help="Whether a field may stand in quotation marks.",
        ),
    ),
}
"""Option -> type, default, how it is shown."""


def history_parameters() -> list[inspect.Parameter]:
    """Returns the options as command parameters, see `command`."""
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[kind, option],
        )
        for name, (kind, default, option) in _OPTIONS.items()
    ]


def history_columns(given: dict[str, Any]) -> Any:
    """Returns the `HistoryColumns` that the options name.

    Args:
        given: what a command got for `history_parameters`.

    Raises:
        UserError: the unit of time is unknown.
    """
    from mgnm_tf.serving.requests.history_table import HistoryColumns

    return HistoryColumns(
        **{name.removesuffix("_column"): given[name] for name in _OPTIONS}
    )
