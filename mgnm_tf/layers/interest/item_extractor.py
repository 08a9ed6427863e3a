"""The items of every level as its interests."""

from mgnm_tf.layers.interest.interest_extractor import InterestExtractor
from mgnm_tf.serialization import register


@register
class ItemExtractor(InterestExtractor):
    """Takes every item for an interest, for a candidate to attend to.

    There are as many interests as items; padding is none.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        levels: float, (batch, levels, length, d).
        valid_mask: bool, (batch, length), True first (right padding).
        training: bool; not used.

    Returns:
        `levels`, `None` and `valid_mask`, see `InterestExtractor`.

    Masking: see `InterestAttention`, which leaves out what does not exist.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import ItemExtractor
    >>> levels = np.ones((2, 3, 5, 8), "float32")
    >>> mask = np.ones((2, 5), "bool")
    >>> ItemExtractor()(levels, mask)[0].shape
    TensorShape([2, 3, 5, 8])

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest", SIGIR
    2022, table 3.
    """

    interests_per_level = None
    gives_weights = False

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def call(self, levels, valid_mask, training=False):
        return levels, None, valid_mask
