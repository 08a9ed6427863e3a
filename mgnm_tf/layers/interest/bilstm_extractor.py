"""One interest of every level: the states of a BiLSTM."""

from keras import ops

from mgnm_tf.layers.interest.interest_extractor import InterestExtractor
from mgnm_tf.layers.interest.interest_extractor import all_exist
from mgnm_tf.layers.interest.interest_extractor import fold_levels
from mgnm_tf.layers.sequence.sequence_encoder import SequenceEncoder
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import last_valid


@register
class BiLSTMExtractor(InterestExtractor, SequenceEncoder):
    """Reads one interest off every level, the states at the newest item.

    The state of the backward direction has read this item alone.

    Args:
        max_length: the longest history. Defaults to `100`.
        output_initializer: see `SequenceEncoder`. Defaults to
            `"glorot_uniform"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        levels: float, (batch, levels, length, d), zero at invalid positions.
        valid_mask: bool, (batch, length), True first (right padding).
        training: bool; not used.

    Returns:
        Interests (batch, levels, 1, d), `None` and True (batch, 1), see
        `InterestExtractor`.

    Masking: invalid positions change nothing; without any valid position the
    interest is zero.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import BiLSTMExtractor
    >>> levels = np.ones((2, 3, 5, 8), "float32")
    >>> mask = np.ones((2, 5), "bool")
    >>> BiLSTMExtractor()(levels, mask)[0].shape
    TensorShape([2, 3, 1, 8])

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest", SIGIR
    2022, table 3.
    """

    gives_weights = False

    def __init__(
        self,
        max_length: int = 100,
        output_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(
            kind="bilstm",
            max_length=max_length,
            output_initializer=output_initializer,
            **kwargs,
        )

    def build(self, levels_shape, valid_mask_shape=None):
        batch, _, length, dim = levels_shape
        super().build((batch, length, dim))

    def call(self, levels, valid_mask, training=False):
        folded, mask = fold_levels(levels, valid_mask)
        encoded = super().call(folded, valid_mask=mask)
        interests = ops.reshape(
            last_valid(encoded, mask),
            (-1, levels.shape[1], 1, levels.shape[-1]),
        )
        return interests, None, all_exist(interests)

    def get_config(self):
        config = super().get_config()
        del config["kind"]
        return config
