"""NARM: a recurrent network and an attention asked by its last state."""

import keras
from keras import ops

from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import never_empty
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class NARM(SingleVectorRecommender):
    """Scores an item by what the session did last and what it is about.

    ```
    h_1, ..., h_n = GRU(x_1, ..., x_n)      x: item vectors of the history
    c_g = h_n                               the sequential behaviour
    a_j = v . sigmoid(A_1 h_n + A_2 h_j)    no softmax
    c_l = a_1 h_1 + ... + a_n h_n           the main purpose
    u = B [c_l ; c_g]
    score(j) = u . x_j
    ```

    The paper's bilinear decoder: B maps the session to the width d of the
    item table, which history and candidates share. Besides the table the
    model has `3 (d h + h^2) + 2 h^2 + h + 2 h d` parameters at a width h of
    the states, and `6 h` more with `use_bias`.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors. Defaults to `50`.
        hidden_dim: width h of the states. Defaults to `100`.
        dropout: share of the inputs of the GRU that training sets to zero.
            Defaults to `0.25`.
        session_dropout: share of `[c_l ; c_g]` that training sets to zero.
            Defaults to `0.5`.
        use_bias: whether the GRU has biases. Defaults to `False`.
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
    >>> from baselines.narm import NARM
    >>> model = NARM(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Li et al., "Neural attentive session-based recommendation",
    CIKM 2017, https://doi.org/10.1145/3132847.3132926.

    Differences: the paper draws an encoder for each of c_g and c_l; here, as
    in its code and in RecBole, one GRU serves both. The GRU has no biases and
    c_l stands before c_g, as in RecBole; the paper has c_g first, which
    renames the columns of B and nothing else. The initial values are
    RecBole's, too: normal draws of Glorot's variance, and uniform ones below
    1/sqrt(h) for the GRU. RecBole looks padding up as a row that stays zero;
    here no step is taken there.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 50,
        hidden_dim: int = 100,
        dropout: float = 0.25,
        session_dropout: float = 0.5,
        use_bias: bool = False,
        temperature: float | None = None,
        interest_bias: bool = False,
        **kwargs,
    ):
        check_positive_int(hidden_dim, "hidden_dim")
        check_range(dropout, "dropout", 0.0, 1.0)
        check_range(session_dropout, "session_dropout", 0.0, 1.0)
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            temperature,
            interest_bias,
            embeddings_initializer="glorot_normal",
            **kwargs,
        )
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.session_dropout = session_dropout
        self.use_bias = use_bias
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim, units = self.embedding_dim, self.hidden_dim
        self.input_dropout = keras.layers.Dropout(
            self.dropout, name="input_dropout", **policy
        )
        self.output_dropout = keras.layers.Dropout(
            self.session_dropout, name="output_dropout", **policy
        )
        self.gru = keras.layers.GRU(
            units,
            return_sequences=True,
            use_bias=self.use_bias,
            kernel_initializer=uniform_of_width(units),
            recurrent_initializer=uniform_of_width(units),
            bias_initializer=uniform_of_width(units),
            name="gru",
            **policy,
        )
        self.gru.build((None, None, dim))

        def linear(inputs, outputs, name):
            layer = keras.layers.Dense(
                outputs,
                use_bias=False,
                kernel_initializer="glorot_normal",
                name=name,
                **policy,
            )
            layer.build((None, inputs))
            return layer

        self.of_last = linear(units, units, "of_last")
        self.of_state = linear(units, units, "of_state")
        self.energy = linear(units, 1, "energy")
        self.decoder = linear(2 * units, dim, "decoder")

    def user_vector(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        valid_mask = valid_positions(history)
        inputs = self.item_embedding(history)
        inputs = self.input_dropout(inputs, training=training)
        states = self.gru(
            inputs, mask=never_empty(valid_mask), training=training
        )
        states = zero_invalid(states, valid_mask)
        last = last_valid(states, valid_mask)
        hidden = ops.expand_dims(self.of_last(last), 1) + self.of_state(states)
        weights = self.energy(ops.sigmoid(hidden))
        # Zero states leave padding out of the sum.
        purpose = ops.sum(weights * states, axis=1)
        session = ops.concatenate([purpose, last], axis=-1)
        return self.decoder(self.output_dropout(session, training=training))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout,
            "session_dropout": self.session_dropout,
            "use_bias": self.use_bias,
        }
