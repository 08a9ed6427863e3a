"""Evaluation of what a training run left."""

import os
from pathlib import Path
from typing import Any

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import evaluate
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.loading import load_model
from mgnm_tf.training import run_folder
from mgnm_tf.utils.files import write_json


def evaluate_run(
    run: str | os.PathLike,
    data: SequenceDataset | str | os.PathLike | None = None,
    protocol: Protocol | None = None,
    verbose: int = 1,
) -> dict[str, Any]:
    """Evaluates a run folder and writes `metrics.json` into it.

    Args:
        run: a finished run folder.
        data: the data set that the run was trained on, or its folder.
            `None` is the folder noted in the run.
        protocol: how to evaluate. `None` is `Protocol()` with the history
            length of the run.
        verbose: 0 silent, 1 progress bar.

    Returns:
        The content of `metrics.json`: the name of the evaluated part to its
        metrics, and "protocol" to the protocol.

    Raises:
        UserError: `run` is not a run folder, its data are not there, or
            `data` is another data set.
    """
    run = Path(run)
    config, environment = run_folder.read_run(run)
    data = same_data(run, data, environment["data"])
    if protocol is None:
        protocol = Protocol(max_length=config.max_length)
    model = load_model(run / run_folder.MODEL)
    return write_evaluation(run, model, data, protocol, verbose == 1)


def write_evaluation(
    folder: Path,
    model: SequentialRecommender,
    data: SequenceDataset,
    protocol: Protocol,
    verbose: bool,
) -> dict[str, Any]:
    """Evaluates a model, writes ranks and metrics, returns the metrics."""
    evaluation = evaluate(model, data, protocol, verbose=int(verbose))
    metrics = {
        protocol.part: evaluation.metrics(),
        "protocol": protocol.to_dict(),
    }
    evaluation.save(folder / run_folder.RANKS, overwrite=True)
    write_json(folder / run_folder.METRICS, metrics)
    return metrics


def same_data(
    run: Path,
    data: SequenceDataset | str | os.PathLike | None,
    recorded: dict[str, Any],
) -> SequenceDataset:
    """Returns the data set of a run after comparing its fingerprint.

    Args:
        run: the run folder.
        data: the data set, its folder, or `None` for the folder of the run.
        recorded: what `environment.json` says of the data.

    Raises:
        UserError: the data are not there or others.
    """
    if data is None:
        data = recorded["path"]
    if data is None:
        raise UserError(f"{run} does not say where its data are; name them.")
    where = "The data set given"
    if not isinstance(data, SequenceDataset):
        where = str(data)
        data = SequenceDataset.load(data)
    if data.fingerprint != recorded["fingerprint"]:
        raise UserError(
            f"{where} is not the data set that {run} was trained on "
            f"({recorded['name']}): their fingerprints differ."
        )
    return data
