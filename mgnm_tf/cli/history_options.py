"""Options that say what the columns of a file of histories are called."""

from typing import Annotated

import typer

UserColumn = Annotated[str, typer.Option(help="Column of the user.")]
ItemColumn = Annotated[str, typer.Option(help="Column of the item.")]
TimeColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of the time.", show_default="timestamp, if it is there"
    ),
]
Separator = Annotated[
    str | None,
    typer.Option(
        help="Between columns.", show_default="by the name of the file"
    ),
]
TimeUnit = Annotated[
    str,
    typer.Option(help="Unit of times that are numbers: s, ms, us, ns or auto."),
]
Quotes = Annotated[
    bool,
    typer.Option(
        "--quotes/--no-quotes",
        help="Whether a field may stand in quotation marks.",
    ),
]
