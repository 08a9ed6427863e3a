"""The command `python -m benchmarks`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import beyond as beyond
from benchmarks.app import app
from benchmarks.app import say
from benchmarks.app import sentences
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes
from mgnm_tf.cli.app import read_numbers
from mgnm_tf.errors import UserError


@app.command()
def run(
    phases: Annotated[
        list[str] | None,
        typer.Argument(
            help="prepare, pipeline, train, positions, epochs, evaluate, "
            "ranking, optimizer, softmax, export, growth, retrieval, "
            "indexes, serving, scoring; default: all"
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
    catalogue: Annotated[
        int, typer.Option(min=1, help="Made item vectors of `indexes`.")
    ] = 292_286,
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
            catalogue=catalogue,
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
        report = run_phases(names, settings, out, say)
        console.print(markdown(report))
        if out is not None:
            notes.print(f"Written: {out}")


def _compare(revision, names, settings, pairs, out) -> None:
    """Prints the ratios of this checkout to a revision."""
    from benchmarks.against import compare
    from benchmarks.tables import plain_table
    from mgnm_tf.utils.files import write_json

    table = compare(revision, [*names, *settings.arguments()], pairs, say)
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
        found = steps.run(labels, plan, out, say)
        console.print(markdown(found))
        failed = steps.failures(found)
        if failed:
            raise UserError(f"{len(failed)} failed: {'; '.join(failed)}")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
