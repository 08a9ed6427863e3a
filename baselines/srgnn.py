"""SR-GNN: a gated graph network on the graph of each session."""

from keras import ops

from mgnm_tf.layers.graph.session_graph_encoder import SessionGraphEncoder
from mgnm_tf.layers.sequence.soft_attention_readout import SoftAttentionReadout
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_positive_int


@register
class SRGNN(SingleVectorRecommender):
    """Scores an item by its inner product with a vector read off a graph.

    ```
    h = gated graph steps on the graph of the history's distinct items
    a_i = q . sigmoid(W_1 h_n + b_1 + W_2 h_i + b_2)      over all positions
    u = W_3 [sum_i a_i h_i ; h_n] + b_3
    score(j) = u . x_j
    ```

    See `SessionGraph`, `GatedGraphStep` and `SoftAttentionReadout`. Without
    the item table it has `15 d^2 + 14 d` parameters. Table and weights are
    drawn uniformly between -1 / sqrt(d) and 1 / sqrt(d).

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of items and states. Defaults to `100`.
        num_steps: number of steps on the graph, which share their weights.
            Defaults to `1`.
        temperature: see `SingleVectorRecommender`. Defaults to `None`.
        **kwargs: arguments of `SingleVectorRecommender`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: changes nothing.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing; after an empty history the user vector
    is zero.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> from baselines.srgnn import SRGNN
    >>> model = SRGNN(num_users=10, num_items=50, embedding_dim=8)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 3], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Wu et al., "Session-based recommendation with graph neural
    networks", AAAI 2019, https://arxiv.org/abs/1811.00855. Code:
    CRIPAC-DIG/SR-GNN, its PyTorch half.

    Differences: the paper weighs edges by how often they occur, its GRU
    multiplies the reset gate before the product, and its sigmoid has one
    bias; all this is as in the published code. The code has a third map of
    edges, which nothing reads, and a vector for padding. Its other half, in
    TensorFlow, is another model.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 100,
        num_steps: int = 1,
        temperature: float | None = None,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            temperature,
            embeddings_initializer=uniform_of_width(embedding_dim),
            **kwargs,
        )
        self.num_steps = num_steps
        policy = {"dtype": self.dtype_policy}
        self.encoder = SessionGraphEncoder(num_steps, name="encoder", **policy)
        self.readout = SoftAttentionReadout(name="readout", **policy)
        for layer in (self.encoder, self.readout):
            layer.build((None, None, embedding_dim))
        self.built = True

    def user_vector(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        states = self.encoder(self.item_embedding(history), history)
        return self.readout(states, valid_mask=valid_positions(history))

    def get_config(self):
        return {**super().get_config(), "num_steps": self.num_steps}
