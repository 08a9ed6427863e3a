"""The options that training has on the command line."""

import inspect
from typing import Annotated

import typer

from mgnm_tf.recipes.recipe import OBJECTIVES

OPTIONS: dict[str, tuple[type, str]] = {
    "objective": (str, f"What is minimised: {', '.join(OBJECTIVES)}."),
    "negatives": (str, "Negatives of each positive, or all."),
    "shared_negatives": (int, "Negatives that all positives of a batch share."),
    "sampling": (str, "How negatives are drawn: uniform or popularity."),
    "every_position": (
        str,
        "Learn at every position of a history (causal models): true or false.",
    ),
    "logq_correction": (
        str,
        "Correct the loss for how likely a draw was: true or false.",
    ),
    "optimizer": (str, "lazy_adam, or adam, adamw, adagrad, rmsprop, sgd."),
    "learning_rate": (float, "Step size of the optimizer."),
    "learning_rate_schedule": (
        str,
        "How it changes: constant, cosine or step.",
    ),
    "step_epochs": (int, "Epochs between two falls of the schedule step."),
    "schedule_decay": (float, "Factor of each fall of the schedule step."),
    "schedule_shift": (int, "Epochs that the schedule step is ahead."),
    "optimizer_l2": (float, "L2 term in the gradient of the optimizer adam."),
    "weight_decay": (float, "Decoupled weight decay of the optimizer."),
    "decay_exclude": (
        str,
        "Names of variables without decay and L2 term, with commas.",
    ),
    "amsgrad": (str, "Adam with the largest second moment: true or false."),
    "optimizer_epsilon": (float, "What the optimizer adds to its divisor."),
    "batch_size": (int, "Positives in a batch."),
    "max_length": (int, "Longest history, in events."),
    "epochs": (int, "Most passes over the training data."),
    "least_steps": (int, "Fewest steps of them all: small logs get more."),
    "patience": (int, "Epochs without improvement until training ends."),
    "monitor": (str, "What has to improve: val_ndcg@5, val_gauc, ..."),
    "validation_negatives": (str, "Negatives of a validation record, or all."),
    "training_exclude": (
        str,
        "What negatives of training avoid: history, user or none.",
    ),
    "validation_exclude": (
        str,
        "What is no negative in the validation: history, user or none.",
    ),
    "initial_stddev": (
        float,
        "Standard deviation of the first kernels, biases and tables.",
    ),
    "id_dropout": (
        float,
        "Share of look-ups by features alone, where --item-features is given.",
    ),
    "after": (str, "Recipe that is trained first, to start from."),
}
"""What a recipe holds, each with its type and a line of help."""

OF_THE_RUN: dict[str, tuple[type, str]] = {
    "seed": (int, "Seed of weights, order and negatives."),
    "init_from": (str, "Run folder whose weights are started from."),
    "continue_from": (
        str,
        "Run folder whose training goes on, on the new events of --data.",
    ),
    "item_features": (
        str,
        "Parquet file: item_id and columns that the item table is made of, "
        "too.",
    ),
    "steps_per_execution": (int, "Steps between two returns to Python."),
    "mixed_precision": (bool, "Compute in float16, which pays on GPUs."),
    "jit_compile": (bool, "Compile the training step with XLA."),
    "watch_test": (bool, "Rank the test part after each epoch; only noted."),
    "refit": (bool, "Then train on validation, too, as many epochs."),
}
"""What a recipe does not hold."""

_SHOWN = {
    "seed": "0",
    "steps_per_execution": "by the length of an epoch",
    "init_from": "new weights",
    "continue_from": "a new training",
    "item_features": "ids alone",
    "mixed_precision": False,
    "jit_compile": False,
    "watch_test": False,
    "refit": False,
}

# What `train`, `evaluate` and `compare` measure, alike in all.
_K = "Places that HIT, NDCG and MRR look at, or several with commas."
K = typer.Option("--k", help=_K, show_default="that of --monitor, or 5")
K_OF_THE_RUN = typer.Option("--k", help=_K, show_default="as in training")
AGGREGATE = typer.Option(
    "--aggregate",
    help="HIT, NDCG and MRR are means over samples, or over the user_pool.",
)
TIED_SCORES = typer.Option(
    "--tied-scores",
    help="What a negative with the score of the true item counts: half, or "
    "as one above it.",
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
TRACK = typer.Option(
    "--track",
    help="Follow the runs in mlflow, wandb or tensorboard as well.",
    show_default="nowhere",
)


def training_parameters(*without: str) -> list[inspect.Parameter]:
    """Returns what can be given of a configuration, as command parameters.

    Each is `None` where it is not given: then the recipe decides.

    Args:
        *without: names that the command does not take.
    """
    parameters = []
    for name, (kind, text) in {**OPTIONS, **OF_THE_RUN}.items():
        if name in without:
            continue
        flag = f"--{name.replace('_', '-')}"
        option = typer.Option(
            flag, help=text, show_default=_SHOWN.get(name, False)
        )
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[kind | None, option],
            )
        )
    # The names of before are taken, to say what they are called now.
    for name, kind in (("preset", str), ("correct_sampling", bool)):
        option = typer.Option(f"--{name.replace('_', '-')}", hidden=True)
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[kind | None, option],
            )
        )
    return parameters


def _number_or_all(text: str) -> int | str:
    """Reads a number of negatives or "all"."""
    try:
        return text if text == "all" else int(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"expected a number or 'all'. Received: {text!r}"
        ) from error
