"""The items of a session in the light of their neighbours in it."""

import keras
from keras import ops

from mgnm_tf.layers.graph.gated_graph_step import GatedGraphStep
from mgnm_tf.layers.graph.session_graph import SessionGraph
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.rows import take_positions
from mgnm_tf.utils.validation import check_positive_int


@register
class SessionGraphEncoder(keras.layers.Layer):
    """Runs a gated graph network on the graph of each session.

    ```
    h = items of the nodes
    h = GatedGraphStep(h, SessionGraph), `num_steps` times, the same weights
    y_i = h[alias_i]
    ```

    Args:
        num_steps: number of steps. Defaults to `1`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d), the vectors of the history; of an
            item that comes several times the first one counts.
        history: int, (batch, length), padded with 0 at the end.

    Returns:
        float, (batch, length, d): the state of the item of each position.

    Masking: padding is 0, and changes nothing.

    Parameters: `11 d^2 + 10 d`.

    Raises:
        ValueError: `num_steps` is less than 1.

    Example: both occurrences of item 7 have one state.

    >>> import numpy as np
    >>> from mgnm_tf.layers import SessionGraphEncoder
    >>> items = np.arange(12, dtype="float32").reshape(1, 3, 4)
    >>> states = SessionGraphEncoder()(items, np.array([[7, 8, 7]]))
    >>> states = np.asarray(states)
    >>> bool((states[0, 0] == states[0, 2]).all())
    True

    Reference: Wu et al., "Session-based recommendation with graph neural
    networks", AAAI 2019, https://arxiv.org/abs/1811.00855.

    Differences: see `SessionGraph` and `GatedGraphStep`.
    """

    def __init__(self, num_steps: int = 1, **kwargs):
        check_positive_int(num_steps, "num_steps")
        super().__init__(**kwargs)
        self.num_steps = num_steps
        policy = {"dtype": self.dtype_policy}
        self.graph = SessionGraph(name="graph", **policy)
        self.step = GatedGraphStep(name="step", **policy)

    def build(self, items_shape, history_shape=None):
        self.step.build(items_shape)
        self.built = True

    def call(self, items, history):
        history = ops.convert_to_tensor(history)
        alias, node_mask, arriving, leaving = self.graph(history)
        nodes = zero_invalid(items, node_mask)
        for _ in range(self.num_steps):
            nodes = self.step(nodes, arriving, leaving, node_mask=node_mask)
        return zero_invalid(
            take_positions(nodes, alias), valid_positions(history)
        )

    def compute_output_shape(self, items_shape, history_shape=None):
        return items_shape

    def get_config(self):
        return {**super().get_config(), "num_steps": self.num_steps}
