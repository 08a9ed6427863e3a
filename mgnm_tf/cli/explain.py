"""The command that shows why items are recommended."""

from pathlib import Path
from typing import Annotated

import typer

from mgnm_tf.cli.app import command
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes
from mgnm_tf.cli.history_options import history_columns
from mgnm_tf.cli.history_options import history_parameters
from mgnm_tf.errors import UserError


@command(history_parameters())
def explain(
    export: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder made by `mgnm export`."),
    ],
    history: Annotated[
        Path,
        typer.Option(
            help="CSV, Parquet or JSON Lines file of events, with user, item "
            "and, unless they are in time order, time."
        ),
    ],
    out: Annotated[Path, typer.Option(help="HTML file to make.")],
    users: Annotated[
        str,
        typer.Option(
            help="How many users, drawn at random; or their ids with commas "
            "between them (one id that is a number: with a comma behind it)."
        ),
    ] = "10",
    titles: Annotated[
        Path | None,
        typer.Option(help="Names of items: item_id, title."),
    ] = None,
    **options,
) -> None:
    """Make a page: which items feed which interest, and what comes of it.

    The page is one file that needs no network: for each user the history, a
    heat map of the items that feed each interest at each level, and the
    recommendations with the interest and level behind each.
    """
    load_tensorflow()
    from mgnm_tf.report.explain import write_explanation
    from mgnm_tf.serving.recommender import Recommender
    from mgnm_tf.serving.requests.history_table import read_history

    columns = history_columns(options)
    requests = read_history(history, reads_times=False, columns=columns)
    chosen = choose_users(users, list(requests.users), history)
    names = None if titles is None else read_titles(titles)
    recommender = Recommender.load(export)
    recommender.known_ids.check_file(requests, history, columns.item)
    recommender.warns_of_unknown = False  # It has, of the whole file.
    if names is not None:
        _say_how_many(names, recommender.item_ids, titles)
    histories = {
        requests.users[row]: requests.items[
            requests.offsets[row] : requests.offsets[row + 1]
        ].tolist()
        for row in chosen
    }
    with notes.status("Explaining ..."):
        write_explanation(recommender, histories, out, titles=names)
    console.print(f"The page is {out}.")


def choose_users(text: str, known: list[str], source: Path) -> list[int]:
    """Returns the places of the wanted users among those of a file.

    Args:
        text: the value of `--users`.
        known: the ids in the file.
        source: the file, for messages.

    Raises:
        UserError: the number is 0, or an id is not in the file.
    """
    if text.isascii() and text.isdigit():
        return _draw(int(text), len(known))
    rows = {name: row for row, name in enumerate(known)}
    if text in rows:  # An id may have commas of its own.
        return [rows[text]]
    wanted = list(dict.fromkeys(name for name in text.split(",") if name))
    if not wanted:
        raise UserError(
            "--users must be a number of users or ids with commas between "
            f"them. Received: {text!r}"
        )
    for name in wanted:
        if name not in rows:
            raise UserError(f"{source} has no event of the user {name!r}.")
    return [rows[name] for name in wanted]


def _draw(count: int, available: int) -> list[int]:
    """Returns places drawn at random with seed 0, in order."""
    import numpy as np

    if not count:
        raise UserError("--users must be at least 1. Received: 0")
    drawn = np.random.default_rng(0).choice(
        available, min(count, available), replace=False
    )
    return sorted(drawn.tolist())


def read_titles(path: Path) -> dict[str, str]:
    """Reads what items are called.

    Args:
        path: CSV, Parquet or JSON Lines with the columns `item_id` and `title`.

    Raises:
        UserError: the file is not there or cannot be read.
    """
    from mgnm_tf.data.reading.columns import encode_ids
    from mgnm_tf.data.reading.table import read_table

    if not path.is_file():
        raise UserError(f"There is no file {path} with the titles of items.")
    table = read_table(path, ["item_id"], ["title"])
    if not table.num_rows:
        return {}
    codes, items = encode_ids(table["item_id"], "item_id", str(path))
    titles = table["title"].cast("string").to_pylist()
    pairs = zip(codes.tolist(), titles, strict=True)
    return {items[code]: title for code, title in pairs if title}


def _say_how_many(titles, items, path):
    """Notes how many items of the model have a title."""
    count = sum(item in titles for item in items)
    line = f"{path}: titles of {count:,} of the {len(items):,} items."
    if titles and not count:
        line += (
            f" It has titles of other items, for example {next(iter(titles))!r}"
            f"; an item of the model is {items[0]!r}."
        )
    notes.print(line)
