"""DSAN: a target token asks, and sparse attention answers."""

import math

import keras
from keras import ops

from mgnm_tf.layers.embedding.max_row_norm import MaxRowNorm
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.entmax import entmax
from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import history_length
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class DSAN(SingleVectorRecommender):
    """Scores by cosine with what a learned target token finds in a session.

    Rows are as wide as item and position together, 2 d. The target token T
    stands behind the n items of a session:

    ```
    x_i = [E_i ; P_i],  x_t = [T ; P_{n+1}]
    a_1 = 1 + sigmoid(x_t . w_a + b_a)                     between 1 and 2
    A   = entmax_{a_1}(relu(X W_q + b_q) X^T / sqrt(2 d))  over items and t
    C   = LN(relu(A X W_1 + b_1) W_2 + b_2 + A X)
    a_2 = 1 + sigmoid(c_t . w_a + b_a)
    g_i = w_0 . relu(c_i U_1 + c_t U_2 + b)
    s   = sum_i entmax_{a_2}(g)_i x_i                      over items
    u   = selu([s ; c_t] W_f + b_f)
    score(j) = cosine(u, E_j) / temperature
    ```

    `entmax` gives what does not matter exactly nothing, see
    `mgnm_tf.utils.entmax`; a_1 depends on the length of the session alone.

    Besides the (M + 1) d numbers of the item table it has, with D = 2 d,
    `d + (max_length + 1) d + 5 D^2 + 8 D + 1 + 2 D d + d` parameters.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the vectors of items and of positions.
            Defaults to `100`.
        dropout: share of the queries, of the outputs of the net and of the
            user vector that training sets to zero. Defaults to `0.5`.
        max_length: the longest history. Defaults to `100`.
        max_norm: the longest that a row of the tables and the token may be,
            see `ItemEmbedding`; `None` for any length. Defaults to `1.5`.
        temperature: see `SingleVectorRecommender`; the paper's weight of the
            cosine is its inverse, 20. Defaults to `0.05`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding changes nothing; after an empty history the user vector
    is zero.

    Raises:
        ValueError: an argument is out of its range, or a history is longer
            than `max_length`.

    Example:

    >>> import numpy as np
    >>> from baselines.dsan import DSAN
    >>> model = DSAN(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Yuan et al., "Dual sparse attention network for session-based
    recommendation", AAAI 2021,
    https://ojs.aaai.org/index.php/AAAI/article/view/16593. Code:
    SamHaoYuan/DSANForAAAI2021.

    Differences: in the code padding stands before the items; the target is a
    row of the item table and is scored like an item, at position M + 1, and
    there is a row of positions for padding, which is not needed here. The
    code writes 70 positions down, shortens a row when it is read, where here
    it is shortened after each step, and leaves out sessions of two clicks.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 100,
        dropout: float = 0.5,
        max_length: int = 100,
        max_norm: float | None = 1.5,
        temperature: float | None = 0.05,
        **kwargs,
    ):
        check_range(dropout, "dropout", 0.0, 1.0)
        check_positive_int(max_length, "max_length")
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            temperature,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0),
            max_norm=max_norm,
            **kwargs,
        )
        self.dropout = dropout
        self.max_length = max_length
        self.max_norm = max_norm
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.embedding_dim
        width = 2 * dim
        bound = None if self.max_norm is None else MaxRowNorm(self.max_norm)

        def table(rows, name):
            layer = keras.layers.Embedding(
                rows,
                dim,
                embeddings_initializer=keras.initializers.RandomNormal(
                    stddev=1.0
                ),
                embeddings_constraint=bound,
                name=name,
                **policy,
            )
            layer.build()
            if bound is not None:
                layer.embeddings.assign(bound(layer.embeddings))
            return layer

        self.position_embedding = table(self.max_length + 1, "position")
        self.target = table(1, "target")

        def dense(name, inputs, outputs, stddev=None, **options):
            reach = inputs**-0.5
            initializer = keras.initializers.RandomUniform(-reach, reach)
            if stddev is not None:
                initializer = keras.initializers.RandomNormal(stddev=stddev)
            elif name != "query":
                options["bias_initializer"] = initializer.clone()
            layer = keras.layers.Dense(
                outputs,
                kernel_initializer=initializer,
                name=name,
                **options,
                **policy,
            )
            layer.build((None, inputs))
            return layer

        self.query = dense("query", width, width, activation="relu")
        self.sparsity = dense("sparsity", width, 1)
        self.hidden = dense("hidden", width, width, activation="relu")
        self.output_layer = dense("output", width, width)
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-5, name="norm", **policy
        )
        self.norm.build((None, width))
        self.of_item = dense("of_item", width, width, 0.05)
        self.of_target = dense("of_target", width, width, 0.05, use_bias=False)
        self.energy = dense("energy", width, 1, 0.05, use_bias=False)
        self.decoder = dense("decoder", 2 * width, dim, activation="selu")
        self.query_dropout, self.output_dropout, self.user_dropout = (
            keras.layers.Dropout(self.dropout, name=f"{name}_dropout", **policy)
            for name in ("query", "output", "user")
        )

    def user_vector(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        history = check_history_length(history, self.max_length)
        valid_mask = valid_positions(history)
        items, target = self._inputs(history, valid_mask, training)
        inputs = ops.concatenate([items, target], axis=1)
        # The target is valid, even alone.
        seen = ops.concatenate(
            [valid_mask, ops.ones_like(valid_mask[:, :1])], axis=1
        )
        states = self._attend(inputs, target, seen, training)
        asking = states[:, -1:]
        hidden = self.of_item(states[:, :-1]) + self.of_target(asking)
        logits = self.energy(ops.relu(hidden))[..., 0]
        weights = entmax(
            ops.cast(logits, "float32"), self._alpha(asking[:, 0]), valid_mask
        )
        weights = ops.cast(weights, items.dtype)
        found = ops.einsum("bi,bid->bd", weights, items)
        vector = self.decoder(ops.concatenate([found, asking[:, 0]], axis=-1))
        vector = self.user_dropout(vector, training=training)
        return zero_invalid(vector, ops.any(valid_mask, axis=-1))

    def _inputs(self, history, valid_mask, training=False):
        """Returns items (B, m, 2 d) and target (B, 1, 2 d) with positions."""
        # The rows of the table, not divided by their lengths.
        items = self.item_embedding.rows(history, training)
        items = ops.cast(items, self.compute_dtype)
        places = ops.zeros_like(history) + ops.arange(
            ops.shape(history)[1], dtype=history.dtype
        )
        behind = ops.expand_dims(history_length(valid_mask), 1)
        items = ops.concatenate(
            [items, self.position_embedding(places)], axis=-1
        )
        target = ops.concatenate(
            [
                self.target(ops.zeros_like(behind)),
                self.position_embedding(behind),
            ],
            axis=-1,
        )
        return zero_invalid(items, valid_mask), target

    def _alpha(self, vectors):
        """Returns how sparse an attention is, float32 (B, 1)."""
        return 1.0 + ops.sigmoid(ops.cast(self.sparsity(vectors), "float32"))

    def _attend(self, inputs, target, seen, training):
        """Returns the states (B, m + 1, 2 d) of items and target."""
        queries = self.query_dropout(self.query(inputs), training=training)
        queries = queries / math.sqrt(inputs.shape[-1])
        logits = ops.matmul(queries, ops.transpose(inputs, (0, 2, 1)))
        alpha = ops.expand_dims(self._alpha(target[:, 0]), 1)
        weights = entmax(
            ops.cast(logits, "float32"), alpha, ops.expand_dims(seen, 1)
        )
        attended = ops.matmul(ops.cast(weights, inputs.dtype), inputs)
        output = self.output_layer(self.hidden(attended))
        output = self.output_dropout(output, training=training)
        return self.norm(output + attended)

    def get_config(self):
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "max_length": self.max_length,
            "max_norm": self.max_norm,
        }
