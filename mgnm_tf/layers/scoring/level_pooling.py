"""One score from the scores of all levels."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.validation import check_choice

MODES = ("max", "sum", "mean", "last")


@register
class LevelPooling(keras.layers.Layer):
    """Pools the scores of all levels of a candidate into one.

    With `"max"` every candidate is scored on the level that suits it best
    (equation 15 of MGNM).

    Args:
        mode: `"max"`, `"sum"`, `"mean"`, or `"last"` (the highest level
            alone). Defaults to `"max"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        scores: float, (batch, levels, C).

    Returns:
        float, (batch, C).

    Raises:
        ValueError: `mode` is unknown.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import LevelPooling
    >>> scores = np.array([[[1.0, 5.0], [2.0, 4.0]]], "float32")
    >>> np.asarray(LevelPooling()(scores)).tolist()
    [[2.0, 5.0]]

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest", SIGIR
    2022, equation 15; `"sum"` is the alternative of its figure 7.
    """

    def __init__(self, mode: str = "max", **kwargs):
        check_choice(mode, "mode", MODES)
        super().__init__(**kwargs)
        self.mode = mode
        self.built = True

    def call(self, scores):
        if self.mode == "last":
            return scores[:, -1]
        return getattr(ops, self.mode)(scores, axis=1)

    def compute_output_shape(self, scores_shape):
        return (scores_shape[0], scores_shape[2])

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}
