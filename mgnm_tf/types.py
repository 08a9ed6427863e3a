"""Types shared by the whole library."""

from typing import Any

Tensor = Any
"""A tensor of the active Keras backend, a `KerasTensor` or a NumPy array.

The three have no common base class, hence an alias of `Any`.
"""

Features = dict[str, Tensor]
"""A batch as the pipeline makes it; keys and shapes stand in `BATCH_KEYS`."""

Shape = tuple[int | None, ...]

BATCH_KEYS = {
    "user": "(batch,) int32, 0 = unknown user",
    "history": "(batch, length) int32, oldest first, 0 = padding at the end",
    "candidates": "(batch, candidates) int32, the positive in column 0",
    "shared_negatives": "(shared,) int32, negatives of the whole batch",
    "history_time": "(batch, length) int64, seconds, 0 on padding",
    "candidate_time": "(batch, candidates) int64, seconds",
    "history_category": "(batch, length) int32, 0 = none",
    "candidate_category": "(batch, candidates) int32, 0 = none",
    "positions": (
        "(targets,) int32, where in the flattened history each target is "
        "predicted from; added by the pipeline with `every_position`"
    ),
    "log_sampling_probability": (
        "(batch, candidates + shared) float32, added by the pipeline where a "
        "correction for the sampling probability is asked for"
    ),
}

OPTIONAL_FEATURES = {
    "history_time": ((None, None), "int64"),
    "candidate_time": ((None, None), "int64"),
    "history_category": ((None, None), "int32"),
    "candidate_category": ((None, None), "int32"),
}
"""What only some models read: shape and dtype in `keras.InputSpec`."""
