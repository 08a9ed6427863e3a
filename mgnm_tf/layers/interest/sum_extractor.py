"""One interest of every level: the sum of its items."""

from keras import ops

from mgnm_tf.layers.interest.interest_extractor import InterestExtractor
from mgnm_tf.layers.interest.interest_extractor import all_exist
from mgnm_tf.serialization import register


@register
class SumExtractor(InterestExtractor):
    """Reads one interest off every level, the sum of the items.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        levels: float, (batch, levels, length, d), zero at invalid positions.
        valid_mask: bool, (batch, length), True first (right padding).
        training: bool; not used.

    Returns:
        Interests (batch, levels, 1, d), weights (batch, levels, 1, length),
        1 at each item, and True (batch, 1), see `InterestExtractor`.

    Masking: without any valid position the interest is zero.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import SumExtractor
    >>> levels = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> interests, _, _ = SumExtractor()(levels, np.ones((1, 2), "bool"))
    >>> print(interests.numpy())
    [[[[4. 6.]]]]

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest", SIGIR
    2022, table 3.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def call(self, levels, valid_mask, training=False):
        interests = ops.sum(levels, axis=2, keepdims=True)
        weights = ops.cast(valid_mask, "float32")[:, None, None]
        weights = ops.repeat(weights, levels.shape[1], axis=1)
        return interests, weights, all_exist(interests)
