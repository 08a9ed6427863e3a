"""Export of what a training run left."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import tensorflow as tf

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.item_features import read_item_features
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.export import export_folder
from mgnm_tf.export.export import write_description
from mgnm_tf.export.export import write_saved_model
from mgnm_tf.export.feature_map import FeatureMap
from mgnm_tf.export.feature_map import check_not_trained
from mgnm_tf.export.feature_map import check_vectors
from mgnm_tf.export.feature_map import learn_features
from mgnm_tf.export.onnx_graphs import check_onnx
from mgnm_tf.export.onnx_graphs import compare_onnx
from mgnm_tf.export.onnx_graphs import import_onnx
from mgnm_tf.export.onnx_graphs import write_onnx
from mgnm_tf.export.verification import Verification
from mgnm_tf.export.verification import verify
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.index.make_index import make_index
from mgnm_tf.index.vector_search import import_faiss
from mgnm_tf.models.loading import load_model
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.training.evaluate_run import same_data
from mgnm_tf.utils.files import atomic_folder
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import sha256
from mgnm_tf.utils.validation import check_positive_int

SAMPLE = 20_000
"""The most records that an export is verified on."""
SAMPLE_OF_PAIRS = 1_000
"""The same for models that look at each pair of history and candidate."""


def export_run(
    run: str | os.PathLike,
    out: str | os.PathLike,
    data: SequenceDataset | str | os.PathLike | None = None,
    sample: int | None = None,
    index: bool = False,
    onnx: bool = False,
    item_features: str | os.PathLike | pd.DataFrame | None = None,
    progress: Any = None,
) -> Verification:
    """Exports the model of a run and proves that it is the evaluated one.

    The test records are ranked twice, by the model in memory and, from raw
    ids, through the SavedModel. If ranks differ by more than rounding there
    is no export. See `export` for what the folder holds.

    Args:
        run: a finished run folder.
        out: the folder to make.
        data: the data set that the run was trained on, or its folder.
            Defaults to `None`: the folder noted in the run.
        sample: the most records that are ranked, drawn with seed 0 if there
            are more. Defaults to `None`: 20,000, or 1,000 for models that
            look at each pair of history and candidate.
        index: whether an index of the item vectors is written beside it.
            Defaults to `False`.
        onnx: whether encoder and item vectors are written for ONNX, too, and
            compared with the model by ONNX Runtime, see
            `mgnm_tf.export.onnx_graphs.write_onnx`. Defaults to `False`.
        item_features: a Parquet file or a table with `item_id` and what is
            known of the items, see `read_item_features`; from it vectors of
            new items are learned, see `mgnm_tf.export.feature_map`; not of a
            run that was trained with features, whose own projection makes
            them. Defaults to `None`.
        progress: is given how many records are ranked, and how many there
            are. Defaults to `None`.

    Returns:
        What was compared, with the metrics of both.

    Raises:
        OutputExistsError: something is at `out`.
        UserError: `run` is not a finished run, its data are not there, or
            the exported model ranks differently, or it has no index or no
            ONNX graphs, or features cannot be learned from; nothing is left
            of `out`.
    """
    run = Path(run)
    config, environment = run_folder.read_run(run)
    if (run / run_folder.BACKUP).exists():
        raise UserError(
            f"{run} is an unfinished run; continue it with `mgnm train`, and "
            "then export it."
        )
    if sample is not None:
        try:
            check_positive_int(sample, "sample")
        except (TypeError, ValueError) as error:
            raise UserError(str(error)) from error
    if index:
        import_faiss()
    if onnx:
        import_onnx()
    features = None
    if item_features is not None:
        features = read_item_features(item_features)
    with atomic_folder(out) as folder:
        data = same_data(run, data, environment["data"])
        vocabularies = Vocabularies.from_data(data)
        model = load_model(run / run_folder.MODEL)
        if onnx:
            check_onnx(model)
        if features is not None:
            check_not_trained(model)
            check_vectors(model)
        if sample is None:
            sample = SAMPLE if model.max_pairs is None else SAMPLE_OF_PAIRS
        metadata = write_saved_model(
            folder, model, vocabularies, config.max_length
        )
        verification = verify(
            folder / export_folder.SAVED_MODEL,
            model,
            data,
            _protocol(run, config),
            sample,
            progress,
        )
        if verification.different:
            raise UserError(
                f"The exported model is not the one that was evaluated: of "
                f"{verification.records:,} test records "
                f"{verification.different:,} are ranked differently, for "
                f"example {verification.example}; nothing was left of {out}."
            )
        if index:
            make_index(
                folder, tf.saved_model.load(folder / export_folder.SAVED_MODEL)
            )
        if onnx:
            length = metadata["max_length"]
            graphs = folder / export_folder.ONNX
            metadata["onnx"] = write_onnx(graphs, model, length)
            checked = compare_onnx(graphs, model, data, length)
            verification = replace(verification, onnx=checked)
        learned = None
        if model.item_features is not None:
            learned = FeatureMap.of_model(model)
        elif features is not None:
            learned = learn_features(model, vocabularies, features)
        if learned is not None:
            learned.save(folder / export_folder.FEATURES)
            metadata["item_features"] = learned.describe()
        metadata |= _provenance(run, config, environment, verification)
        card = _card(run, config, environment, data, verification)
        write_description(folder, metadata, card)
    return verification


def _protocol(run: Path, config: TrainConfig) -> Protocol:
    """Returns the protocol of the run's own evaluation of the test part."""
    path = run / run_folder.METRICS
    if path.is_file():
        protocol = Protocol.from_dict(read_json(path)["protocol"])
        if protocol.part == "test" and (
            protocol.max_length == config.max_length
        ):
            # The export ranks every record, from the data as they are.
            return replace(protocol, later_only=False, shuffle_ties=None)
    return Protocol(max_length=config.max_length)


