"""The command for somebody with nothing but a file."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from mgnm_tf.cli.app import command
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes
from mgnm_tf.cli.app import print_rows
from mgnm_tf.cli.app import values_of_the_user

_GUESSED = "guessed from the header and what stands below"


@command(resumable=True)
def start(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, TSV, Parquet or JSON Lines file of interactions."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("start"),
    minutes: Annotated[
        float, typer.Option(help="What all may take together, about.")
    ] = 15.0,
    user_column: Annotated[
        str | None,
        typer.Option(help="Column of the user.", show_default=_GUESSED),
    ] = None,
    item_column: Annotated[
        str | None,
        typer.Option(help="Column of the item.", show_default=_GUESSED),
    ] = None,
    time_column: Annotated[
        str | None,
        typer.Option(help="Column of the time.", show_default=_GUESSED),
    ] = None,
    split_column: Annotated[
        str | None,
        typer.Option(
            help="Column that says train, validation or test.",
            show_default=_GUESSED,
        ),
    ] = None,
    separator: Annotated[
        str | None,
        typer.Option(
            help="Between columns.", show_default="by the name of the file"
        ),
    ] = None,
    time_unit: Annotated[
        str,
        typer.Option(
            help="Unit of times that are numbers: s, ms, us, ns or auto."
        ),
    ] = "auto",
    quotes: Annotated[
        bool,
        typer.Option(
            "--quotes/--no-quotes",
            help="Whether a field may stand in quotation marks.",
        ),
    ] = True,
    split: Annotated[
        str | None,
        typer.Option(
            help="Split, as of `prepare`.",
            show_default="by the columns",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all runs.")] = 0,
) -> None:
    """Go from a file to a verdict: which model is worth it, on one page.

    Guesses the columns, looks at the health of the log, counts first, then
    trains what fits into the minutes. Given again, with other minutes if you
    like, the command continues.
    """
    began = time.monotonic()
    from mgnm_tf.data.reading.guess_columns import guess_columns
    from mgnm_tf.studies.start_state import STATE
    from mgnm_tf.studies.start_state import check_minutes

    check_minutes(minutes)
    columns = {
        "user": user_column,
        "item": item_column,
        "time": time_column,
        "split": split_column,
    }
    ask = _ask if sys.stdin.isatty() else None
    guess = None
    if not (out / STATE).is_file():
        # Before the seconds that it takes to load TensorFlow.
        guess = guess_columns(
            file, columns, separator=separator, quotes=quotes, ask=ask
        )
    load_tensorflow()
    from mgnm_tf.studies import start as starting

    with values_of_the_user():
        started = starting.start(
            file,
            out,
            minutes=minutes,
            seed=seed,
            columns=columns,
            separator=separator,
            time_unit=time_unit,
            quotes=quotes,
            split=split,
            ask=ask,
            guess=guess,
            console=notes,
            began=began,
        )
    _tell(started)


def _ask(role: str, choices: Sequence[str]) -> str:
    """Asks somebody at the terminal which column is meant."""
    if len(choices) == 1:
        typer.confirm(
            f"Is {choices[0]!r} the column of the {role}?", abort=True, err=True
        )
        return choices[0]
    names = ", ".join(choices)
    while True:
        name = typer.prompt(
            f"Which column is the {role}? ({names})",
            default=choices[0],
            show_default=True,
            err=True,
        )
        if name in choices:
            return name


def _tell(started: Any) -> None:
    """Prints what `start` found out."""
    console.print("The log:")
    for kind, text in started.findings:
        console.print(f"{'!' if kind == 'care' else '-'} {text}")
    name = started.metric.upper()
    headings = ("model", name, "95 % interval", "against", "epochs", "s")
    print_rows(
        headings,
        [
            (
                row["name"],
                f"{row['ndcg']:.4f}",
                f"{row['low']:.4f} to {row['high']:.4f}",
                row["gain"],
                row["epochs"],
                f"{row['seconds']:.0f}",
            )
            for row in started.rows
        ],
    )
    console.print(started.verdict.headline)
    for sentence in started.verdict.sentences:
        console.print(sentence)
    console.print("\nWhat comes next:")
    for why, line in started.commands:
        console.print(f"# {why}")
        console.print(line)
    console.print(f"\nThe page is {started.page}.")
