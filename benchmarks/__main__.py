"""The command `python -m benchmarks`."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes
from mgnm_tf.cli.app import read_numbers
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


@app.command()
def run(
    phases: Annotated[
        list[str] | None,
        typer.Argument(
            help="prepare, pipeline, train, positions, evaluate, ranking, "
            "optimizer, softmax, export, growth, retrieval, indexes, serving, "
            "scoring; default: all"
        ),
    ] = None,
    models: Annotated[
        str,
        typer.Option(help="Names, or name:recipe, with commas; or all."),
    ] = "all",
    log: Annotated[
        str,
        typer.Option(help="A log or a data folder; default: a synthetic log."),
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
    against: Annotated[
        str,
        typer.Option(
            metavar="REV",
            help="A commit to compare this checkout with, by turns.",
        ),
    ] = "",
    pairs: Annotated[
        int, typer.Option(min=1, help="Turns of each, with --against.")
    ] = 3,
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
        if against:
            _compare(against, names, settings, pairs, out)
            return
        report = run_phases(names, settings, out, _progress)
        console.print(markdown(report))
        if out is not None:
            notes.print(f"Written: {out}")


def _progress(text: str) -> None:
    notes.print(f"{text} ...")


def _compare(revision, names, settings, pairs, out) -> None:
    """Prints the ratios of this checkout to a revision."""
    from benchmarks.against import compare
    from benchmarks.tables import plain_table
    from mgnm_tf.utils.files import write_json

    table = compare(revision, [*names, *settings.arguments()], pairs, _progress)
    console.print(plain_table(table))
    console.print(f"ratio: this checkout / {revision}")
    if out is not None:
        write_json(out, table.to_dict("records"))


@app.command()
def report(
    results: Annotated[Path, typer.Argument(help="JSON file of a run.")],
) -> None:
    """Make a Markdown table and plots beside the JSON of a run."""
    with sentences():
        from benchmarks.plots import save_plots
        from benchmarks.tables import markdown
        from mgnm_tf.utils.files import read_json

        content = read_json(results)
        if not isinstance(content, dict) or "results" not in content:
            raise UserError(f"{results} is no result of a benchmark.")
        table = results.with_suffix(".md")
        table.write_text(markdown(content), encoding="utf-8")
        for path in (table, *save_plots(content, results.with_suffix(""))):
            console.print(f"Written: {path}")


@app.command()
def profile(
    out: Annotated[Path, typer.Option(help="Folder for TensorBoard.")],
    model: Annotated[
        str, typer.Option(help="Name, or name:recipe.")
    ] = "mgnm:paper",
    log: Annotated[
        str,
        typer.Option(help="A log or a data folder; default: a synthetic log."),
    ] = "",
    max_length: Annotated[int, typer.Option(help="Longest history.")] = 100,
    embedding_dim: Annotated[
        int | None, typer.Option(help="Width of the vectors.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long to trace.")] = 3.0,
) -> None:
    """Trace training steps and print what takes the time."""
    with sentences():
        load_tensorflow()
        from benchmarks.settings import Settings
        from benchmarks.settings import check_models
        from benchmarks.tables import plain_table
        from benchmarks.trace import operations
        from benchmarks.trace import profile_training
        from benchmarks.trace import top

        check_models([model])
        settings = Settings(
            log=log,
            max_length=max_length,
            embedding_dim=embedding_dim,
            seconds=seconds,
        )
        steps = profile_training(model, settings, out)
        table = operations(out)
        console.print(f"{steps} steps of {model}, traced into {out}")
        for by in ("type", "part"):
            console.print(plain_table(top(table, by, steps)))


@app.command()
def gpu(
    models: Annotated[
        str, typer.Option(help="Names, or name:recipe, with commas; or all.")
    ] = "all",
    cases: Annotated[
        str, typer.Option(help="The settings, with commas.")
    ] = "micro_video,amazon",
    batch_sizes: Annotated[
        str, typer.Option(help="Positives of a batch, with commas.")
    ] = "256,1024,4096",
    jit_compile: Annotated[
        bool, typer.Option(help="Whether XLA compiles TensorFlow's step.")
    ] = False,
    windows: Annotated[
        int, typer.Option(min=1, help="Windows of a figure.")
    ] = 5,
    seconds: Annotated[
        float, typer.Option(min=0.0, help="Seconds of a window.")
    ] = 1.0,
    budget: Annotated[
        float | None,
        typer.Option(
            help="Seconds after which no row is begun; the rows "
            "that tell most come first."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tiny, to prove the script.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="JSON file of the results.")
    ] = None,
) -> None:
    """Measure the training step of every model at the paper's settings."""
    with sentences():
        # The other backends measure without it.
        if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
            load_tensorflow()
        from benchmarks import gpu as steps
        from benchmarks.settings import check_models
        from benchmarks.settings import paper_label
        from benchmarks.tables import markdown
        from mgnm_tf.models.registry import model_names

        labels = (
            ["mgnm", *map(paper_label, model_names())]
            if models == "all"
            else models.split(",")
        )
        check_models(labels)
        plan = steps.Plan(
            steps.chosen_cases(cases.split(",")),
            tuple(read_numbers(batch_sizes, int, "--batch-sizes")),
            windows=windows,
            seconds=seconds,
            budget=budget,
            jit_compile=jit_compile,
        )
        if dry_run:
            plan = plan.tiny()
        found = steps.run(labels, plan, out, _progress)
        console.print(markdown(found))
        failed = steps.failures(found)
        if failed:
            raise UserError(f"{len(failed)} failed: {'; '.join(failed)}")


