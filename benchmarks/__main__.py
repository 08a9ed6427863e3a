"""The command `python -m benchmarks`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
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
        notes.print(f"benchmarks: {error}", markup=False)
        raise typer.Exit(1) from error


@app.command()
def run(
    phases: Annotated[
        list[str] | None,
        typer.Argument(
            help="prepare, pipeline, train, evaluate, ranking, optimizer, "
            "export, growth; default: all"
        ),
    ] = None,
    models: Annotated[
        str,
        typer.Option(help="Names, or name:preset, with commas; or all."),
    ] = "all",
    log: Annotated[
        str,
        typer.Option(help="A log or a data folder; default: a made world."),
    ] = "",
    users: Annotated[int, typer.Option(help="Users of the world.")] = 19_412,
    items: Annotated[int, typer.Option(help="Items of the world.")] = 11_924,
    events: Annotated[int, typer.Option(help="Events of the world.")] = 167_597,
    split: Annotated[str, typer.Option(help="Split of a log.")] = (
        "leave_one_out"
    ),
    max_length: Annotated[int, typer.Option(help="Longest history.")] = 100,
    embedding_dim: Annotated[
        int | None, typer.Option(help="Width of the vectors.")
    ] = None,
    windows: Annotated[
        int | None, typer.Option(help="Windows of a figure. [5; quick: 3]")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(help="Seconds of a window. [3; quick: 0.3]"),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Few models, a small world, 3 minutes."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="JSON file of the results.")
    ] = None,
) -> None:
    """Measure phases, print a table and write JSON."""
    with sentences():
        load_tensorflow()
        from benchmarks.phases import check_phases
        from benchmarks.phases import run_phases
        from benchmarks.settings import QUICK_WORLD
        from benchmarks.settings import Settings
        from benchmarks.settings import check_models
        from benchmarks.tables import markdown

        world = {"users": users, "items": items, "events": events}
        names = check_phases(phases or ())
        labels = () if models == "all" else tuple(models.split(","))
        check_models(labels)
        settings = Settings(
            models=labels,
            log=log,
            **(QUICK_WORLD if quick else world),
            split=split,
            max_length=max_length,
            embedding_dim=embedding_dim,
            windows=windows or (3 if quick else 5),
            seconds=seconds or (0.3 if quick else 3.0),
            quick=quick,
        )
        report = run_phases(names, settings, out, _progress)
        console.print(markdown(report), markup=False)
        if out is not None:
            notes.print(f"Written: {out}")


def _progress(phase: str) -> None:
    notes.print(f"{phase} ...")


@app.command()
def report(
    results: Annotated[Path, typer.Argument(help="JSON file of a run.")],
) -> None:
    """Make a Markdown table and plots beside the JSON of a run."""
    with sentences():
        from benchmarks.tables import markdown
        from mgnm_tf.utils.files import read_json

        text = markdown(read_json(results))
        table = results.with_suffix(".md")
        table.write_text(text, encoding="utf-8")
        console.print(f"Written: {table}")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
