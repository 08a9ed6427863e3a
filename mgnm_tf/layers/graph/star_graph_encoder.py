"""The items of a session around a node that is joined to all of them."""

import math

import keras
from keras import ops

from mgnm_tf.layers.graph.gated_graph_step import GatedGraphStep
from mgnm_tf.layers.graph.session_graph import SessionGraph
from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.rows import take_positions
from mgnm_tf.utils.validation import check_positive_int

ENDS = ("query", "key")
"""What the maps of a product are for: the nodes, the star."""


@register
class StarGraphEncoder(keras.layers.Layer):
    """Runs a gated graph network with a star, and a highway around it.

    ```
    x = items of the nodes, h = x, s = mean of x
    `num_steps` times, the same weights:
        h = GatedGraphStep(h, SessionGraph)
        a = sigmoid(h . s / sqrt(d)),  h = (1 - a) h + a s
        b = softmax over the nodes of h . s,  s = sum b h
    g = sigmoid(W_g [x ; h] + b_g),  h = g x + (1 - g) h
    y_i = h[alias_i]
    ```

    With `use_projections` the products of both lines are
    `(W_q h + b_q) . (W_k s + b_k) / sqrt(d)`, each with maps of its own.

    Args:
        num_steps: number of steps. Defaults to `1`.
        use_projections: whether nodes and star are projected before their
            products. Defaults to `False`.
        return_star: whether the star is returned; otherwise the last step
            leaves it out. Defaults to `True`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d), the vectors of the history; of an
            item that comes several times the first one counts.
        history: int, (batch, length), padded with 0 at the end.

    Returns:
        A tuple, or states alone without `return_star`:

        - states: float, (batch, length, d), of the item of each position;
        - star: float, (batch, d).

    Masking: padding is 0, is no node and changes nothing; the star of an
    empty session is 0.

    Parameters: `13 d^2 + 11 d`, with `use_projections` `17 d^2 + 15 d`, of
    which one step without `return_star` has only `15 d^2 + 13 d`. All are
    drawn uniformly between -1 / sqrt(d) and 1 / sqrt(d).

    Raises:
        ValueError: `num_steps` is less than 1.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import StarGraphEncoder
    >>> items = np.ones((2, 3, 4), "float32")
    >>> history = np.array([[7, 8, 7], [9, 0, 0]])
    >>> states, star = StarGraphEncoder()(items, history)
    >>> states.shape, star.shape
    (TensorShape([2, 3, 4]), TensorShape([2, 4]))

    Reference: Pan et al., "Star graph neural networks for session-based
    recommendation", CIKM 2020, https://doi.org/10.1145/3340531.3412014.

    Differences: the paper projects nodes and star and has no sigmoid; the
    default is what RUCAIBox/RecBole-GNN computes, which leaves the highway
    out.
    """

    def __init__(
        self,
        num_steps: int = 1,
        use_projections: bool = False,
        return_star: bool = True,
        **kwargs,
    ):
        check_positive_int(num_steps, "num_steps")
        super().__init__(**kwargs)
        self.num_steps = num_steps
        self.use_projections = use_projections
        self.return_star = return_star
        policy = {"dtype": self.dtype_policy}
        self.graph = SessionGraph(name="graph", **policy)
        self.step = GatedGraphStep(name="step", **policy)

    def build(self, items_shape, history_shape=None):
        dim = items_shape[-1]
        self.step.build(items_shape)
        self.highway = self._dense(2 * dim, dim, "highway")
        self.gate_maps = self.star_maps = None
        if self.use_projections:
            self.gate_maps = self._maps(dim, "gate")
            if self.num_steps > 1 or self.return_star:
                self.star_maps = self._maps(dim, "star")
        self.built = True

    def _maps(self, dim, name):
        """Returns what projects nodes and star before their products."""
        return [self._dense(dim, dim, f"{name}_{end}") for end in ENDS]

    def _dense(self, width, units, name):
        """Returns a built `Dense` for vectors of `width`."""
        layer = keras.layers.Dense(
            units,
            kernel_initializer=uniform_of_width(units),
            bias_initializer=uniform_of_width(units),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((None, width))
        return layer

    def call(self, items, history):
        history = ops.convert_to_tensor(history)
        alias, node_mask, arriving, leaving = self.graph(history)
        inputs = nodes = zero_invalid(items, node_mask)
        star = _mean_node(nodes, node_mask)
        for number in range(1, self.num_steps + 1):
            nodes = self.step(nodes, arriving, leaving, node_mask=node_mask)
            products = _products(nodes, star, self.gate_maps, True)
            gate = ops.cast(ops.sigmoid(products), nodes.dtype)
            gate = ops.expand_dims(gate, -1)
            nodes = (1 - gate) * nodes + gate * ops.expand_dims(star, 1)
            if number < self.num_steps or self.return_star:
                star = self._next_star(nodes, star, node_mask)
        share = ops.sigmoid(
            self.highway(ops.concatenate([inputs, nodes], axis=-1))
        )
        nodes = share * inputs + (1 - share) * nodes
        states = take_positions(nodes, alias)
        states = zero_invalid(states, valid_positions(history))
        return (states, star) if self.return_star else states

    def _next_star(self, nodes, star, node_mask):
        """Returns the nodes' mean, weighted by what the star asks, (B, d)."""
        weights = masked_softmax(
            _products(nodes, star, self.star_maps, self.use_projections),
            node_mask,
        )
        weights = ops.cast(ops.expand_dims(weights, 1), nodes.dtype)
        return ops.squeeze(ops.matmul(weights, nodes), 1)

    def compute_output_shape(self, items_shape, history_shape=None):
        if not self.return_star:
            return items_shape
        return items_shape, (items_shape[0], items_shape[2])

    def get_config(self):
        return {
            **super().get_config(),
            "num_steps": self.num_steps,
            "use_projections": self.use_projections,
            "return_star": self.return_star,
        }


def _mean_node(nodes, node_mask):
    """Returns the mean of the nodes (B, n, d), computed in float32."""
    total = ops.sum(ops.cast(nodes, "float32"), axis=1)
    count = ops.sum(ops.cast(node_mask, "float32"), axis=1, keepdims=True)
    return ops.cast(total / ops.maximum(count, 1.0), nodes.dtype)


def _products(nodes, star, maps, scaled):
    """Returns the float32 products (B, n) of nodes and star."""
    if maps is not None:
        query, key = maps
        nodes, star = query(nodes), key(star)
    nodes, star = ops.cast(nodes, "float32"), ops.cast(star, "float32")
    products = ops.squeeze(ops.matmul(nodes, ops.expand_dims(star, -1)), -1)
    return products / math.sqrt(nodes.shape[-1]) if scaled else products
