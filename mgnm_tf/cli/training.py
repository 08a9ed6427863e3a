"""Commands that train and evaluate one model."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from mgnm_tf.cli.app import command
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes
from mgnm_tf.cli.app import print_rows
from mgnm_tf.cli.app import read_negatives
from mgnm_tf.cli.app import read_numbers
from mgnm_tf.cli.app import read_pairs
from mgnm_tf.cli.app import values_of_the_user
from mgnm_tf.cli.models import recipe_of
from mgnm_tf.cli.training_options import AGGREGATE
from mgnm_tf.cli.training_options import K_OF_THE_RUN
from mgnm_tf.cli.training_options import LATER_ONLY
from mgnm_tf.cli.training_options import SHUFFLE_TIES
from mgnm_tf.cli.training_options import TIED_SCORES
from mgnm_tf.cli.training_options import TRACK
from mgnm_tf.cli.training_options import K
from mgnm_tf.cli.training_options import training_parameters
from mgnm_tf.errors import UserError
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import configure


@command(training_parameters(), resumable=True)
def train(
    data: Annotated[
        Path, typer.Option(help="Data folder made by `mgnm prepare`.")
    ],
    out: Annotated[Path, typer.Option(help="Run folder to make.")],
    model: Annotated[
        str | None,
        typer.Argument(
            help="A model, model:recipe or model:recipe+part, see "
            "`mgnm models`; the model alone is its recommended recipe."
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with the recipe, see `mgnm models MODEL`."
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
    k: Annotated[str | None, K] = None,
    track: Annotated[str | None, TRACK] = None,
    hosts: Annotated[
        bool,
        typer.Option(
            "--hosts",
            help="Train with the other processes that TF_CONFIG names, each "
            "of which is given this command.",
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Train by so many processes, which Ray starts (extra "
            "\\[cluster]).",
            show_default="this one; with --cluster one a node",
        ),
    ] = None,
    least_workers: Annotated[
        int | None,
        typer.Option(
            help="Go on with so few where some are lost, and with more when "
            "there are again.",
            show_default="as many as --workers",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Ray cluster that starts them.",
            show_default="this machine",
        ),
    ] = None,
    **settings,
) -> None:
    """Train a model, keep its best epoch, evaluate it on the test part.

    Options that are not given have the values of the recipe. An interrupted
    training goes on when the same command is given again. With
    --continue-from a finished run is trained further, on data that hold its
    users, its items and later events; its model need not be named.
    """
    load_tensorflow()
    from mgnm_tf.data.dataset import SequenceDataset
    from mgnm_tf.runs.run import Run
    from mgnm_tf.training import fit
    from mgnm_tf.training.continued import configure_continued
    from mgnm_tf.training.remarks import remarks_on

    others = None
    if hosts:
        if workers is not None or cluster is not None:
            raise UserError(
                "--hosts takes the workers from TF_CONFIG, --workers and "
                "--cluster have Ray start them: give one of the two."
            )
        from mgnm_tf.cluster.hosts import Hosts

        others = Hosts()

    values: dict[str, Any] = {
        "options": dict(read_pairs(set_ or (), "KEY=VALUE")),
        "k": None if k is None else tuple(read_numbers(k, int, "--k")),
        **settings,
    }
    if earlier := values.pop("continue_from"):
        what = recipe_of(model, recipe) if model or recipe else None
        config = configure_continued(earlier, what, **values)
    else:
        config = configure(recipe_of(model, recipe), **values)
        loaded = SequenceDataset.load(data, verify=False)
        for remark in remarks_on(config, loaded):
            notes.print(remark)
    verbose = 1 if sys.stdout.isatty() else 2
    ray = (workers, least_workers, cluster)
    if any(one is not None for one in ray):
        from mgnm_tf.cluster.ray_train import train_by_ray

        with values_of_the_user():
            run = train_by_ray(
                data,
                config,
                out,
                workers=workers,
                least_workers=least_workers,
                address=cluster,
                track=track,
            )
    else:
        run = fit.train(
            data, config, out, verbose=verbose, track=track, workers=others
        )
    if others is not None and not others.is_chief:
        return
    _print_metrics(Run(run).metrics)
    console.print(f"The run is in {run}.")


@command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder of `mgnm train`.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Data folder.", show_default="that of the run"),
    ] = None,
    part: Annotated[str, typer.Option(help="validation or test.")] = "test",
    negatives: Annotated[
        str | None,
        typer.Option(
            help="Number of items to rank among, or all.",
            show_default="1000, or all if the recipe validates so",
        ),
    ] = None,
    exclude: Annotated[
        str | None,
        typer.Option(
            help="What is no negative: history, user or none.",
            show_default="as the recipe validates",
        ),
    ] = None,
    k: Annotated[str | None, K_OF_THE_RUN] = None,
    gauc_weighting: Annotated[
        str, typer.Option(help="Weights of GAUC: samples or users.")
    ] = "samples",
    aggregate: Annotated[str, AGGREGATE] = "samples",
    tied_scores: Annotated[str, TIED_SCORES] = "half",
    later_only: Annotated[bool, LATER_ONLY] = False,
    shuffle_ties: Annotated[int | None, SHUFFLE_TIES] = None,
    max_length: Annotated[
        int | None,
        typer.Option(
            help="Longest history, in events.", show_default="as in training"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the negatives.")] = 0,
) -> None:
    """Evaluate a trained model and write metrics.json into its run.

    With another protocol than that of the training the files are written
    into a folder of their own, evaluations/NAME.
    """
    config, _ = run_folder.read_run(run)
    load_tensorflow()
    from mgnm_tf.evaluation.protocol import Protocol
    from mgnm_tf.training.evaluate_run import evaluate_run
    from mgnm_tf.training.evaluate_run import evaluation_folder
    from mgnm_tf.training.run_protocol import protocol_of_run

    asked = {
        "negatives": negatives and read_negatives(negatives, "--negatives"),
        "exclude": exclude,
        "k": k and read_numbers(k, int, "--k"),
        "max_length": max_length,
    }
    with values_of_the_user():
        protocol = replace(
            protocol_of_run(config, part),
            gauc_weighting=gauc_weighting,
            seed=seed,
            later_only=later_only,
            shuffle_ties=shuffle_ties,
            aggregate=aggregate,
            tied_scores=tied_scores,
            **{name: one for name, one in asked.items() if one is not None},
        )
    verbose = int(sys.stdout.isatty())
    metrics = evaluate_run(run, data, protocol, verbose)
    _print_metrics(metrics)
    folder = evaluation_folder(run, Protocol.from_dict(metrics["protocol"]))
    console.print(f"The metrics are in {folder / run_folder.METRICS}.")


def _print_metrics(metrics: dict[str, Any]) -> None:
    """Prints the content of `metrics.json` of a run."""
    from mgnm_tf.evaluation.protocol import Protocol

    protocol = Protocol.from_dict(metrics["protocol"])
    values = metrics[protocol.part]
    # A table for each k, so that none is too wide for a terminal.
    for k in protocol.k:
        names = [
            name for name in values if name == "gauc" or name.endswith(f"@{k}")
        ]
        print_rows(
            [name.upper() for name in names],
            [[f"{values[name]:.4f}" for name in names]],
        )
    console.print(protocol.describe())
