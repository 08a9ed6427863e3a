"""Sequential context for the items of a history."""

import keras
from keras import ops

from mgnm_tf.layers.sequence.relative_bias import RelativeBias
from mgnm_tf.layers.sequence.transduction_unit import TransductionUnit
from mgnm_tf.serialization import register
from mgnm_tf.utils.devices import has_accelerator
from mgnm_tf.utils.masking import never_empty
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.recurrence import bidirectional_lstm
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int

KINDS = ("bilstm", "gru", "transformer", "hstu")


@register
class SequenceEncoder(keras.layers.Layer):
    """Rewrites each item of a sequence in the light of the others.

    - `"bilstm"`: a bidirectional LSTM of width d a direction, projected back
      to d without bias (MGNM, equation 10; the projection is the published
      code's, the paper has none);
    - `"gru"`: a GRU of width d;
    - `"transformer"`: learned positions, then self-attention of two heads
      and a feed-forward net of width 4d, each with a residual connection and
      layer normalisation;
    - `"hstu"`: a `TransductionUnit` with a `RelativeBias` of places: gated
      attention to the item itself and to older ones.

    Args:
        kind: `"bilstm"`, `"gru"`, `"transformer"` or `"hstu"`.
        max_length: the longest sequence; only `"transformer"` and `"hstu"`
            need it. Defaults to `100`.
        output_initializer: initializer of the last projection of `"bilstm"`.
            Defaults to `"glorot_uniform"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d).
        valid_mask: bool, (batch, length), True first (right padding).

    Returns:
        float, (batch, length, d).

    Raises:
        ValueError: `kind` is unknown.

    Masking: invalid positions do not change valid ones, and are 0.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import SequenceEncoder
    >>> items = np.ones((2, 3, 4), "float32")
    >>> mask = np.array([[True, True, True], [True, False, False]])
    >>> SequenceEncoder("bilstm")(items, valid_mask=mask).shape
    TensorShape([2, 3, 4])
    """

    def __init__(
        self,
        kind: str,
        max_length: int = 100,
        output_initializer="glorot_uniform",
        **kwargs,
    ):
        check_choice(kind, "kind", KINDS)
        check_positive_int(max_length, "max_length")
        super().__init__(**kwargs)
        self.kind = kind
        self.max_length = max_length
        self.output_initializer = keras.initializers.get(output_initializer)

    def build(self, items_shape, valid_mask_shape=None):
        shape = (None, None, items_shape[-1])
        getattr(self, f"_build_{self.kind}")(shape)
        self.built = True

    def call(self, items, valid_mask=None):
        if valid_mask is None:
            valid_mask = ops.ones(ops.shape(items)[:2], "bool")
        encoded = self.read(items, valid_mask)
        if self.output_kernel is not None:
            kernel = ops.convert_to_tensor(self.output_kernel)
            kernel = ops.cast(kernel, encoded.dtype)
            encoded = ops.matmul(encoded, kernel)
        return zero_invalid(encoded, valid_mask)

    def read(self, items, valid_mask):
        """Returns the states before the last projection, (batch, length, w).

        Invalid positions hold numbers without a meaning.
        """
        return getattr(self, f"_read_{self.kind}")(items, valid_mask)

    @property
    def output_kernel(self):
        """The last projection (w, d); `None` where there is none."""
        return self.projection.kernel if self.kind == "bilstm" else None

    def _build_bilstm(self, shape):
        dim = shape[-1]
        self.lstm = keras.layers.Bidirectional(
            keras.layers.LSTM(
                dim,
                return_sequences=True,
                name="lstm",
                dtype=self.dtype_policy,
            ),
            name="bilstm",
            dtype=self.dtype_policy,
        )
        self.lstm.build(shape)
        self.projection = keras.layers.Dense(
            dim,
            use_bias=False,
            kernel_initializer=self.output_initializer,
            name="projection",
            dtype=self.dtype_policy,
        )
        self.projection.build((None, None, 2 * dim))

    def _read_bilstm(self, items, valid_mask):
        if not has_accelerator():
            return bidirectional_lstm(self.lstm, items, valid_mask)
        # What cuDNN's kernel asks for: padding at the end, no empty row, the
        # activations of `LSTM` as they are.
        return self.lstm(items, mask=never_empty(valid_mask))

    def _build_gru(self, shape):
        self.gru = keras.layers.GRU(
            shape[-1],
            return_sequences=True,
            name="gru",
            dtype=self.dtype_policy,
        )
        self.gru.build(shape)

    def _read_gru(self, items, valid_mask):
        return self.gru(items, mask=never_empty(valid_mask))

    def _build_transformer(self, shape):
        dim = shape[-1]
        options = {"dtype": self.dtype_policy}
        self.positions = keras.layers.Embedding(
            self.max_length, dim, name="positions", **options
        )
        self.positions.build()
        self.attention = keras.layers.MultiHeadAttention(
            2, max(dim // 2, 1), name="attention", **options
        )
        self.attention.build(shape, shape)
        self.hidden = keras.layers.Dense(
            4 * dim, activation="relu", name="hidden", **options
        )
        self.hidden.build(shape)
        self.output_layer = keras.layers.Dense(dim, name="output", **options)
        self.output_layer.build((None, None, 4 * dim))
        self.norms = [
            keras.layers.LayerNormalization(name=f"norm_{i}", **options)
            for i in range(2)
        ]
        for norm in self.norms:
            norm.build(shape)

    def _read_transformer(self, items, valid_mask):
        positions = self.positions(ops.arange(ops.shape(items)[1]))
        items = items + ops.expand_dims(positions, 0)
        attended = self.attention(
            items,
            items,
            attention_mask=never_empty(valid_mask)[:, None, :],
        )
        items = self.norms[0](items + attended)
        return self.norms[1](items + self.output_layer(self.hidden(items)))

    def _build_hstu(self, shape):
        options = {"dtype": self.dtype_policy}
        self.bias = RelativeBias(
            self.max_length, use_time=False, name="bias", **options
        )
        self.unit = TransductionUnit(
            max_length=self.max_length, name="unit", **options
        )
        self.unit.build(shape)

    def _read_hstu(self, items, valid_mask):
        places = ops.arange(ops.shape(items)[1], dtype="int32")
        bias = self.bias(places[None], places)
        return self.unit(items, bias, valid_mask=valid_mask)

    def compute_output_shape(self, items_shape, valid_mask_shape=None):
        return items_shape

    def get_config(self):
        return {
            **super().get_config(),
            "kind": self.kind,
            "max_length": self.max_length,
            "output_initializer": keras.initializers.serialize(
                self.output_initializer
            ),
        }
