"""Writes a model as a SavedModel that is served without this package."""

import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mgnm_tf.errors import UserError
from mgnm_tf.export import export_folder
from mgnm_tf.export.model_card import model_card
from mgnm_tf.export.served_model import ServedModel
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.utils.files import atomic_folder
from mgnm_tf.utils.files import atomic_write
from mgnm_tf.utils.files import sha256
from mgnm_tf.utils.files import write_json
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.version import __version__


def export(
    model: SequentialRecommender,
    vocabularies: Vocabularies,
    path: str | os.PathLike,
    *,
    max_length: int | None = None,
    card: Mapping[str, Any] | None = None,
) -> Path:
    """Writes a folder that recommends: raw ids in, raw ids out.

    It holds `1/` (a SavedModel in the layout of TensorFlow Serving),
    `vocabulary/` (the ids as text), `README.md` (a model card) and
    `export.json` (signatures, versions, checksums). The SavedModel needs
    TensorFlow, but not this package. Its signatures:

    - `recommend`, which is `serving_default`, too: `user_id` (B,) string,
      `history` (B, m) string, `k` () int32, `exclude_seen` () bool ->
      `item_ids` (B, k) string, `scores` (B, k) float32, best first. Where
      fewer than k items are left, "" with the score -inf. `k` and
      `exclude_seen` may be (B,), the same for each user, too, as in the
      `instances` of REST.
    - `score`: `user_id`, `history`, `candidates` (B, C) string -> `scores`
      (B, C) float32, -inf for items that the model does not know.
    - `interests` (models that have them): `user_id`, `history` ->
      `interests` (B, n, d) float32 and, from models with several,
      `attention` (B, n, m) float32, `level` (n,) and `interest` (n,) int32.
    - `interest_distribution` (models that predict which interest is next, and
      mix their interests by it): `user_id`, `history` -> `distribution` (B, K)
      float32, which sums to 1, `interests` (B, K, d) float32 that it mixes,
      and their `attention`, `level` and `interest`.
    - `score_vectors` (models that score by `item_vectors()`): `user_id`,
      `history`, `vectors` (V, d) float32 -> `scores` (B, V) float32.

    A history is oldest first; "" is padding, on either side or in between;
    unknown items are left out; of the rest the last `max_length` are read.
    A model that reads times takes `history_time` (B, m) int64 and `time`
    (B,) int64, in seconds, too. A user whom the model does not know is
    served by its mean user, and an empty history by popularity: the score of
    an item is its share of all training events.

    Of a model that reads histories alone (most do, as MGNM without
    `user_aware`) `user_id` changes nothing, and the folder holds no id of a
    user (`reads_users` in `export.json`).

    Args:
        model: the trained model.
        vocabularies: its raw ids.
        path: the folder to make.
        max_length: the longest history that the model reads. Defaults to
            `None`: that of the model, or 100 if it has none.
        card: heading to text or to a dict, what the model card says besides:
            data, protocol, metrics. JSON values. Defaults to `None`.

    Returns:
        The path of the folder.

    Raises:
        OutputExistsError: something is at `path`.
        UserError: model and vocabularies do not fit together, or the folder
            cannot be written; nothing is left of it.

    Example:

    >>> import numpy as np, tempfile
    >>> from mgnm_tf import create_model
    >>> from mgnm_tf.export import Vocabularies, export
    >>> from mgnm_tf.serving import Recommender
    >>> words = Vocabularies(["ann"], ["tea", "milk", "jam"], [3, 1, 2])
    >>> model = create_model("gru4rec", 1, 3)
    >>> folder = export(model, words, tempfile.mkdtemp() + "/served")
    >>> recommender = Recommender.load(folder)
    >>> list(recommender.recommend([[]], k=2)["item_id"])
    ['tea', 'jam']
    """
    with atomic_folder(path) as folder:
        metadata = write_saved_model(folder, model, vocabularies, max_length)
        write_description(folder, metadata, card or {})
    return Path(path)


