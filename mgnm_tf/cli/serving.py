"""Commands that put a trained model to use."""

import csv
import os
from collections.abc import Container
from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from mgnm_tf.cli.app import command
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes
from mgnm_tf.cli.app import print_rows
from mgnm_tf.cli.history_options import history_columns
from mgnm_tf.cli.history_options import history_parameters
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.runs import run_folder


@command()
def export(
    run: Annotated[Path, typer.Argument(help="Run folder of `mgnm train`.")],
    out: Annotated[Path, typer.Option(help="Export folder to make.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Data folder.", show_default="that of the run"),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            help="The most test records to compare ranks on.",
            show_default="20000; 1000 for models that score pairs",
        ),
    ] = None,
    index: Annotated[
        bool,
        typer.Option(
            "--index",
            help="Write an index, too, that finds items in a large catalogue.",
        ),
    ] = False,
    onnx: Annotated[
        bool,
        typer.Option(
            "--onnx",
            help="Write encoder and item vectors for ONNX, too; serving "
            "is faster with them.",
        ),
    ] = False,
    item_features: Annotated[
        Path | None,
        typer.Option(
            help="Parquet file with item_id and what is known of the items: "
            "learn vectors of new items from it, where the training did not."
        ),
    ] = None,
) -> None:
    """Export a trained model: a SavedModel that recommends by raw ids.

    Test records are ranked by the model and, from raw ids, through the
    SavedModel; if the ranks differ there is no export.
    """
    run_folder.read_run(run)
    _check_free(out)
    load_tensorflow()
    from mgnm_tf.export.export_run import export_run

    with _progress("Comparing ranks") as advance:
        found = export_run(
            run, out, data, sample, index, onnx, item_features, advance
        )
    rows = [
        (name, *(f"{value:.4f}" for value in metrics.values()))
        for name, metrics in (
            ("model in memory", found.in_memory),
            ("through the SavedModel", found.exported),
        )
    ]
    print_rows(["", *(name.upper() for name in found.exported)], rows)
    console.print(found.describe())
    console.print(f"The export is in {out}.")


@command(history_parameters())
def recommend(
    model: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Export folder of `mgnm export`."),
    ],
    history: Annotated[
        Path | None,
        typer.Option(
            help="CSV, Parquet or JSON Lines file of events, with user, item "
            "and, unless they are in time order, time: recommend to each user "
            "in it. Or a folder of Parquet files, each with whole users."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="With --history: .csv or .parquet file to make; of a folder, "
            "a folder, whose whole files are kept when it is there."
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="Items for each user.")] = 20,
    user: Annotated[
        str | None,
        typer.Option(help="Recommend to this user, on the terminal."),
    ] = None,
    items: Annotated[
        str | None,
        typer.Option(
            help="With --user: the history, oldest first, commas between the "
            "items; an item with a comma in it, or with a blank at its ends, "
            'in "quotation marks".'
        ),
    ] = None,
    diversity: Annotated[
        float,
        typer.Option(
            help="Weight of the difference between the items of a list."
        ),
    ] = 0.0,
    workers: Annotated[
        int | None,
        typer.Option(
            help="With a folder: processes that share its files, by Ray."
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="With a folder: a cluster of Ray that shares its files.",
        ),
    ] = None,
    **options,
) -> None:
    """Recommend items to all users of a file or folder, or to one user."""
    many = history is not None and out is not None
    one = user is not None and items is not None
    given = [value is not None for value in (history, out, user, items)]
    if many == one or sum(given) != 2:
        raise UserError(
            "Give either --history and --out, to recommend to many users, or "
            "--user and --items, to recommend to one."
        )
    if many and history.is_dir():
        engine = {"workers": workers, "address": cluster}
        _recommend_folder(model, history, out, top, diversity, engine, options)
        return
    if workers is not None or cluster is not None:
        raise UserError(
            "--workers and --cluster divide a folder of Parquet files; give "
            "one as --history."
        )
    if many:
        _check_free(out)
    load_tensorflow()
    from mgnm_tf.serving.bulk.recommend_file import recommend_file
    from mgnm_tf.serving.recommender import Recommender

    recommender = Recommender.load(model)
    if one:
        known = set(recommender.item_ids)
        _print_one(recommender, user, read_items(items, known), top, diversity)
        return
    columns = history_columns(options)
    with _progress("Recommending") as advance:
        count = recommend_file(
            recommender, history, out, top, diversity, advance, columns
        )
    most = min(top, recommender.num_items)
    console.print(f"{out}: at most {most} items for each of {count:,} users.")


