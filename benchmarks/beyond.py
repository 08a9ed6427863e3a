"""The commands of `python -m benchmarks` about more than one process."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.app import app
from benchmarks.app import say
from benchmarks.app import sentences
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow


@app.command()
def workers(
    models: Annotated[
        str, typer.Option(help="Recipes with commas, or all.")
    ] = "all",
    steps: Annotated[
        int, typer.Option(min=4, help="About how many steps, in two epochs.")
    ] = 200,
    speed: Annotated[
        bool, typer.Option("--speed", help="Compare how fast they are.")
    ] = False,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often, with --speed.")
    ] = 3,
    batch_size: Annotated[
        int, typer.Option(min=2, help="Of both processes, with --speed.")
    ] = 256,
    out: Annotated[
        Path | None, typer.Option(help="JSON file of the results.")
    ] = None,
) -> None:
    """Compare the trainings of one and of two processes."""
    with sentences(), tempfile.TemporaryDirectory() as name:
        load_tensorflow()
        from benchmarks import workers as processes
        from benchmarks.tables import plain_table

        labels = [*processes.CASES] if models == "all" else models.split(",")
        folder = Path(name)
        if speed:
            from benchmarks.workers_speed import run as compare

            sizes = (steps, batch_size, rounds)
            console.print_json(
                data=compare(labels, *sizes, folder, out, say)["results"]
            )
            return
        found = processes.run(labels, steps, folder, out, say)
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
