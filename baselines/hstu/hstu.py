"""HSTU: gated attention with relative places and times."""

import math

import keras
from keras import ops

from mgnm_tf.layers.sequence.relative_bias import RelativeBias
from mgnm_tf.layers.sequence.transduction_unit import TransductionUnit
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import history_length
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class HSTU(SingleVectorRecommender):
    """Scores an item by its cosine with the state of the newest item.

    ```
    z_i = sqrt(d) x_i + p_i              x: item vectors of the history of n
    z = unit(z), `num_layers` times      see `TransductionUnit`
    score(j) = cos(z_n, x_j) / temperature
    ```

    The places p are counted from the oldest item. The units weigh two items
    by their distance in places and, with `use_time`, in time, too, see
    `RelativeBias`. The last unit computes nothing but the newest position,
    unless every position is trained.

    Without the item table it has `max_length` d + `num_layers` (5 d^2 + d +
    `max_length`) parameters, and 128 `num_layers` more with `use_time`.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors. Defaults to `50`.
        num_layers: number of units. Defaults to `2`.
        num_heads: number of heads of the attention; divides d. Defaults to
            `1`.
        dropout: share of the inputs, and of what the output of a unit is
            made of, that training sets to zero. Defaults to `0.2`.
        use_time: whether the times of the history are read; data without
            timestamps say `False`. Defaults to `True`.
        max_length: the longest history. Defaults to `100`.
        temperature: see `SingleVectorRecommender`. Defaults to `0.05`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read, and with
            `use_time` `history_time`.
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
    >>> from baselines.hstu.hstu import HSTU
    >>> model = HSTU(num_users=10, num_items=50, use_time=False)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Zhai et al., "Actions Speak Louder than Words: Trillion-
    Parameter Sequential Transducers for Generative Recommendations", ICML
    2024, https://arxiv.org/abs/2402.17152. Code:
    facebookresearch/generative-recommenders, its research models.

    Differences: the published code reads item vectors of any length and
    gives length 1 to those that it scores; here both have length 1. It takes
    the time of the event that is to be predicted for that of each row of the
    attention; here it is the row's own, which serving knows. Ratings are not
    read.
    """

    options_of_the_data = ("use_time",)

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 50,
        num_layers: int = 2,
        num_heads: int = 1,
        dropout: float = 0.2,
        use_time: bool = True,
        max_length: int = 100,
        temperature: float | None = 0.05,
        **kwargs,
    ):
        check_positive_int(num_layers, "num_layers")
        check_positive_int(max_length, "max_length")
        check_range(dropout, "dropout", 0.0, 1.0)
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            temperature,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.02),
            **kwargs,
        )
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.dropout = dropout
        self.use_time = use_time
        self.max_length = max_length
        policy = {"dtype": self.dtype_policy}
        self.position_embedding = keras.layers.Embedding(
            max_length,
            embedding_dim,
            embeddings_initializer=keras.initializers.TruncatedNormal(
                stddev=embedding_dim**-0.5
            ),
            name="position_embedding",
            **policy,
        )
        self.position_embedding.build()
        self.input_dropout = keras.layers.Dropout(
            dropout, name="input_dropout", **policy
        )
        self.units, self.biases = [], []
        for number in range(1, num_layers + 1):
            unit = TransductionUnit(
                num_heads, dropout, max_length, name=f"unit_{number}", **policy
            )
            unit.build((None, None, embedding_dim))
            self.units.append(unit)
            self.biases.append(
                RelativeBias(
                    max_length, use_time, name=f"bias_{number}", **policy
                )
            )
        self.built = True

    @property
    def required_features(self):
        return ("history_time",) if self.use_time else ()

    @classmethod
    def data_arguments(cls, data):
        return {**super().data_arguments(data), "use_time": data.has_times}

    def user_vector(self, features, training=False):
        return self._read(features, training, every_position=False)

    def position_vectors(self, features, training=False):
        return self.scale(self._read(features, training, every_position=True))

    def _read(self, features, training, every_position):
        """Returns the states (B, m, d), or those of the newest items (B, d)."""
        history = ops.convert_to_tensor(features["history"])
        check_history_length(history, self.max_length)
        valid_mask = valid_positions(history)
        places = ops.arange(ops.shape(history)[1], dtype="int32")
        states = self.item_embedding(history) * math.sqrt(self.embedding_dim)
        states = states + self.position_embedding(places)
        states = self.input_dropout(states, training=training)
        times = None
        if self.use_time:
            times = ops.convert_to_tensor(features["history_time"])
        newest = self._newest(times, valid_mask)
        last = self.num_layers - 1
        for number, unit in enumerate(self.units):
            whole = every_position or number < last
            rows = (places[None], times) if whole else newest
            states = unit(
                states,
                self.biases[number](rows[0], places, rows[1], times),
                valid_mask=valid_mask,
                training=training,
                return_sequences=whole,
            )
        return states

    def _newest(self, times, valid_mask):
        """Returns place (B, 1) and time (B, 1) of the newest events."""
        place = history_length(valid_mask)[:, None] - 1
        if times is None:
            return place, None
        return place, last_valid(times[..., None], valid_mask)

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "use_time": self.use_time,
            "max_length": self.max_length,
        }
