"""Commands that make data."""

from pathlib import Path
from typing import Annotated

import typer

from mgnm_tf.cli.app import command
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import notes
from mgnm_tf.cli.app import print_rows
from mgnm_tf.cli.app import read_numbers
from mgnm_tf.cli.app import values_of_the_user
from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import unknown_name


@command()
def prepare(
    context: typer.Context,
    source: Annotated[
        list[str],
        typer.Argument(
            help="CSV, TSV, Parquet or JSON Lines files, a folder or a "
            "pattern of them, an address as s3://bucket/folder; or a name "
            "from `mgnm datasets`."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Data folder to make.")],
    user_column: Annotated[
        str, typer.Option(help="Column of the user, or of the session.")
    ] = "user_id",
    item_column: Annotated[
        str, typer.Option(help="Column of the item.")
    ] = "item_id",
    time_column: Annotated[
        str, typer.Option(help="Column of the time.")
    ] = "timestamp",
    rating_column: Annotated[
        str | None, typer.Option(help="Column of the rating.")
    ] = None,
    category_column: Annotated[
        str | None, typer.Option(help="Column of the item's category.")
    ] = None,
    split_column: Annotated[
        str | None,
        typer.Option(help="Column with the part, for --split sessions."),
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
    rating_above: Annotated[
        float | None, typer.Option(help="Keep ratings above this one.")
    ] = None,
    min_user: Annotated[int, typer.Option(help="Fewest events of a user.")] = 1,
    min_item: Annotated[
        int, typer.Option(help="Fewest events of an item.")
    ] = 1,
    keep_duplicates: Annotated[
        bool,
        typer.Option(
            "--keep-duplicates",
            help="Keep events that are equal in user, item and time.",
        ),
    ] = False,
    sessions_by_gap: Annotated[
        str | None,
        typer.Option(
            help="Cut each user's events into sessions where more time than "
            "this passes: 90s, 30m, 8h or 1d."
        ),
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            help="first_events=N, user_support=N, item_support=N, "
            "core=USER:ITEM, top_items=N or no_repeats; again for more, in "
            "this order.",
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="leave_one_out, temporal, per_user_ratio, sessions, "
            "last_days=N or last_share=X."
        ),
    ] = "leave_one_out",
    ratios: Annotated[
        str,
        typer.Option(help="Shares of training, validation and test."),
    ] = "0.7,0.1,0.2",
    training_share: Annotated[
        str | None,
        typer.Option(
            help="Train on the latest sessions alone, with this share of the "
            "training samples: 1/64.",
            show_default="all",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the data.", show_default="that of --out"),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="With a recipe: a copy of its log at hand."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a data folder at --out."),
    ] = False,
    engine: Annotated[
        str,
        typer.Option(
            help="in_memory, duckdb for logs that memory does not hold, "
            "spark for a cluster, or auto, by their size; the result is the "
            "same."
        ),
    ] = "auto",
    memory: Annotated[
        str | None,
        typer.Option(
            help="With --engine duckdb: memory of DuckDB, for example 4GB.",
            show_default="half of the machine's",
        ),
    ] = None,
) -> None:
    """Read, filter and split a log, or fetch a known data set."""
    from mgnm_tf.data import account
    from mgnm_tf.data import prepare as preparation
    from mgnm_tf.data import recipe
    from mgnm_tf.data.reading.source_files import names_files

    how = {"overwrite": overwrite, "progress": notes.print}
    if len(source) > 1 or names_files(source[0]):
        if file is not None:
            raise UserError("--file goes with a recipe, not with a file.")
        with values_of_the_user():
            data = preparation.prepare(
                source[0] if len(source) == 1 else source,
                out,
                user_column=user_column,
                item_column=item_column,
                time_column=time_column,
                rating_column=rating_column,
                category_column=category_column,
                split_column=split_column,
                separator=separator,
                time_unit=time_unit,
                quotes=quotes,
                rating_above=rating_above,
                min_user=min_user,
                min_item=min_item,
                keep_duplicates=keep_duplicates,
                sessions_by_gap=sessions_by_gap,
                filters=filters or (),
                split=split,
                ratios=read_numbers(ratios, float, "--ratios"),
                training_share=training_share,
                name=name,
                engine=engine,
                memory=memory,
                **how,
            )
    else:
        wanted, names = source[0], recipe.recipe_names()
        if wanted not in names:
            sentence = unknown_name("data set", wanted, names)
            raise UserError(f"There is no file {wanted}. {sentence}")
        _refuse_options_of_recipe(context, wanted)
        data = recipe.prepare_recipe(wanted, out, file=file, **how)
    counts = [
        f"{len(data.positions(part)):,} {part}"
        for part in ("train", "validation", "test")
    ]
    console.print(
        f"{out}: {len(data.items):,} events, {data.num_users:,} users with "
        f"training events, {data.num_items:,} items. Records to predict: "
        f"{', '.join(counts)}."
    )
    for line in account.sentences(data.metadata):
        console.print(line)


def _refuse_options_of_recipe(context: typer.Context, source: str) -> None:
    """Raises if an option was given that the recipe decides."""
    for name in context.params:
        given = context.get_parameter_source(name).name == "COMMANDLINE"
        if given and name not in ("source", "out", "file", "overwrite"):
            option = {"filters": "filter"}.get(name, name.replace("_", "-"))
            raise UserError(
                f"--{option} is decided by the recipe "
                f"{source}; give the log as a file to choose it."
            )


@command()
def datasets() -> None:
    """List the data sets that `mgnm prepare` knows by name."""
    from mgnm_tf.data.recipe import load_recipe
    from mgnm_tf.data.recipe import recipe_names

    rows = []
    for name in recipe_names():
        recipe = load_recipe(name)
        log = "synthetic" if recipe.world else "fetched"
        if not recipe.world and not recipe.sources:
            log = "to be brought"
        rows.append((name, recipe.title, log, recipe.licence))
    print_rows(("name", "data set", "log", "licence"), rows)


@command()
def synthesize(
    out: Annotated[
        Path, typer.Option(help="CSV file to make; .gz is compressed.")
    ],
    users: Annotated[int, typer.Option(help="Number of users.")] = 1000,
    items: Annotated[int, typer.Option(help="Number of items.")] = 2000,
    events: Annotated[
        int | None,
        typer.Option(help="Number of rows.", show_default="50 a user"),
    ] = None,
    interests: Annotated[int, typer.Option(help="Interests of a user.")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 0,
) -> None:
    """Write a synthetic log whose users have several planted interests."""
    from mgnm_tf.data.synthetic import write_world

    with values_of_the_user():
        write_world(
            out,
            users,
            items,
            seed=seed,
            num_events=events,
            num_interests=interests,
        )
    console.print(f"{out}: {events or 50 * users:,} events.")


@command(hidden=True)
def world(
    arguments: Annotated[list[str] | None, typer.Argument()] = None,
) -> None:
    """Say what the command is called now."""
    raise UserError("`mgnm world` is called `mgnm synthesize` now.")
