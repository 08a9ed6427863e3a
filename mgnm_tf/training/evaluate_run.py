"""Evaluation of what a training run left."""

import os
from pathlib import Path
from typing import Any

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.beyond_accuracy import beyond_accuracy
from mgnm_tf.evaluation.evaluate import evaluate
from mgnm_tf.evaluation.evaluate import followed
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.run import Run
from mgnm_tf.training.refit import check_unseen
from mgnm_tf.training.run_protocol import protocol_of_run
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json


def evaluate_run(
    run: str | os.PathLike,
    data: SequenceDataset | str | os.PathLike | None = None,
    protocol: Protocol | None = None,
    verbose: int = 1,
    replace: bool = False,
) -> dict[str, Any]:
    """Evaluates a run folder and writes metrics and ranks into it.

    They are written to `evaluation_folder`: a protocol other than that of
    the run does not touch the run's own metrics, which a comparison reads.

    Args:
        run: a finished run folder.
        data: the data set that the run was trained on, or its folder.
            `None` is the folder noted in the run.
        protocol: how to evaluate. `None` is `protocol_of_run`.
        verbose: 0 silent, 1 progress bar.
        replace: whether the run's own metrics are replaced, whatever their
            protocol.

    Returns:
        The content of `metrics.json`: the name of the evaluated part to its
        metrics, "protocol" to the protocol that was followed, and "samples"
        to the number of samples `ranked` and `without_negatives`.

    Raises:
        UserError: `run` is not a run folder, its data are not there, `data`
            is another data set, no sample has a negative, or a refit is to
            be evaluated on the validation part, which it was trained on.
    """
    run = Path(run)
    made = Run(run)
    config = made.config
    data = same_data(run, data, made.environment["data"])
    if protocol is None:
        protocol = protocol_of_run(config)
    check_unseen(config, protocol, str(run))
    protocol = followed(protocol, data)
    model = made.load_model()
    folder = run if replace else evaluation_folder(run, protocol)
    return write_evaluation(folder, model, data, protocol, verbose == 1)


def evaluation_folder(run: str | os.PathLike, protocol: Protocol) -> Path:
    """Returns where the metrics of a run by a protocol stand.

    It is the run folder itself for the protocol of the run, and
    `evaluations/<name of the protocol>` in it for another one.

    Args:
        run: the run folder.
        protocol: a protocol that can be followed on the data, see
            `mgnm_tf.evaluation.evaluate.followed`.
    """
    run = Path(run)
    own = run / run_folder.METRICS
    if own.is_file():
        stored = Protocol.from_dict(read_json(own)["protocol"])
        if stored != protocol:
            return run / run_folder.EVALUATIONS / protocol.name
    return run


def write_evaluation(
    folder: Path,
    model: SequentialRecommender,
    data: SequenceDataset,
    protocol: Protocol,
    verbose: bool,
) -> dict[str, Any]:
    """Evaluates a model, writes what is found, returns the metrics."""
    evaluation = evaluate(model, data, protocol, verbose=int(verbose))
    metrics = {
        protocol.part: evaluation.metrics(),
        "protocol": evaluation.protocol.to_dict(),
        "samples": evaluation.counts(),
    }
    evaluation.save(folder / run_folder.RANKS, overwrite=True)
    lists = beyond_accuracy(model, data, evaluation.protocol)
    write_json(folder / run_folder.BEYOND_ACCURACY, lists)
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
