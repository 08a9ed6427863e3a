"""The command that compares models."""

from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from mgnm_tf.cli.app import command
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes
from mgnm_tf.cli.app import quiet_training
from mgnm_tf.cli.app import read_negatives
from mgnm_tf.cli.app import read_numbers
from mgnm_tf.cli.app import read_pairs
from mgnm_tf.cli.training_options import AGGREGATE
from mgnm_tf.cli.training_options import LATER_ONLY
from mgnm_tf.cli.training_options import SHUFFLE_TIES
from mgnm_tf.cli.training_options import TIED_SCORES
from mgnm_tf.cli.training_options import TRACK
from mgnm_tf.cli.training_options import K
from mgnm_tf.cli.training_options import training_parameters
from mgnm_tf.errors import UserError

_FORM = "MODEL.KEY=VALUE"


@command(training_parameters("seed", "continue_from"), resumable=True)
def compare(
    data: Annotated[
        Path, typer.Option(help="Data folder made by `mgnm prepare`.")
    ],
    models: Annotated[
        str,
        typer.Option(
            help="Models, each model, model:recipe or model:recipe+part, "
            "with commas; or all. A model alone is its recommended recipe."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the comparison.")],
    recipes: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with further recipes and parts, each with the "
            "model that it is for."
        ),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="One run of each model for every seed.")
    ] = "0",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="M.K=V",
            help="MODEL.KEY=VALUE: an option of the constructor or the "
            "training of one model; repeatable.",
        ),
    ] = None,
    test_negatives: Annotated[
        str | None,
        typer.Option(
            help="Number of items to rank among, or all.",
            show_default="1000, or all if the recipes validate so",
        ),
    ] = None,
    test_exclude: Annotated[
        str | None,
        typer.Option(
            help="What is no negative: history, user or none.",
            show_default="as the recipes validate",
        ),
    ] = None,
    k: Annotated[str | None, K] = None,
    aggregate: Annotated[str, AGGREGATE] = "samples",
    tied_scores: Annotated[str, TIED_SCORES] = "half",
    later_only: Annotated[bool, LATER_ONLY] = False,
    shuffle_ties: Annotated[int | None, SHUFFLE_TIES] = None,
    jobs: Annotated[
        int,
        typer.Option(help="Runs at a time, each on its share of the cores."),
    ] = 1,
    track: Annotated[str | None, TRACK] = None,
    **settings,
) -> None:
    """Train and evaluate models alike, write a table and a report.

    Finished runs are kept: given again, the command goes on with the rest.
    """
    options: dict[str, dict[str, str]] = {}
    for name, value in read_pairs(set_ or (), _FORM):
        model, dot, key = name.partition(".")
        if not dot:
            raise UserError(f"--set must be {_FORM}. Received: {name}={value}")
        options.setdefault(model, {})[key] = value
    load_tensorflow()
    from mgnm_tf.models.registry import model_names
    from mgnm_tf.recipes.toml import read_recipes
    from mgnm_tf.report.tables import terminal_table
    from mgnm_tf.studies import compare as comparison

    protocol: dict[str, Any] = {
        "later_only": later_only,
        "shuffle_ties": shuffle_ties,
        "aggregate": aggregate,
        "tied_scores": tied_scores,
    }
    if test_negatives is not None:
        found = read_negatives(test_negatives, "--test-negatives")
        protocol["negatives"] = found
    if test_exclude is not None:
        protocol["exclude"] = test_exclude
    if k is not None:
        protocol["k"] = read_numbers(k, int, "--k")
    labels = model_names() if models == "all" else models.split(",")
    settings = {
        name: value for name, value in settings.items() if value is not None
    }
    with quiet_training():
        summary = comparison.compare(
            data,
            labels,
            read_numbers(seeds, int, "--seeds"),
            out,
            settings=settings,
            options=options,
            recipes=None if recipes is None else read_recipes(recipes),
            protocol=protocol,
            jobs=jobs,
            console=notes,
            track=track,
        )
    table = terminal_table(summary, console.width)
    console.print(table, soft_wrap=False, crop=False)
    console.print(f"The report is {out / 'report.html'}.")
    if summary["failed"]:
        raise UserError(
            f"{len(summary['failed'])} of the runs failed; the reasons stand "
            "above and in the report."
        )
