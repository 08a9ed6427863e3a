"""User vectors, with an answer for users nobody knows."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.rows import take_rows
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class UserEmbedding(keras.layers.Layer):
    """Looks users up; user 0 is "unknown" and gets a sensible vector.

    Without `dropout` the unknown user is the mean of the known ones, which
    takes no part in training. With `dropout` it has a vector of its own, in
    row 0, trained by turning that share of users into user 0.

    Args:
        num_users: number of known users; ids run from 1, 0 is "unknown".
        embedding_dim: width d.
        dropout: share of users that training turns into user 0. Defaults
            to `0.0`.
        embeddings_initializer: initializer of the table. Defaults to
            `"uniform"`.
        seed: seed of the dropout. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        users: int32, (batch,).
        training: bool.

    Returns:
        float, (batch, d). Without any known user and without `dropout`,
        zeros.

    Raises:
        ValueError: `dropout` is not between 0 and 1.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import UserEmbedding
    >>> layer = UserEmbedding(5, 4)
    >>> vectors = np.asarray(layer(np.array([0, 1, 2, 3, 4, 5])))
    >>> bool(np.allclose(vectors[0], vectors[1:].mean(axis=0)))
    True
    """

    def __init__(
        self,
        num_users: int,
        embedding_dim: int,
        dropout: float = 0.0,
        embeddings_initializer="uniform",
        seed: int | None = None,
        **kwargs,
    ):
        check_positive_int(num_users, "num_users", 0)
        check_positive_int(embedding_dim, "embedding_dim")
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(**kwargs)
        self.num_users = num_users
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer
        )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.build()

    def build(self, users_shape=None):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.num_users + 1, self.embedding_dim),
            initializer=self.embeddings_initializer,
        )
        self.built = True

    def call(self, users, training=False):
        if self.dropout and training:
            drawn = keras.random.uniform(
                ops.shape(users), seed=self.seed_generator
            )
            users = ops.where(drawn < self.dropout, 0, users)
        vectors = take_rows(self.embeddings, users)
        vectors = ops.cast(vectors, self.compute_dtype)
        if self.dropout:
            return vectors
        if not self.num_users:
            return ops.zeros_like(vectors)
        known = ops.expand_dims(ops.not_equal(users, 0), -1)
        # The whole table is read only where somebody is unknown.
        mean = ops.cond(
            ops.all(known),
            lambda: ops.zeros((1, self.embedding_dim), vectors.dtype),
            lambda: ops.cast(self._mean(), vectors.dtype),
        )
        return ops.where(known, vectors, mean)

    def _mean(self):
        """Returns the mean of the known users, (1, d), without gradient."""
        table = ops.stop_gradient(ops.convert_to_tensor(self.embeddings))
        return ops.mean(table[1:], axis=0, keepdims=True)

    def compute_output_shape(self, users_shape):
        return (*users_shape, self.embedding_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_users": self.num_users,
            "embedding_dim": self.embedding_dim,
            "dropout": self.dropout,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
            "seed": self.seed,
        }
