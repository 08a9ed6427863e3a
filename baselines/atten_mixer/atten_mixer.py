"""Atten-Mixer: a session asked at several levels, without a graph."""

import keras
from keras import ops

from mgnm_tf.layers.interest.atten_mixer_readout import AttenMixerReadout
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import uniform_of_width
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.rows import take_positions
from mgnm_tf.utils.unit_vectors import unit_vectors
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class AttenMixer(SingleVectorRecommender):
    """Scores an item by its cosine with what a multi-level readout finds.

    ```
    h_i = x_i / |x_i|                 x: item vectors of the history
    s = AttenMixerReadout(h_1, ..., h_n)
    score(j) = cos(s, x_j) / temperature
    ```

    The claim of the paper: in a session graph the readout does the work. So
    there is no message passing here, and queries made of the last 1, ..., L
    items read the normalised item vectors; see `AttenMixerReadout` for its
    equations and parameters, which are all beside the item table.

    The ablations of the paper's table 4 are options: one level
    (`num_levels=1, query_normalization="feature"`), no priority of the last
    items (`query_items="all"`), no invariance to the order within a level
    (`query="concat"`), no L_p pooling (`pooling_power=1.0`). The recipe
    `released` computes what the published code computes.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors. Defaults to `256`.
        num_levels: see `AttenMixerReadout`. Defaults to `7`.
        num_heads: see `AttenMixerReadout`. Defaults to `8`.
        pooling_power: see `AttenMixerReadout`. Defaults to `4.0`.
        query: see `AttenMixerReadout`. Defaults to `"sum"`.
        query_items: see `AttenMixerReadout`. Defaults to `"newest"`.
        query_normalization: see `AttenMixerReadout`. Defaults to `"level"`.
        head_split: see `AttenMixerReadout`. Defaults to `"heads"`.
        mask_first_softmax: see `AttenMixerReadout`. Defaults to `True`.
        layer_norm: see `AttenMixerReadout`. Defaults to `True`.
        padded_length: the length that shorter histories are padded to, where
            the published form of the readout depends on it; `None` leaves
            them as they come. Defaults to `None`.
        dropout: share of the numbers of the history's item vectors, the same
            ones wherever an item repeats, and of the weights of the readout
            that training sets to zero. Defaults to `0.1`.
        item_dropout: see `SingleVectorRecommender`. Defaults to `0.1`.
        temperature: see `SingleVectorRecommender`; the paper's sigma is its
            inverse. Defaults to `0.0625`.
        interest_bias: see `SingleVectorRecommender`. Defaults to `False`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C), at most `1 / temperature` in size. Padding
        scores 0.

    Masking: padding changes nothing, unless the readout is the published
    one; after an empty history the user vector is that of zero states.

    Raises:
        ValueError: an argument is out of its range, or `num_heads` does not
            divide `embedding_dim`.

    Example:

    >>> import numpy as np
    >>> from baselines.atten_mixer.atten_mixer import AttenMixer
    >>> model = AttenMixer(num_users=10, num_items=50, embedding_dim=16)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Zhang et al., "Efficiently leveraging multi-level user intent
    for session-based recommendation via Atten-Mixer network", WSDM 2023,
    https://arxiv.org/abs/2206.12781.

    Differences: the paper normalises before W_m, its code and this model
    behind it, so that scores are bounded. The code draws biases and the
    scale and shift of the normalisation uniformly below 1/sqrt(d), too; here
    the latter start at one and zero. Its loader builds a graph that the model
    never reads. See `AttenMixerReadout` for the rest.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 256,
        num_levels: int = 7,
        num_heads: int = 8,
        pooling_power: float = 4.0,
        query: str = "sum",
        query_items: str = "newest",
        query_normalization: str | None = "level",
        head_split: str = "heads",
        mask_first_softmax: bool = True,
        layer_norm: bool = True,
        padded_length: int | None = None,
        dropout: float = 0.1,
        item_dropout: float = 0.1,
        temperature: float | None = 0.0625,
        interest_bias: bool = False,
        **kwargs,
    ):
        check_positive_int(embedding_dim, "embedding_dim")
        check_range(dropout, "dropout", 0.0, 1.0)
        if padded_length is not None:
            check_positive_int(padded_length, "padded_length")
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            temperature,
            interest_bias,
            embeddings_initializer=uniform_of_width(embedding_dim),
            item_dropout=item_dropout,
            **kwargs,
        )
        self.padded_length = padded_length
        self.dropout = dropout
        self.input_dropout = keras.layers.Dropout(
            dropout, name="input_dropout", dtype=self.dtype_policy
        )
        self.readout = AttenMixerReadout(
            num_levels,
            num_heads,
            pooling_power,
            query,
            query_items,
            query_normalization,
            head_split,
            mask_first_softmax,
            layer_norm,
            dropout,
            name="readout",
            dtype=self.dtype_policy,
        )
        self.readout.build((None, None, embedding_dim))
        self.built = True

    def user_vector(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        if self.padded_length is not None:
            history = _padded(history, self.padded_length)
        states = self.states(history, training=training)
        return self.readout(
            unit_vectors(states), valid_positions(history), training=training
        )

    def states(self, history, training=False):
        """Returns what is read, of any length: here the items.

        Args:
            history: int32, (B, m).
            training: whether dropout acts.

        Returns:
            float, (B, m, d).
        """
        items = self.item_embedding(history)
        if self.temperature is None:  # With one, they have length 1.
            items = unit_vectors(items)
        if not training or not self.dropout:
            return items
        items = self.input_dropout(items, training=True)
        return take_positions(items, _first_places(history))

    def get_config(self):
        readout = self.readout.get_config()
        names = (
            "num_levels",
            "num_heads",
            "pooling_power",
            "query",
            "query_items",
            "query_normalization",
            "head_split",
            "mask_first_softmax",
            "layer_norm",
        )
        return {
            **super().get_config(),
            **{name: readout[name] for name in names},
            "padded_length": self.padded_length,
            "dropout": self.dropout,
        }


def _padded(history, length):
    """Returns the histories (B, m) with padding up to `length` columns."""
    batch, columns = ops.shape(history)
    more = ops.zeros((batch, length), history.dtype)
    joined = ops.concatenate([history, more], axis=1)
    # JAX slices by numbers alone, and only TensorFlow has an unknown length.
    wanted = max if isinstance(columns, int) else ops.maximum
    return joined[:, : wanted(columns, length)]


def _first_places(history):
    """Returns where each item of (B, m) ids stood first, int32 (B, m)."""
    same = ops.equal(history[:, :, None], history[:, None])
    length = ops.shape(history)[1]
    places = ops.where(same, ops.arange(length, dtype="int32"), length)
    return ops.min(places, axis=-1)
