"""Routing logits that know how old an item is."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import get_initializer
from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import places_from_newest
from mgnm_tf.utils.rows import take_rows
from mgnm_tf.utils.validation import check_positive_int


@register
class RecencyPrior(keras.layers.Layer):
    """Learns how much each interest looks at old and new items.

    ```
    g_ij = b_i[number of items after item j]
    ```

    `b` is learned, for K interests and ages 0 (the newest item) to
    `max_length` - 1. Small random values at the start let the interests
    differ from one another.

    Args:
        num_interests: number of interests K.
        max_length: the longest history. Defaults to `100`.
        initializer: initializer of `b`; a number is the standard deviation
            of a normal draw. Defaults to `0.1`.
        seed: seed of that draw. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        valid_mask: bool, (batch, length), True first (right padding).

    Returns:
        float32, (batch, K, length); what stands at invalid positions means
        nothing.

    Raises:
        ValueError: a size is out of range, or a history is longer than
            `max_length`.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import RecencyPrior
    >>> mask = np.array([[True, True, False]])
    >>> RecencyPrior(num_interests=4)(mask).shape
    TensorShape([1, 4, 3])

    Reference: none; ours. MGNM draws these logits at random (`SIGIR 2022`,
    below equation 5), so that its first coupling tells no item from another.
    """

    def __init__(
        self,
        num_interests: int,
        max_length: int = 100,
        initializer: float | str = 0.1,
        seed: int | None = None,
        **kwargs,
    ):
        check_positive_int(num_interests, "num_interests")
        check_positive_int(max_length, "max_length")
        super().__init__(**kwargs)
        self.num_interests = num_interests
        self.max_length = max_length
        self.initializer = initializer
        self.seed = seed
        self.build()

    def build(self, valid_mask_shape=None):
        self.logits = self.add_weight(
            name="logits",
            shape=(self.max_length, self.num_interests),
            dtype="float32",
            initializer=get_initializer(self.initializer, self.seed),
        )
        self.built = True

    def call(self, valid_mask):
        check_history_length(valid_mask, self.max_length)
        ages = ops.maximum(places_from_newest(valid_mask), 0)
        logits = take_rows(self.logits, ages)
        return ops.transpose(logits, (0, 2, 1))

    def compute_output_shape(self, valid_mask_shape):
        batch, length = valid_mask_shape
        return (batch, self.num_interests, length)

    def get_config(self):
        return {
            **super().get_config(),
            "num_interests": self.num_interests,
            "max_length": self.max_length,
            "initializer": self.initializer,
            "seed": self.seed,
        }
