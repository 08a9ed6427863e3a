"""What the commands of `python -m benchmarks` share."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from typer.core import TyperGroup

from mgnm_tf.cli.app import notes
from mgnm_tf.errors import UserError


class RunByDefault(TyperGroup):
    """A group whose command is `run` where none is named."""

    def parse_args(self, context, arguments):
        if not arguments or arguments[0] not in {*self.commands, "--help"}:
            arguments = ["run", *arguments]
        return super().parse_args(context, arguments)


app = typer.Typer(
    cls=RunByDefault,
    help="Speed and memory of every part. Without a command: `run`.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@contextmanager
def sentences() -> Iterator[None]:
    """Ends in a sentence where the user gave something unusable."""
    try:
        yield
    except UserError as error:
        notes.print(f"benchmarks: {error}")
        raise typer.Exit(1) from error


def say(text: str) -> None:
    """Tells what is begun."""
    notes.print(f"{text} ...")