def _provenance(run, config, environment, verification):
    """Returns what `export.json` says of where the model comes from."""
    return {
        "run": {"name": run.absolute().name, "config": _settings(config)},
        "fingerprints": {
            "data": environment["data"]["fingerprint"],
            "model": sha256(run / run_folder.MODEL),
        },
        "verification": {
            "protocol": verification.protocol.to_dict(),
            "records": verification.records,
            "total": verification.total,
            "equal": verification.equal,
            "in_memory": verification.in_memory,
            "exported": verification.exported,
        },
    }


def _card(run, config, environment, data, verification):
    """Returns the sections of the model card that a run adds."""
    about = environment["data"]
    metadata = about.get("metadata") or {}
    stated = {
        "source": _without_folder(metadata.get("source", "")),
        "licence": metadata.get("licence") or metadata.get("license"),
        "split": metadata.get("split"),
        "ratios": metadata.get("ratios"),
    }
    described = {
        "name": about["name"],
        **{key: value for key, value in stated.items() if value},
        "events": len(data.items),
        "users with training events": data.num_users,
        "items": data.num_items,
        "fingerprint": about["fingerprint"],
    }
    settings = {
        key: value
        for key, value in _settings(config).items()
        if value is not None and value != {}
    }
    metrics = {
        name.upper(): f"{verification.exported[name]:.4f} through this "
        f"SavedModel, {verification.in_memory[name]:.4f} in memory"
        for name in verification.exported
    }
    return {
        "Data": described,
        "Training": settings,
        "Protocol": verification.protocol.describe(),
        "Metrics": metrics,
        "Proof": verification.describe(),
    }


def _settings(config: TrainConfig) -> dict[str, Any]:
    """Returns the configuration, without the folder of the features."""
    name = _without_folder(config.item_features)
    return {**config.to_dict(), "item_features": name}


def _without_folder(source: str) -> str:
    """Returns the name of a file; folders are nobody's business."""
    return source if "://" in source else Path(source).name
