"""The items of a session in the light of their neighbours and of a star."""

import keras

from mgnm_tf.layers.graph.star_graph_encoder import StarGraphEncoder
from mgnm_tf.serialization import register


@register
class StarEncoder(StarGraphEncoder):
    """Runs a star graph network on normalised items, and keeps the nodes.

    ```
    y_1, ..., y_n = StarGraphEncoder(LayerNorm(x_1), ..., LayerNorm(x_n))
    ```

    That network projects nodes and star before their products. Nothing reads
    its star, so that the last step leaves it out.

    Args:
        num_steps: number of steps. Defaults to `1`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d), the vectors of the history.
        history: int, (batch, length), padded with 0 at the end.

    Returns:
        float, (batch, length, d): the state of the item of each position.

    Masking: padding is 0, and changes nothing.

    Parameters: `15 d^2 + 15 d`, that is 2 d of the normalisation and the rest
    of `StarGraphEncoder`; with more steps `17 d^2 + 17 d`.

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
        super().__init__(
            num_steps, use_projections=True, return_star=False, **kwargs
        )
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-5, name="norm", dtype=self.dtype_policy
        )

    def build(self, items_shape, history_shape=None):
        self.norm.build(items_shape)
        super().build(items_shape, history_shape)

    def call(self, items, history):
        return super().call(self.norm(items), history)

    def get_config(self):
        config = super().get_config()
        del config["use_projections"], config["return_star"]
        return config