def make_served(
    model: SequentialRecommender,
    vocabularies: Vocabularies,
    max_length: int | None,
) -> tuple[ServedModel, dict[str, Any], dict[str, Any]]:
    """Makes what an export serves, and says what is known of it.

    Args:
        model: the trained model.
        vocabularies: its raw ids.
        max_length: see `export`.

    Returns:
        The served model, its signatures by name, and the metadata.

    Raises:
        UserError: model and vocabularies do not fit together.
    """
    if not isinstance(model, SequentialRecommender):
        raise UserError(
            "`model` must be a SequentialRecommender. Received: "
            f"{type(model).__name__}"
        )
    max_length = _max_length(model, max_length)
    served = ServedModel(model, vocabularies, max_length)
    signatures = served.signatures()
    interests = {}
    if "interests" in signatures:
        outputs = signatures["interests"].structured_outputs
        _, count, width = outputs["interests"].shape
        interests = {"count": count, "dim": width}
        if "level" in outputs:
            interests["labels"] = model.interest_labels()
    metadata = {
        "model": type(model).__name__,
        "num_users": model.num_users,
        "num_items": model.num_items,
        "max_length": max_length,
        "reads_times": "time"
        in signatures["score"].structured_input_signature[1],
        "reads_users": served.reads_users,
        "fixed_shapes": served.fixed_shapes,
        "rows_at_a_time": served.rows_at_a_time,
        # In fewer bits a score may be rounded up.
        "scores_within_products": "interests" in signatures
        and "score_vectors" in signatures
        and model.scores_within_products
        and model.compute_dtype == "float32",
        "interests": interests or None,
        "signatures": {
            name: _describe(function) for name, function in signatures.items()
        },
        "versions": {
            "mgnm_tf": __version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "python": platform.python_version(),
        },
    }
    return served, signatures, metadata


def write_saved_model(
    folder: Path,
    model: SequentialRecommender,
    vocabularies: Vocabularies,
    max_length: int | None,
) -> dict[str, Any]:
    """Writes SavedModel and vocabularies; returns what is known of them.

    Args:
        folder: the folder of the export, which is there.
        model: the trained model.
        vocabularies: its raw ids.
        max_length: see `export`.

    Raises:
        UserError: model and vocabularies do not fit together.
        OSError: a file cannot be written.
    """
    served, signatures, metadata = make_served(model, vocabularies, max_length)
    if not metadata["reads_users"]:
        vocabularies = replace(vocabularies, user_ids=[])
    _save(served, folder / export_folder.SAVED_MODEL, signatures)
    export_folder.write_vocabularies(folder, vocabularies)
    return metadata


def _save(served: Any, path: Path, signatures: Mapping[str, Any]) -> None:
    """Writes the SavedModel; what TensorFlow cannot write is an `OSError`."""
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    try:
        tf.saved_model.save(
            served, path, signatures=signatures, options=options
        )
    except tf.errors.OpError as error:
        # "{{node}} hidden/path; No space left on device [Op:SaveV2]"
        reason = error.message.rpartition("; ")[2].partition(" [Op:")[0]
        raise OSError(reason) from error


def write_description(
    folder: Path, metadata: Mapping[str, Any], card: Mapping[str, Any]
) -> None:
    """Writes `README.md` and `export.json` of an export.

    Args:
        folder: the folder of the export.
        metadata: the result of `write_saved_model`.
        card: see `export`.
    """
    atomic_write(folder / export_folder.MODEL_CARD, model_card(metadata, card))
    content = {
        "format": export_folder.FORMAT,
        "format_version": export_folder.FORMAT_VERSION,
        **metadata,
        "card": dict(card),
        "sha256": {
            path.relative_to(folder).as_posix(): sha256(path)
            for name in (
                export_folder.SAVED_MODEL,
                export_folder.VOCABULARY,
                export_folder.ONNX,
                export_folder.FEATURES,
            )
            for path in sorted((folder / name).rglob("*"))
            if path.is_file()
        },
    }
    write_json(folder / export_folder.HEADER, content)


def _max_length(model: SequentialRecommender, max_length: int | None) -> int:
    """Returns the longest history that the exported model reads."""
    limit = getattr(model, "max_length", None)
    if max_length is None:
        return limit or 100
    try:
        check_positive_int(max_length, "max_length")
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from error
    if limit is not None and max_length > limit:
        raise UserError(
            f"The model reads histories of at most {limit} items. Received: "
            f"max_length={max_length}"
        )
    return max_length


def _describe(function: Any) -> dict[str, Any]:
    """Returns names, dtypes and shapes of a signature; any shape is null."""
    sides = {
        "inputs": function.structured_input_signature[1],
        "outputs": function.structured_outputs,
    }
    return {
        side: {
            name: {"dtype": spec.dtype.name, "shape": _sizes(spec.shape)}
            for name, spec in specs.items()
        }
        for side, specs in sides.items()
    }


def _sizes(shape: tf.TensorShape) -> list[int | None] | None:
    return None if shape.rank is None else shape.as_list()
