"""GC-SAN: a session graph refined by self-attention."""

import keras
from keras import ops

from mgnm_tf.layers.graph.session_graph_encoder import SessionGraphEncoder
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class GCSAN(SingleVectorRecommender):
    """Scores an item by the newest click, before and after self-attention.

    ```
    h_1, ..., h_n = SessionGraphEncoder(x_1, ..., x_n)
    F = softmax((X W_q) (X W_k)^T / sqrt(d)) (X W_v)    X: h, then a block's
    X = ReLU(F W_1 + b_1) W_2 + b_2 + F                 `num_blocks` times
    u = w X_n + (1 - w) h_n
    score(j) = u . x_j
    ```

    Every position sees all of the session. Without the item table the model
    has `11 d^2 + 10 d` parameters in the graph and `5 d^2 + 2 d` in each
    block.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors and of all states.
            Defaults to `100`.
        num_steps: steps of the graph network. Defaults to `1`.
        num_blocks: number of blocks of self-attention, each with weights of
            its own; 0 leaves the graph alone. Defaults to `1`.
        attention_weight: the share w of the newest state behind the blocks.
            Defaults to `0.6`.
        dropout: share of what W_2 gives that training sets to zero. Defaults
            to `0.2`.
        temperature: see `SingleVectorRecommender`. Defaults to `None`.
        interest_bias: see `SingleVectorRecommender`. Defaults to `False`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing; after an empty history the user vector
    is zero, before `interest_bias`.

    Raises:
        ValueError: a size or a share is out of its range.

    Example:

    >>> import numpy as np
    >>> from baselines.gcsan import GCSAN
    >>> model = GCSAN(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Xu et al., "Graph contextualized self-attention network for
    session-based recommendation", IJCAI 2019,
    https://doi.org/10.24963/ijcai.2019/547.

    Differences: RecBole gives the name to another network: its attention is
    causal, in several heads, with biases and an output projection, adds what
    it reads to what it gives, and is normalised behind each step. Without all
    that it computes this, the form of the paper. The graph is that of SR-GNN's
    published code, see `SessionGraphEncoder`; RecBole's has no biases behind
    the products with the adjacency. The paper does not say how its weights are
    drawn; all of them are as in SR-GNN.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 100,
        num_steps: int = 1,
        num_blocks: int = 1,
        attention_weight: float = 0.6,
        dropout: float = 0.2,
        temperature: float | None = None,
        interest_bias: bool = False,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        check_positive_int(num_blocks, "num_blocks", 0)
        check_range(attention_weight, "attention_weight", 0.0, 1.0)
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            temperature,
            interest_bias,
            embeddings_initializer=uniform_of_width(embedding_dim),
            **kwargs,
        )
        self.num_blocks = num_blocks
        self.attention_weight = attention_weight
        self.dropout = dropout
        self.encoder = SessionGraphEncoder(
            num_steps, name="encoder", dtype=self.dtype_policy
        )
        self.encoder.build((None, None, embedding_dim))
        self.blocks = [
            self._make_block(block) for block in range(1, num_blocks + 1)
        ]
        self.output_dropout = keras.layers.Dropout(
            dropout, name="output_dropout", dtype=self.dtype_policy
        )
        self.built = True

    def _make_block(self, number):
        """Returns the five linear maps of a block, built."""
        dim = self.embedding_dim
        layers = []
        for name in ("query", "key", "value", "hidden", "output"):
            layer = keras.layers.Dense(
                dim,
                activation="relu" if name == "hidden" else None,
                use_bias=name in ("hidden", "output"),
                kernel_initializer=uniform_of_width(dim),
                bias_initializer=uniform_of_width(dim),
                name=f"block_{number}_{name}",
                dtype=self.dtype_policy,
            )
            layer.build((None, dim))
            layers.append(layer)
        return layers

    def user_vector(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        valid_mask = valid_positions(history)
        local = self.encoder(self.item_embedding(history), history)
        states = local
        for query, key, value, hidden, output in self.blocks:
            logits = ops.matmul(
                query(states), ops.transpose(key(states), (0, 2, 1))
            )
            logits = logits * self.embedding_dim**-0.5
            weights = masked_softmax(logits, valid_mask[:, None])
            mixed = ops.matmul(weights, value(states))
            change = self.output_dropout(
                output(hidden(mixed)), training=training
            )
            states = zero_invalid(mixed + change, valid_mask)
        share = self.attention_weight
        states = share * states + (1.0 - share) * local
        return last_valid(states, valid_mask)

    def get_config(self):
        return {
            **super().get_config(),
            "num_steps": self.encoder.num_steps,
            "num_blocks": self.num_blocks,
            "attention_weight": self.attention_weight,
            "dropout": self.dropout,
        }
