"""Item vectors averaged along the hyperedges of the training sessions."""

import keras
import numpy as np
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.sparse_product import sparse_product
from mgnm_tf.utils.validation import check_positive_int


@register
class HypergraphConvolution(keras.layers.Layer):
    """Averages each item with the items of its hyperedges, L times.

    ```
    X_(l+1) = P X_l        P = D^-1 H B^-1 H^T = D^-1 S      (equation 2)
    output  = (X_0 + ... + X_L) / (L + 1)
    ```

    H is the incidence of items and hyperedges, D holds the hyperedges of each
    item, B the items of each hyperedge. Rows of P sum to 1; those of items
    without a hyperedge are 0. S is symmetric, so that the gradient is made of
    products with the same matrix. On TensorFlow the products are those of
    its compressed sparse rows (8 times as fast as gathering and adding
    up), which XLA does not compile.

    Args:
        num_items: number of items M; item 0 is padding and has no hyperedge.
        num_entries: number of entries of S that are not 0.
        num_layers: L. Defaults to `3`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        vectors: float, (M + 1, d).

    Returns:
        float32, (M + 1, d).

    Raises:
        ValueError: a size is out of its range.

    Example:

    >>> import numpy as np
    >>> from baselines.dhcn.hypergraph_convolution import (
    ...     HypergraphConvolution,
    ... )
    >>> layer = HypergraphConvolution(2, 4, num_layers=1)
    >>> layer.assign(  # One hyperedge {1, 2}.
    ...     {
    ...         "rows": np.array([1, 1, 2, 2]),
    ...         "columns": np.array([1, 2, 1, 2]),
    ...         "values": np.array([0.5, 0.5, 0.5, 0.5]),
    ...         "degrees": np.array([0.0, 1.0, 1.0]),
    ...     }
    ... )
    >>> np.asarray(layer(np.array([[0.0], [4.0], [8.0]], "float32")))[:, 0]
    array([0., 5., 7.], dtype=float32)

    Reference: Xia et al., "Self-supervised hypergraph convolutional networks
    for session-based recommendation", AAAI 2021, section 3.2,
    https://arxiv.org/abs/2012.06852.

    Differences: none; the paper's hyperedges have weight 1, equal ones are
    added up here.
    """

    def __init__(
        self, num_items: int, num_entries: int, num_layers: int = 3, **kwargs
    ):
        check_positive_int(num_items, "num_items")
        check_positive_int(num_entries, "num_entries", 0)
        check_positive_int(num_layers, "num_layers", 0)
        super().__init__(**kwargs)
        # Averages of averages are not for float16.
        self.autocast = False
        self.num_items = num_items
        self.num_entries = num_entries
        self.num_layers = num_layers
        self.build()

    def build(self, vectors_shape=None):
        self.rows = self._constant("rows", self.num_entries, "int32")
        self.columns = self._constant("columns", self.num_entries, "int32")
        self.values = self._constant("values", self.num_entries, "float32")
        self.degrees = self._constant("degrees", self.num_items + 1, "float32")
        self.built = True

    def _constant(self, name, size, dtype):
        return self.add_weight(
            name=name,
            shape=(size,),
            dtype=dtype,
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    def assign(self, hypergraph) -> None:
        """Takes the result of `session_hypergraph`.

        Raises:
            ValueError: it is not of the size of the layer.
        """
        found = (len(hypergraph["degrees"]) - 1, len(hypergraph["rows"]))
        if found != (self.num_items, self.num_entries):
            raise ValueError(
                "The hypergraph must have as many items and entries as the "
                f"layer, ({self.num_items}, {self.num_entries}). Received: "
                f"{found}"
            )
        for name in ("rows", "columns", "values", "degrees"):
            getattr(self, name).assign(np.asarray(hypergraph[name]))

    def call(self, vectors):
        vectors = ops.cast(vectors, "float32")
        if not (self.num_layers and self.num_entries):
            return vectors / (self.num_layers + 1.0)
        product = self._product()
        degrees = ops.convert_to_tensor(self.degrees)
        inverse = ops.where(degrees > 0, 1.0 / ops.maximum(degrees, 1.0), 0.0)
        inverse = ops.expand_dims(inverse, -1)
        share = 1.0 / (self.num_layers + 1)

        def mean(values, step):
            total = values
            for _ in range(self.num_layers):
                values = step(values)
                total = total + values
            return total * share

        @ops.custom_gradient
        def propagate(values):
            def gradient(*args, upstream=None):
                if upstream is None:
                    (upstream,) = args
                # The transpose of D^-1 S is S D^-1.
                return mean(upstream, lambda x: product(inverse * x))

            return mean(values, lambda x: inverse * product(x)), gradient

        return propagate(vectors)

    def _product(self):
        """Returns a function that multiplies (M + 1, d) by S."""
        return sparse_product(
            ops.convert_to_tensor(self.rows),
            ops.convert_to_tensor(self.columns),
            ops.convert_to_tensor(self.values),
            self.num_items + 1,
        )

    def compute_output_shape(self, vectors_shape):
        return tuple(vectors_shape)

    def compute_output_spec(self, vectors):
        return keras.KerasTensor(tuple(vectors.shape), dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "num_entries": self.num_entries,
            "num_layers": self.num_layers,
        }
