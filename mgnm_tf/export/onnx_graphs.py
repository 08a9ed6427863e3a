"""Encoder and item vectors for ONNX, with a check by ONNX Runtime."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.export.onnx_lstm import as_lstm
from mgnm_tf.export.onnx_lstm import lstm_of_nodes
from mgnm_tf.export.onnx_steps import ENCODE_STEP
from mgnm_tf.export.onnx_steps import SCORE_STEP
from mgnm_tf.export.onnx_steps import OnnxSteps
from mgnm_tf.export.onnx_steps import step_functions
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.utils.recurrence import another_lstm

ENCODER = "encoder.onnx"
"""Users and histories -> interests."""
SCORER = "scorer.onnx"
"""Users, histories and item vectors -> scores."""
ITEM_VECTORS = "item_vectors.npy"
"""float32 (M + 1, d), the vectors of the items by their rows."""

NEEDED = frozenset({"interests", "item_vectors", "score_vectors"})
"""What a model must be able to do: see `mgnm_tf.models.capabilities`."""

_OPSET = 18
_CLOSE = 1e-4
"""The largest difference of scores, relative to the largest of a list."""
_LISTED = 256
"""Items whose scores by the steps are compared."""


@dataclass(frozen=True)
class OnnxCheck:
    """How near the scores of ONNX Runtime are to those of the model.

    Args:
        records: the test records whose scores of all items were compared.
        difference: the largest difference of two scores, relative to the
            largest score of the record.
    """

    records: int
    difference: float

    def describe(self) -> str:
        """Returns what was compared as one sentence."""
        return (
            f"ONNX Runtime gave all items their scores on {self.records:,} "
            f"test records: they differ from those of the model by "
            f"{self.difference:.1e} of the largest score at most."
        )


def import_onnx() -> tuple[Any, Any]:
    """Returns the modules tf2onnx and onnxruntime.

    Raises:
        UserError: one of them is not installed.
    """
    try:
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise UserError(
            "An ONNX export needs tf2onnx and onnxruntime; install them with: "
            'pip install "mgnm-tf[onnx]"'
        ) from error
    return tf2onnx, onnxruntime


def check_onnx(model: SequentialRecommender) -> None:
    """Checks that a model has what is written.

    Raises:
        UserError: the model does not score by item vectors.
    """
    if not NEEDED <= model.capabilities:
        raise UserError(
            f"{type(model).__name__} does not score items by vectors, so it "
            "has no encoder that could be written as ONNX; leave --onnx out."
        )


def write_onnx(
    path: str | os.PathLike,
    model: SequentialRecommender,
    max_length: int,
) -> dict[str, Any]:
    """Writes two graphs and the item vectors.

    - `encoder.onnx`: `user` (B,) int32, `history` (B, `max_length`) int32 and,
      from models that read times, `history_time` of that shape ->
      `interests` (B, n, d) float32;
    - `scorer.onnx`: the same and `vectors` (V, d) float32 -> `scores` (B, V)
      float32, those of the items that have these vectors;
    - `item_vectors.npy`: float32 (M + 1, d), row 0 is padding;
    - `encode_step.onnx` and `score_step.onnx`, which a `Recommender` takes
      instead of TensorFlow: see `step_functions`. Models that read more than
      users and histories, compute in fewer bits, or have loops that ONNX
      cannot express at any length do without.

    Users and items are rows, that of an id its line in the vocabulary of the
    export, from 1; user 0 is unknown. Histories are oldest first, padded with 0
    at the end. A graph has no input that its model does not read.

    Args:
        path: the folder to make.
        model: the trained model.
        max_length: the longest history that it reads.

    Returns:
        What `export.json` says of them: file -> input -> dtype and shape.

    Raises:
        UserError: tf2onnx is not installed, the model does not score by item
            vectors, or an operation of it has no counterpart in ONNX.
    """
    tf2onnx, _ = import_onnx()
    check_onnx(model)
    path = Path(path)
    path.mkdir()
    vectors = np.asarray(model.item_vectors(), np.float32)
    np.save(path / ITEM_VECTORS, vectors, allow_pickle=False)
    features = _features(model, max_length)
    spec = tf.TensorSpec((None, vectors.shape[1]), tf.float32, name="vectors")
    graphs = {
        ENCODER: (lambda batch: {"interests": model.interests(batch)}, ()),
        SCORER: (
            lambda batch, vectors: {
                "scores": tf.cast(
                    model.score_vectors(model.encode(batch), vectors),
                    tf.float32,
                )
            },
            (spec,),
        ),
    }
    described = {}
    for name, (function, more) in graphs.items():
        described[name] = _convert(
            tf2onnx, function, features, more, path / name, type(model).__name__
        )
    return described | _write_steps(tf2onnx, path, model)


def _write_steps(
    tf2onnx: Any, path: Path, model: SequentialRecommender
) -> dict[str, Any]:
    """Writes the two steps of serving, where the model has such."""
    found = step_functions(model)
    if found is None:
        return {}
    described = {}
    try:
        for name, (function, specs) in found.items():
            described[name] = _convert(
                tf2onnx,
                lambda _, *values, function=function: function(*values),
                [],
                specs,
                path / name,
                type(model).__name__,
            )
    except UserError:  # For histories of any length it has no counterpart.
        for name in (ENCODE_STEP, SCORE_STEP):
            (path / name).unlink(missing_ok=True)
        return {}
    return described


def _features(
    model: SequentialRecommender, max_length: int
) -> list[tf.TensorSpec]:
    """Returns what the encoder reads, with a fixed length of histories."""
    return [
        tf.TensorSpec((None, max_length)[: len(spec.shape)], spec.dtype, name)
        for name, spec in model.input_signature().items()
        if not name.startswith("candidate")
    ]


def _convert(
    tf2onnx: Any,
    function: Any,
    features: list[tf.TensorSpec],
    more: tuple[tf.TensorSpec, ...],
    path: Path,
    name: str,
) -> dict[str, Any]:
    """Writes one graph and returns what it takes."""
    names = [spec.name for spec in features]

    def flat(*values):
        batch = dict(zip(names, values[: len(names)], strict=True))
        return function(batch, *values[len(names) :])

    specs = [*features, *more]
    # A loop of many nodes takes several times as long.
    handlers = {"BlockLSTM": (as_lstm, [])}
    graph = tf.function(flat, input_signature=specs, autograph=False)
    with _silent(), another_lstm(lstm_of_nodes):
        try:
            proto, _ = tf2onnx.convert.from_function(
                graph,
                input_signature=specs,
                opset=_OPSET,
                custom_op_handlers=handlers,
            )
        except Exception as error:  # Whatever an operation of it raises.
            raise UserError(
                f"{name} cannot be written as ONNX by tf2onnx "
                f"{tf2onnx.__version__}: {str(error).splitlines()[0]}"
            ) from error
    path.write_bytes(proto.SerializeToString())
    read = {one.name for one in proto.graph.input}
    return {
        spec.name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
        for spec in specs
        if spec.name in read
    }


@contextmanager
def _silent() -> Iterator[None]:
    """Keeps the notes of the conversion to itself."""
    logger = logging.getLogger("tf2onnx")
    before, logger.level = logger.level, logging.CRITICAL
    try:
        yield
    finally:
        logger.level = before


def compare_onnx(
    path: str | os.PathLike,
    model: SequentialRecommender,
    data: SequenceDataset,
    max_length: int,
    records: int = 256,
) -> OnnxCheck:
    """Compares the scores of ONNX Runtime with those of the model.

    Args:
        path: the folder that `write_onnx` made.
        model: the model in memory.
        data: the data that it was trained on.
        max_length: the longest history that it reads.
        records: how many test records are compared, rounded up to whole
            batches of 32. Defaults to 256.

    Raises:
        UserError: onnxruntime is not installed, or a score differs by more
            than a rounding.
    """
    _, onnxruntime = import_onnx()
    path = Path(path)
    vectors = np.load(path / ITEM_VECTORS, allow_pickle=False)
    session = onnxruntime.InferenceSession(
        path / SCORER, providers=["CPUExecutionProvider"]
    )
    read = [one.name for one in session.get_inputs()]
    steps = OnnxSteps(path) if OnnxSteps.there(path) else None
    count, largest = 0, 0.0
    for batch in _histories(model, data, max_length, records):
        ours = model.score_vectors(model.encode(batch), vectors[1:])
        ours = np.asarray(ours, np.float32)
        given = {**batch, "vectors": vectors[1:]}
        (theirs,) = session.run(["scores"], {key: given[key] for key in read})
        if steps is not None:
            encoded, _ = steps.encode(batch)
            listed = np.tile(vectors[1 : _LISTED + 1], (len(ours), 1, 1))
            by_step = steps.score_each(encoded, listed)
            theirs = np.append(theirs, by_step, axis=1)
            ours = np.append(ours, ours[:, :_LISTED], axis=1)
        scale = np.abs(ours).max(axis=1, keepdims=True)
        difference = np.abs(ours - theirs) / np.maximum(scale, 1e-3)
        count += len(ours)
        largest = max(largest, float(difference.max()))
    if not largest <= _CLOSE:  # NaN included.
        raise UserError(
            f"ONNX Runtime does not give the scores of the model: they differ "
            f"by {largest:.1e} of the largest score on {count:,} test records, "
            f"more than {_CLOSE:.0e}."
        )
    return OnnxCheck(count, largest)


def _histories(
    model: SequentialRecommender,
    data: SequenceDataset,
    max_length: int,
    records: int,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields test histories of one width, as the graphs take them."""
    batches = make_dataset(
        data,
        "test",
        batch_size=32,
        max_length=max_length,
        negatives=0,
        features=[
            name
            for name in model.required_features
            if not name.startswith("candidate")
        ],
        bucket_widths=(),
    )
    kinds = {spec.name: spec.dtype for spec in _features(model, max_length)}
    for batch, _ in batches.take(-(-records // 32)).as_numpy_iterator():
        yield {
            name: batch[name].astype(kind.as_numpy_dtype)
            for name, kind in kinds.items()
        }
