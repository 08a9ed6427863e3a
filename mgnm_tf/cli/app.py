"""What all commands share: registration, messages, reading of values.

TensorFlow, Keras and pandas are imported inside the commands, so that the
help comes up at once.
"""

import functools
import inspect
import logging
import warnings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.highlighter import NullHighlighter
from rich.table import Column
from rich.table import Table

from mgnm_tf.errors import MissingColumnError
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.utils.quiet import load_tensorflow as load_tensorflow
from mgnm_tf.version import __version__

app = typer.Typer(
    help="Sequential recommendation with many interests: from an interaction "
    "log to a trained, compared model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_plain = {
    "highlighter": NullHighlighter(),
    "soft_wrap": True,
    # What a user named is printed as it is: "x[b]" is no bold, ":cat:" no cat.
    "markup": False,
    "emoji": False,
}
console = Console(**_plain)
notes = Console(**_plain, stderr=True)


@app.callback(invoke_without_command=True)
def common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.")
    ] = False,
) -> None:
    """Sequential recommendation: from a log to a trained, compared model."""
    if version:
        console.print(f"mgnm {__version__}")
        raise typer.Exit


def command(
    further: Iterable[inspect.Parameter] = (),
    resumable: bool = False,
    hidden: bool = False,
) -> Callable:
    """Registers a command that ends in a sentence, not in a traceback.

    Args:
        further: parameters besides those that the function names; it gets
            them through its `**` argument.
        resumable: whether the command goes on when it is given again.
        hidden: whether `--help` leaves the command out; such a command takes
            any option, as arguments.
    """
    stopped = "Interrupted."
    if resumable:
        stopped += " Give the same command again to continue."

    def register(function):
        @functools.wraps(function)
        def guarded(**arguments):
            try:
                with _messages():
                    function(**arguments)
            except UserError as error:
                notes.print(f"mgnm: {error}{_way_out(error, arguments)}")
                raise typer.Exit(1) from error
            except KeyboardInterrupt as error:
                notes.print(f"\n{stopped}")
                raise typer.Exit(130) from error

        named = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        guarded.__signature__ = inspect.Signature([*named, *further])
        anything = {"ignore_unknown_options": hidden}
        app.command(hidden=hidden, context_settings=anything)(guarded)
        return function

    return register


def _way_out(error: UserError, arguments: dict[str, Any]) -> str:
    """Returns which option of the command is the way out, if one is."""
    if isinstance(error, MissingColumnError):
        for name, value in arguments.items():
            if name.endswith("_column") and value == error.column:
                return f" --{name.replace('_', '-')} names another one."
    if isinstance(error, OutputExistsError):
        if arguments.get("overwrite") is False:
            return " --overwrite replaces it."
    return ""


class _NotesHandler(logging.Handler):
    """Prints log records above a progress bar that may be running."""

    def emit(self, record):
        notes.print(self.format(record))


@contextmanager
def _messages() -> Iterator[None]:
    """Shows our own log and warnings as plain lines on standard error."""
    logger = logging.getLogger("mgnm_tf")
    level, handler = logger.level, _NotesHandler()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: notes.print(
                f"Warning: {message}"
            )
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextmanager
def quiet_training() -> Iterator[None]:
    """Leaves out what a training says, for commands that tell of each run."""
    logger = logging.getLogger("mgnm_tf.training")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def values_of_the_user() -> Iterator[None]:
    """Turns the errors of argument checks into errors of the user."""
    try:
        yield
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from error


def read_numbers(text: str, kind: type, option: str) -> list:
    """Reads numbers with commas between them.

    Raises:
        UserError: one is not a number of the kind.
    """
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(
            f"{option} must be numbers with commas between them. Received: "
            f"{text!r}"
        ) from error


def read_pairs(texts: Iterable[str], form: str) -> list[tuple[str, str]]:
    """Reads the `KEY=VALUE` of `--set`.

    Args:
        texts: what was given.
        form: what it should look like, for the message.
    """
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UserError(f"--set must be {form}. Received: {text!r}")
        pairs.append((key, value))
    return pairs


def read_negatives(text: str, option: str) -> int | str:
    """Reads a number of negatives or "all"."""
    if text == "all":
        return text
    try:
        return int(text)
    except ValueError as error:
        raise UserError(
            f"{option} must be a number or 'all'. Received: {text!r}"
        ) from error


def print_rows(headings: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Prints a table to standard output."""
    # A name that is folded cannot be copied.
    first, *others = headings
    table = Table(Column(first, no_wrap=True), *others, box=box.SIMPLE)
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table, soft_wrap=False)
