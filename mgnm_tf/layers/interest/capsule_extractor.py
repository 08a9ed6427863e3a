"""Interests of every level, read by one sequential capsule network."""

from keras import ops

from mgnm_tf.layers.interest.interest_extractor import InterestExtractor
from mgnm_tf.layers.interest.interest_extractor import all_exist
from mgnm_tf.layers.interest.interest_extractor import fold_levels
from mgnm_tf.layers.interest.sequential_capsule import SequentialCapsule
from mgnm_tf.serialization import register


@register
class CapsuleExtractor(InterestExtractor, SequentialCapsule):
    """Reads K interests off every level, with the same capsules for all.

    Args:
        num_interests: number of capsules K.
        **kwargs: the other arguments of `SequentialCapsule`.

    Call arguments:
        levels: float, (batch, levels, length, d), zero at invalid positions.
        valid_mask: bool, (batch, length), True first (right padding).
        training: bool; draws the first routing logits when true.

    Returns:
        Interests (batch, levels, K, d), the last couplings (batch, levels, K,
        length) and True (batch, K), see `InterestExtractor`.

    Raises:
        ValueError: see `SequentialCapsule`.

    Masking: see `SequentialCapsule`.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import CapsuleExtractor
    >>> levels = np.ones((2, 3, 5, 8), "float32")
    >>> mask = np.ones((2, 5), "bool")
    >>> interests, weights, exist = CapsuleExtractor(4)(levels, mask)
    >>> interests.shape, weights.shape
    (TensorShape([2, 3, 4, 8]), TensorShape([2, 3, 4, 5]))

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest", SIGIR
    2022, section 3.3.
    """

    @property
    def interests_per_level(self):
        return self.num_interests

    def build(self, levels_shape, valid_mask_shape=None):
        batch, _, length, dim = levels_shape
        super().build((batch, length, dim))

    def call(self, levels, valid_mask, training=False):
        folded, mask = fold_levels(levels, valid_mask)
        interests, coupling = super().call(
            folded, valid_mask=mask, training=training, return_coupling=True
        )
        shape = (-1, levels.shape[1], self.num_interests)
        interests = ops.reshape(interests, (*shape, levels.shape[-1]))
        coupling = ops.reshape(coupling, (*shape, ops.shape(levels)[2]))
        return interests, coupling, all_exist(interests)
