"""The items of a session in the light of their neighbours and of a star."""

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


@register
class StarEncoder(keras.layers.Layer):
    """Runs a gated graph network beside a star that all nodes are tied to.

    ```
    x = LayerNorm(items of the nodes);  h = x;  c = mean of the nodes
    `num_steps` times, the same weights:
        h = GatedGraphStep(h, SessionGraph)
        a_v = sigmoid((h_v Q + q) . (c K + k) / sqrt(d))
        h_v = (1 - a_v) h_v + a_v c
        c = sum_v softmax_v((h_v Q' + q') . (c K' + k') / sqrt(d)) h_v
    g_v = sigmoid(W_g [x_v ; h_v] + b_g)              the highway
    y_i = g x + (1 - g) h at alias_i
    ```

    The star carries what a path along the edges does not reach. After the
    last step nothing reads it, so that step leaves it out; and with one step
    there are no Q' and K'.

    Args:
        num_steps: number of steps. Defaults to `1`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d), the vectors of the history.
        history: int, (batch, length), padded with 0 at the end.

    Returns:
        float, (batch, length, d): the state of the item of each position.

    Masking: padding is 0, and changes nothing.

    Parameters: `15 d^2 + 15 d`, that is 2 d of the normalisation,
    `11 d^2 + 10 d` of the gated step, 2 (d^2 + d) of Q and K and 2 d^2 + d of
    the highway; with more steps 2 (d^2 + d) of Q' and K'.

    Raises:
        ValueError: `num_steps` is less than 1.

    Example: both occurrences of item 7 have one state.

    >>> import numpy as np
    >>> from baselines.atten_mixer.star_encoder import StarEncoder
    >>> items = np.arange(12, dtype="float32").reshape(1, 3, 4) ** 2
    >>> states = np.asarray(StarEncoder()(items, np.array([[7, 8, 7]])))
    >>> bool((states[0, 0] == states[0, 2]).all())
    True

    Reference: Pan et al., "Star graph neural networks for session-based
    recommendation", CIKM 2020, https://doi.org/10.1145/3340531.3412014, in
    the form that Peiyance/Atten-Mixer-torch (SGNN-HN-AM) has.

    Differences: that code takes the mean of the star over slots of padding,
    too, and divides by the number of clicks; it weighs the star against the
    nodes by a softmax over the nodes where the star graph network has a gate;
    its softmaxes see padding. It draws all weights normally with deviation
    0.1, here uniformly below 1/sqrt(d).
    """

    def __init__(self, num_steps: int = 1, **kwargs):
        check_positive_int(num_steps, "num_steps")
        super().__init__(**kwargs)
        self.num_steps = num_steps
        policy = {"dtype": self.dtype_policy}
        self.graph = SessionGraph(name="graph", **policy)
        self.step = GatedGraphStep(name="step", **policy)
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-5, name="norm", **policy
        )

    def build(self, items_shape, history_shape=None):
        dim = items_shape[-1]

        def linear(inputs, name):
            layer = keras.layers.Dense(
                dim,
                kernel_initializer=uniform_of_width(dim),
                bias_initializer=uniform_of_width(dim),
                name=name,
                dtype=self.dtype_policy,
            )
            layer.build((None, inputs))
            return layer

        self.norm.build(items_shape)
        self.step.build(items_shape)
        self.gate_query = linear(dim, "gate_query")
        self.gate_key = linear(dim, "gate_key")
        self.highway = linear(2 * dim, "highway")
        if self.num_steps > 1:
            self.star_query = linear(dim, "star_query")
            self.star_key = linear(dim, "star_key")
        self.built = True

    def call(self, items, history):
        history = ops.convert_to_tensor(history)
        alias, node_mask, arriving, leaving = self.graph(history)
        inputs = zero_invalid(self.norm(items), node_mask)
        count = ops.sum(
            ops.cast(node_mask, inputs.dtype), axis=1, keepdims=True
        )
        star = ops.sum(inputs, axis=1) / ops.maximum(count, 1.0)
        star = ops.expand_dims(star, 1)
        nodes = inputs
        for number in range(self.num_steps):
            if number:
                weights = masked_softmax(
                    _agreement(self.star_query(nodes), self.star_key(star)),
                    ops.expand_dims(node_mask, -1),
                    axis=1,
                )
                star = ops.sum(weights * nodes, axis=1, keepdims=True)
            nodes = self.step(nodes, arriving, leaving, node_mask=node_mask)
            share = ops.sigmoid(
                _agreement(self.gate_query(nodes), self.gate_key(star))
            )
            nodes = zero_invalid((1 - share) * nodes + share * star, node_mask)
        share = ops.sigmoid(
            self.highway(ops.concatenate([inputs, nodes], axis=-1))
        )
        nodes = share * inputs + (1 - share) * nodes
        return zero_invalid(
            take_positions(nodes, alias), valid_positions(history)
        )

    def compute_output_shape(self, items_shape, history_shape=None):
        return items_shape

    def get_config(self):
        return {**super().get_config(), "num_steps": self.num_steps}


def _agreement(nodes, star):
    """Returns scaled inner products (B, n, 1) of (B, n, d) and (B, 1, d)."""
    products = ops.sum(nodes * star, axis=-1, keepdims=True)
    return products / math.sqrt(nodes.shape[-1])
