"""The command that searches for the values of a recipe."""

import logging
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from mgnm_tf.cli.app import command
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import read_pairs
from mgnm_tf.cli.models import recipe_of
from mgnm_tf.cli.training_options import training_parameters


@command(training_parameters("continue_from"), resumable=True)
def tune(
    data: Annotated[
        Path, typer.Option(help="Data folder made by `mgnm prepare`.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the search.")],
    model: Annotated[
        str | None,
        typer.Argument(
            help="A model, model:recipe or model:recipe+part: where the "
            "search starts."
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with the recipe, see `mgnm models MODEL`."
        ),
    ] = None,
    trials: Annotated[
        int,
        typer.Option(
            help="Trainings in all; the first one is of the recipe as it is."
        ),
    ] = 20,
    timeout_minutes: Annotated[
        float | None,
        typer.Option(
            help="Minutes after which no further trial begins.",
            show_default="no limit",
        ),
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with what is searched: \\[space] and lines such "
            "as dropout = {low = 0.0, high = 0.5} and num_interests = [2, 4].",
            show_default="learning rate, dropout, temperature, bias",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="K=V",
            help="KEY=VALUE: an option of the model's constructor; repeatable.",
        ),
    ] = None,
    **settings,
) -> None:
    """Search for the values of a recipe that are best in validation.

    Every model gets the same budget: a number of trainings, chosen and ended
    early by Optuna. The test part is never looked at. Given again, the
    command goes on; the best recipe is written to recipe.toml.
    """
    load_tensorflow()
    from mgnm_tf.training import tune as search

    # A line for each trial is enough.
    logger = logging.getLogger("mgnm_tf.training.fit")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        found = search.tune(
            data,
            recipe_of(model, recipe),
            out,
            trials=trials,
            timeout_minutes=timeout_minutes,
            space=space,
            options=dict(read_pairs(set_ or (), "KEY=VALUE")),
            verbose=int(sys.stdout.isatty()),
            **settings,
        )
    finally:
        logger.setLevel(level)
    console.print(_summary(found))
    console.print(
        f"mgnm train --recipe {out / 'recipe.toml'} --data {data} --out RUN "
        "trains it."
    )


def _summary(found: Any) -> str:
    """Returns a line on a search."""
    states = Counter(one.state for one in found.trials)
    others = ", ".join(
        f"{states[state]} {state}"
        for state in ("pruned", "failed")
        if states[state]
    )
    start = found.trials[0]
    compared = "the recipe as it was"
    if found.best.number and start.state == "finished":
        compared = f"the recipe as it was has {start.value:.4f}"
    others = f" ({others})" if others else ""
    return (
        f"Best of {len(found.trials)} trials{others}: "
        f"trial {found.best.number}, {found.monitor} {found.best.value:.4f}; "
        f"{compared}."
    )