@app.command()
def workers(
    models: Annotated[
        str, typer.Option(help="Recipes with commas, or all.")
    ] = "all",
    steps: Annotated[
        int, typer.Option(min=4, help="About how many steps, in two epochs.")
    ] = 200,
    out: Annotated[
        Path | None, typer.Option(help="JSON file of the results.")
    ] = None,
) -> None:
    """Compare the trainings of one and of two processes."""
    with sentences(), tempfile.TemporaryDirectory() as folder:
        load_tensorflow()
        from benchmarks import workers as processes
        from benchmarks.tables import plain_table

        labels = [*processes.CASES] if models == "all" else models.split(",")
        found = processes.run(labels, steps, Path(folder), out, _progress)
        console.print(plain_table(processes.table(found)))


@app.command()
def exchange(
    items: Annotated[int, typer.Option(help="Rows of the table.")] = 292_286,
    width: Annotated[int, typer.Option(help="Numbers of a row.")] = 40,
    batch_size: Annotated[
        int, typer.Option(min=2, help="Positives of a batch.")
    ] = 256,
    steps: Annotated[int, typer.Option(min=1, help="Measured steps.")] = 50,
    out: Annotated[
        Path | None, typer.Option(help="JSON file of the results.")
    ] = None,
) -> None:
    """Measure what two workers tell each other in a step (root, Linux)."""
    with sentences():
        from benchmarks.exchange import measure
        from benchmarks.machine import describe_machine
        from mgnm_tf.utils.files import write_json

        found = measure(items, width, batch_size, steps)
        if out is not None:
            write_json(out, {"machine": describe_machine(), **found})
        for name, value in found.items():
            console.print(f"{name}: {value:,.6g}")


@app.command()
def large(
    events: Annotated[int, typer.Option(help="Rows of the log.")] = 200_000_000,
    items: Annotated[int, typer.Option(help="Different items.")] = 500_000,
    limit: Annotated[
        str, typer.Option(help="The most memory of a process.")
    ] = "4GiB",
    memory: Annotated[
        str, typer.Option(help="Of that, the memory of DuckDB.")
    ] = "2GB",
    folder: Annotated[
        Path | None,
        typer.Option(help="Where log and data are made, and left."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="JSON file of the results.")
    ] = None,
) -> None:
    """Prepare and train under a limit of memory (Linux, root)."""
    with sentences():
        from benchmarks.large import measure
        from benchmarks.machine import describe_machine
        from mgnm_tf.data.large.memory import read_memory
        from mgnm_tf.utils.files import write_json

        found = measure(events, items, read_memory(limit), memory, folder)
        if out is not None:
            write_json(out, {"machine": describe_machine(), **found})
        console.print_json(data=found)


@app.command()
def sharded(
    items: Annotated[
        int, typer.Option(help="Rows of the large table, less the padding.")
    ] = 19_999_999,
    width: Annotated[int, typer.Option(help="Numbers of a row.")] = 64,
    steps: Annotated[int, typer.Option(min=1, help="Measured steps.")] = 5,
    out: Annotated[
        Path | None, typer.Option(help="JSON file of the results.")
    ] = None,
) -> None:
    """Train with a table of items cut over two processes (JAX, 20 GB)."""
    with sentences():
        from benchmarks.machine import describe_machine
        from benchmarks.sharded import measure
        from mgnm_tf.utils.files import write_json

        found = measure(items, width, steps)
        if out is not None:
            write_json(out, {"machine": describe_machine(), **found})
        console.print_json(data=found)


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
