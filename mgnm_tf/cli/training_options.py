"""The options that training has on the command line, one a field."""

import inspect
import typing
from typing import Annotated

import typer

from mgnm_tf.runs.config import MONITORS
from mgnm_tf.runs.config import OBJECTIVES
from mgnm_tf.runs.config import TrainConfig

HELP = {
    "objective": f"What is minimised: {' or '.join(OBJECTIVES)}.",
    "negatives": "Negatives of each positive.",
    "shared_negatives": "Negatives that all positives of a batch share.",
    "sampling": "How negatives are drawn: uniform or popularity.",
    "correct_sampling": "Correct the loss for how likely a draw was.",
    "batch_size": "Positives in a batch.",
    "max_length": "Longest history, in events.",
    "learning_rate": "Step size of the optimizer.",
    "learning_rate_schedule": "How it changes: constant or cosine.",
    "epochs": "Most passes over the training data.",
    "patience": "Epochs without improvement after which training ends.",
    "monitor": f"What has to improve: {', '.join(MONITORS)}.",
    "validation_negatives": "Negatives of each validation record.",
    "seed": "Seed of weights, order and negatives.",
    "steps_per_execution": "Steps between two returns to Python.",
    "mixed_precision": "Compute in float16, which pays on GPUs.",
    "jit_compile": "Compile the training step with XLA.",
}

# What `evaluate` and `compare` rank and average, alike in both.
K = typer.Option(
    "--k",
    help="Places that HIT, NDCG and MRR look at, or several with commas.",
)
AGGREGATE = typer.Option(
    "--aggregate",
    help="HIT, NDCG and MRR are means over samples, or over the user_pool.",
)
LATER_ONLY = typer.Option(
    "--later-only",
    help="Count only records later than the event before them.",
)
SHUFFLE_TIES = typer.Option(
    "--shuffle-ties",
    metavar="SEED",
    help="Draw the order of earlier events of one time by this seed.",
    show_default="the order of the source",
)

_DEFAULTS_IN_WORDS = {
    "negatives": "5 with paper, or 0",
    "shared_negatives": "0 with paper, or 1000",
    "steps_per_execution": "by the length of an epoch",
}


def training_parameters(*without: str) -> list[inspect.Parameter]:
    """Returns the fields of `TrainConfig` as parameters of a command.

    Args:
        *without: fields that the command does not take.
    """
    hints = typing.get_type_hints(TrainConfig)
    parameters = []
    for name, text in HELP.items():
        if name in without:
            continue
        kind = hints[name]
        if typing.get_origin(kind) is typing.Literal:
            # As text, so that our own message names the nearest choice.
            kind = str
        option = typer.Option(
            # Named, because a flag would get a --no-... beside it.
            f"--{name.replace('_', '-')}",
            help=text,
            show_default=_DEFAULTS_IN_WORDS.get(name, kind is not bool),
        )
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=getattr(TrainConfig, name),
                annotation=Annotated[kind, option],
            )
        )
    return parameters