def _recommend_folder(
    model: Path,
    history: Path,
    out: Path,
    top: int,
    diversity: float,
    engine: dict[str, Any],
    options: dict[str, Any],
) -> None:
    """Recommends to the users of a folder, file by file."""
    load_tensorflow()
    from mgnm_tf.cluster.recommend_ray import check_workers
    from mgnm_tf.cluster.recommend_ray import on_ray
    from mgnm_tf.serving.bulk.recommend_file import ListOptions
    from mgnm_tf.serving.bulk.recommend_folder import recommend_folder

    asked = ListOptions(top, diversity, history_columns(options))
    if engine["workers"] is not None:
        check_workers(engine["workers"])
    # One worker on this machine is this process.
    here = engine["address"] is None and engine["workers"] in (None, 1)
    run = None if here else on_ray(model, **engine)
    with _progress("Files") as advance:
        done = recommend_folder(model, history, out, asked, advance, run)
    if done.already:
        notes.print(
            f"{done.already:,} of {done.parts:,} files were there already."
        )
    most = min(top, done.num_items)
    console.print(
        f"{out}: at most {most} items for each of {done.users:,} users, in "
        f"{done.parts:,} files."
    )


def _check_free(path: Path) -> None:
    if os.path.lexists(path):
        raise OutputExistsError(
            f"{path} exists already; give another place to write to, or "
            "delete that one."
        )


def read_items(text: str, known: Container[str]) -> list[str]:
    """Reads ids with commas between them, as in a line of a CSV file.

    Blanks around an id are left out, unless they belong to an item that is
    known; those in front of one need quotation marks.

    Args:
        text: the value of `--items`.
        known: the ids of the model.

    Raises:
        UserError: quotation marks are not in pairs around an id.
    """
    lines = csv.reader([text], strict=True, skipinitialspace=True)
    try:
        found = [one for row in lines for one in row if one.strip()]
    except csv.Error as error:
        raise UserError(
            f"--items must be ids with commas between them: {error}. "
            f"Received: {text!r}"
        ) from error
    return [one if one in known else one.strip() for one in found]


def _print_one(
    recommender, user: str, history: list[str], top: int, diversity: float
) -> None:
    """Prints the recommendations of one user, and what is behind each."""
    from mgnm_tf.serving.reasons import find_reasons

    if recommender.metadata["reads_times"]:
        raise UserError(
            f"{recommender.metadata['model']} reads times; give it a file "
            "with timestamps by --history and --out."
        )
    table = recommender.recommend(
        [history], k=top, users=[user], diversity=diversity
    )
    recommender.warns_of_unknown = False  # It has.
    if not recommender.known_ids.items.isin(history).any():
        notes.print("No history, so these are the most popular items.")
    headings, reasons = find_reasons(recommender, user, history, table)
    rows = [
        (
            row.rank,
            _shown(row.item_id),
            f"{row.score:.4f}",
            *map(_shown, reason),
        )
        for row, reason in zip(table.itertuples(), reasons, strict=True)
    ]
    print_rows(("rank", "item", "score", *headings), rows)


def _shown(text: str) -> str:
    """Writes an id so that it cannot break the lines of a table."""
    shown = [
        one if one.isprintable() else one.encode("unicode_escape").decode()
        for one in text
    ]
    return "".join(shown)


class _progress:
    """A bar that is moved by (done, total), drawn on a terminal only."""

    def __init__(self, description: str):
        from rich.progress import MofNCompleteColumn
        from rich.progress import Progress

        self._bar = Progress(
            *Progress.get_default_columns(),
            MofNCompleteColumn(),
            console=notes,
            disable=not notes.is_terminal,
        )
        self._task = self._bar.add_task(description, total=None)

    def __enter__(self):
        self._bar.start()
        return lambda done, total: self._bar.update(
            self._task, completed=done, total=total
        )

    def __exit__(self, *error):
        self._bar.stop()
