"""Encoding and scoring of an export by ONNX Runtime."""

import os
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mgnm_tf.models.base import SequentialRecommender

ENCODE_STEP = "encode_step.onnx"
"""Users and histories -> interests, and what the model scores by."""
SCORE_STEP = "score_step.onnx"
"""What the model scores by, vectors of candidates -> scores."""

_INPUTS = ("user", "history")


def step_functions(
    model: SequentialRecommender,
) -> dict[str, tuple[Callable, list[tf.TensorSpec]]] | None:
    """Returns the steps of a model as functions to be written.

    - `encode_step.onnx`: `user` (B,) and `history` (B, m) int32, m as long as
      the longest -> `interests` (B, n, d) float32 and `encoded_0`,
      `encoded_1`, ...: what `score` takes, flattened;
    - `score_step.onnx`: these and `vectors` (B, C, d) float32 -> `scores`
      (B, C) float32.

    Args:
        model: a model that scores by item vectors.

    Returns:
        File -> function of tensors and its inputs; `None` where the model
        reads more than users and histories, or computes in fewer bits.
    """
    names = set(model.input_signature()) - {"candidates"}
    if names != set(_INPUTS) or model.compute_dtype != "float32":
        return None
    read = [
        tf.TensorSpec([None], tf.int32, "user"),
        tf.TensorSpec([None, None], tf.int32, "history"),
    ]
    traced = tf.function(
        lambda user, history: model.encode({"user": user, "history": history}),
        input_signature=read,
        autograph=False,
    )
    structure = traced.get_concrete_function().structured_outputs
    width = model.item_vectors().shape[1]
    scored_by = [
        tf.TensorSpec([None, *one.shape[1:]], one.dtype, f"encoded_{number}")
        for number, one in enumerate(tf.nest.flatten(structure))
    ]

    def encode(user, history):
        encoded = model.encode({"user": user, "history": history})
        interests = encoded
        if isinstance(encoded, Mapping):
            interests = encoded["interests"]
        rows = tf.shape(interests)[0]
        found = {"interests": tf.reshape(interests, [rows, -1, width])}
        for spec, one in zip(scored_by, tf.nest.flatten(encoded), strict=True):
            found[spec.name] = tf.identity(one)
        return found

    def score(*values):
        encoded = tf.nest.pack_sequence_as(structure, values[:-1])
        return {"scores": model.score_vectors(encoded, values[-1])}

    vectors = tf.TensorSpec([None, None, width], tf.float32, "vectors")
    return {
        ENCODE_STEP: (encode, read),
        SCORE_STEP: (score, [*scored_by, vectors]),
    }


class OnnxSteps:
    """Runs the steps that `write_onnx` wrote; any number of threads may.

    A call runs on the thread that calls, as waiting for others costs more
    than they save where milliseconds count.

    Letters in shapes: B users, n interests, C candidates, m length, d width.

    Args:
        folder: of the graphs.

    Raises:
        ImportError: onnxruntime is not installed.
    """

    def __init__(self, folder: str | os.PathLike):
        self._encoder = _session(Path(folder) / ENCODE_STEP)
        self._scorer = _session(Path(folder) / SCORE_STEP)
        self._reads = [one.name for one in self._encoder.get_inputs()]
        self._gives = [one.name for one in self._encoder.get_outputs()]
        self._scores_by = [one.name for one in self._scorer.get_inputs()]

    @staticmethod
    def there(folder: str | os.PathLike) -> bool:
        """Whether a folder has both steps."""
        return all(
            (Path(folder) / name).is_file()
            for name in (ENCODE_STEP, SCORE_STEP)
        )

    def encode(
        self, features: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Encodes histories.

        Args:
            features: `user` int32 (B,), `history` int32 (B, m), rows, oldest
                first, padded with 0 at the end.

        Returns:
            What the model scores by, by name, B first; `interests` float32
            (B, n, d).
        """
        given = {name: features[name] for name in self._reads}
        found = dict(
            zip(self._gives, self._encoder.run(None, given), strict=True)
        )
        interests = found.pop("interests")
        return found, interests

    def score_each(
        self, encoded: Mapping[str, np.ndarray], vectors: np.ndarray
    ) -> np.ndarray:
        """Scores items by their vectors.

        Args:
            encoded: what `encode` returned for B histories.
            vectors: float32 (B, C, d).

        Returns:
            float32 (B, C).
        """
        if not vectors.size:  # A graph may not take what has no candidate.
            return np.zeros(vectors.shape[:2], np.float32)
        given = {**encoded, "vectors": vectors}
        given = {name: given[name] for name in self._scores_by}
        return self._scorer.run(["scores"], given)[0]


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
