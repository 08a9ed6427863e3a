"""A recurrent network that says which interest comes next."""

import keras
from keras import ops

from mgnm_tf.layers.embedding.row_embedding import RowEmbedding
from mgnm_tf.serialization import register
from mgnm_tf.utils.devices import has_accelerator
from mgnm_tf.utils.initializers import get_initializer
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.masking import never_empty
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.recurrence import last_gru_state
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class InterestPredictor(keras.layers.Layer):
    """Gives each of K interests a logit from the order of the history.

    ```
    s = the last state of a GRU over e_1, ..., e_n
    s = ReLU(s W_l + b_l)           `num_layers` - 1 times, with dropout
    z = s W + b
    ```

    The vectors e are of a table of its own, so that what interests are made
    of and what tells them apart are learned apart. It has (M + 2) d numbers,
    and the rest 6 d^2 + 6 d + (`num_layers` - 1) (d^2 + d) + d K + K. Row 0
    is that of padding; nothing reads the last one, which the published code
    has, too.

    Args:
        num_items: number of items M; item 0 is padding.
        dim: width d of the vectors and of the state.
        num_interests: number of interests K. Defaults to `4`.
        num_layers: number of linear maps behind the state. Defaults to `2`.
        dropout: share of what each of them but the last gives that training
            sets to zero. Defaults to `0.5`.
        initializer: standard deviation of the normal draw of the table and
            the maps, or the name of an initializer; that of the GRU is
            PyTorch's. Defaults to `0.01`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        history: int32, (batch, length), padded with 0 at the end.
        training: whether dropout acts.

    Returns:
        float32, (batch, K): logits.

    Masking: the GRU stops at the newest item; after an empty history its
    state is zero.

    Raises:
        ValueError: a size or a share is out of its range.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import InterestPredictor
    >>> InterestPredictor(9, 8)(np.array([[3, 4, 5], [6, 0, 0]])).shape
    TensorShape([2, 4])

    Reference: Wang et al., "Target Interest Distillation for Multi-Interest
    Recommendation", CIKM 2022, https://doi.org/10.1145/3511808.3557464,
    equations 14 and 15. Code: THUwangcy/ReChorus, branch CIKM22.

    Differences: the paper has one hidden map, `num_layers=2`; the settings of
    its code have none on Amazon Beauty. An empty history, which the code
    never sees, is read.
    """

    def __init__(
        self,
        num_items: int,
        dim: int,
        num_interests: int = 4,
        num_layers: int = 2,
        dropout: float = 0.5,
        initializer: float | str = 0.01,
        **kwargs,
    ):
        check_positive_int(num_items, "num_items")
        check_positive_int(dim, "dim")
        check_positive_int(num_interests, "num_interests")
        check_positive_int(num_layers, "num_layers")
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(**kwargs)
        self.num_items = num_items
        self.dim = dim
        self.num_interests = num_interests
        self.num_layers = num_layers
        self.dropout = dropout
        self.initializer = initializer

    def build(self, history_shape=None):
        policy = {"dtype": self.dtype_policy}
        self.item_embedding = RowEmbedding(
            self.num_items + 2,
            self.dim,
            embeddings_initializer=get_initializer(self.initializer),
            name="item_embedding",
            **policy,
        )
        self.item_embedding.build()
        self.gru = keras.layers.GRU(
            self.dim,
            kernel_initializer=uniform_of_width(self.dim),
            recurrent_initializer=uniform_of_width(self.dim),
            bias_initializer=uniform_of_width(self.dim),
            name="gru",
            **policy,
        )
        self.gru.build((None, None, self.dim))
        self.hidden_layers = [
            self._make_map(self.dim, f"hidden_{number}")
            for number in range(1, self.num_layers)
        ]
        self.output_layer = self._make_map(self.num_interests, "output")
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, name="dropout", **policy
        )
        self.built = True

    def _make_map(self, units, name):
        layer = keras.layers.Dense(
            units,
            kernel_initializer=get_initializer(self.initializer),
            bias_initializer=get_initializer(self.initializer),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((None, self.dim))
        return layer

    def call(self, history, training=False):
        history = ops.convert_to_tensor(history)
        valid_mask = valid_positions(history)
        state = self._last_state(self.item_embedding(history), valid_mask)
        for layer in self.hidden_layers:
            state = self.dropout_layer(layer(state), training=training)
            state = ops.relu(state)
        return ops.cast(self.output_layer(state), "float32")

    def _last_state(self, items, valid_mask):
        if not has_accelerator():
            return last_gru_state(self.gru, items, valid_mask)
        # As in `SequenceEncoder`, what cuDNN's kernel asks for.
        state = self.gru(items, mask=never_empty(valid_mask))
        return zero_invalid(state, ops.any(valid_mask, axis=-1))

    def compute_output_shape(self, history_shape):
        return (history_shape[0], self.num_interests)

    def get_config(self):
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "dim": self.dim,
            "num_interests": self.num_interests,
            "num_layers": self.num_layers,
            "dropout": self.dropout,
            "initializer": self.initializer,
        }
