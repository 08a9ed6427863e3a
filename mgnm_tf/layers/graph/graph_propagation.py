"""Graph convolution that keeps the items of every level."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int

NORMALIZATIONS = ("symmetric", "renormalized", "none")


@register
class GraphPropagation(keras.layers.Layer):
    """Spreads items along a weighted graph, one level per layer.

    ```
    H^0 = items
    H^{l+1} = LeakyReLU(P H^l W + b)                  (equations 2 to 4)
    ```

    with one `W` for all layers and `P` made of the adjacency `A`:

    - `"symmetric"`: `P = I + D^-1/2 A D^-1/2`, `D_ii = sum_j A_ij`;
    - `"renormalized"`: `P = D^-1/2 (A + I) D^-1/2`, degrees of `A + I`;
    - `"none"`: `P = A`.

    With `use_weights=False`, as in LightGCN, `H^{l+1} = P H^l`.

    Level l holds, for each item, what its neighbourhood of l steps says.

    Args:
        num_layers: number of layers L; 0 returns the items alone.
        normalization: how `P` is made of `A`. Defaults to `"symmetric"`.
        negative_slope: slope of the LeakyReLU. Defaults to `0.2`.
        use_weights: whether there is a `W`, and the LeakyReLU. Defaults to
            `True`.
        use_bias: whether there is a `b`. Defaults to `False`.
        kernel_initializer: initializer of `W`. Defaults to
            `"glorot_uniform"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d), zero at invalid positions.
        adjacency: float, (batch, length, length), not negative, zero in the
            rows and columns of invalid positions.
        valid_mask: bool, (batch, length).

    Returns:
        float, (batch, L + 1, length, d): levels 0 to L.

    Raises:
        ValueError: `normalization` is unknown, `num_layers` negative, or a
            bias asked for without weights.

    Masking: invalid positions are 0 on every level.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import GraphPropagation
    >>> layer = GraphPropagation(num_layers=2)
    >>> items = np.ones((1, 3, 4), "float32")
    >>> layer(items, np.ones((1, 3, 3), "float32")).shape
    TensorShape([1, 3, 3, 4])

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest", SIGIR
    2022, section 3.2.3. He et al., "LightGCN", SIGIR 2020.

    Differences: the print of equations 2 and 3 contradicts itself; the
    reading above keeps the self-loop outside the degrees, as its text says.
    The paper does not name the slope; 0.2 is that of the published code,
    which uses `normalization="none"` and a bias.
    """

    def __init__(
        self,
        num_layers: int,
        normalization: str = "symmetric",
        negative_slope: float = 0.2,
        use_weights: bool = True,
        use_bias: bool = False,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        check_positive_int(num_layers, "num_layers", 0)
        check_choice(normalization, "normalization", NORMALIZATIONS)
        if use_bias and not use_weights:
            raise ValueError("A graph without weights has no bias.")
        super().__init__(**kwargs)
        self.num_layers = num_layers
        self.normalization = normalization
        self.negative_slope = negative_slope
        self.use_weights = use_weights
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, items_shape, adjacency_shape=None, valid_mask_shape=None):
        dim = items_shape[-1]
        self.kernel = self.bias = None
        if self.num_layers and self.use_weights:
            self.kernel = self.add_weight(
                name="kernel",
                shape=(dim, dim),
                initializer=self.kernel_initializer,
            )
        if self.num_layers and self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(dim,), initializer="zeros"
            )
        self.built = True

    def call(self, items, adjacency, valid_mask=None):
        levels = [items]
        scale = self._degree_scale(adjacency)  # (batch, length, 1)
        for _ in range(self.num_layers):
            spread = self._propagate(levels[-1], adjacency, scale)
            level = self._transform(spread) if self.use_weights else spread
            if valid_mask is not None:
                level = zero_invalid(level, valid_mask)
            levels.append(level)
        return ops.stack(levels, axis=1)

    def _transform(self, spread):
        """Returns `LeakyReLU(spread W + b)`."""
        level = ops.matmul(spread, self.kernel)
        if self.use_bias:
            level = level + self.bias
        return ops.leaky_relu(level, self.negative_slope)

    def _degree_scale(self, adjacency):
        """Returns `D^-1/2` as (batch, length, 1), 0 where the degree is 0."""
        if self.normalization == "none":
            return None
        degrees = ops.sum(ops.cast(adjacency, "float32"), axis=-1)
        if self.normalization == "renormalized":
            degrees = degrees + 1.0
        # The inner `where` keeps the gradient finite where the degree is 0.
        positive = degrees > 0
        scale = ops.rsqrt(ops.where(positive, degrees, 1.0))
        scale = ops.where(positive, scale, 0.0)
        return ops.cast(ops.expand_dims(scale, -1), adjacency.dtype)

    def _propagate(self, items, adjacency, scale):
        """Computes `P H` without forming `P`."""
        if self.normalization == "none":
            return ops.matmul(adjacency, items)
        spread = scale * ops.matmul(adjacency, scale * items)
        if self.normalization == "renormalized":
            return spread + scale * scale * items
        return spread + items

    def compute_output_shape(
        self, items_shape, adjacency_shape=None, valid_mask_shape=None
    ):
        batch, length, dim = items_shape
        return (batch, self.num_layers + 1, length, dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "normalization": self.normalization,
            "negative_slope": self.negative_slope,
            "use_weights": self.use_weights,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }
