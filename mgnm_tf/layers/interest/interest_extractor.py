"""The contract of layers that read interests off every level of a history."""

import keras
from keras import ops


class InterestExtractor(keras.layers.Layer):
    """Reads interests off the levels of a history, each level on its own.

    A subclass writes `call` and says what it gives. Those that learn are
    sequence layers as well, by inheritance: they apply themselves to every
    level, and their weights have the paths of the sequence layer.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        levels: float, (batch, levels, length, d), zero at invalid positions.
        valid_mask: bool, (batch, length), True first (right padding).
        training: bool.

    Returns:
        Three tensors: the interests, float, (batch, levels, K, d); the
        weights of the items in them, none below 0, float32, (batch, levels,
        K, length), or `None`, see `gives_weights`; and which interests
        exist, bool, (batch, K).

    Masking: invalid positions change no interest that exists, and have the
    weight 0.
    """

    interests_per_level: int | None = 1
    """K; `None` where it is the length of the history."""

    gives_weights: bool = True
    """Whether an interest is a weighted sum whose weights are known."""

    def compute_output_shape(self, levels_shape, valid_mask_shape=None):
        batch, levels, length, dim = levels_shape
        count = self.interests_per_level or length
        weights = (batch, levels, count, length)
        return (
            (batch, levels, count, dim),
            weights if self.gives_weights else None,
            (batch, count),
        )

    def compute_output_spec(self, levels, *args, **kwargs):
        shapes = self.compute_output_shape(levels.shape)
        dtypes = (self.compute_dtype, "float32", "bool")
        return tuple(
            None if shape is None else keras.KerasTensor(shape, dtype=dtype)
            for shape, dtype in zip(shapes, dtypes, strict=True)
        )


def fold_levels(levels, valid_mask):
    """Puts every level of a batch into a row of its own.

    Args:
        levels: (batch, levels, length, d).
        valid_mask: bool, (batch, length).

    Returns:
        (batch * levels, length, d) and (batch * levels, length).
    """
    _, count, _, dim = levels.shape
    folded = ops.reshape(levels, (-1, ops.shape(levels)[2], dim))
    return folded, ops.repeat(valid_mask, count, axis=0)


def all_exist(interests):
    """Returns True for each of the interests (batch, levels, K, d)."""
    return ops.ones_like(interests[:, 0, :, 0], dtype="bool")
