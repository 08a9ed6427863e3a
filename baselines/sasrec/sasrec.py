"""SASRec: self-attention to the past, read at the newest item."""

import math

import keras
from keras import ops

from baselines.sasrec.causal_transformer import CausalTransformer
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import check_history_length
from mgnm_tf.utils.masking import places_from_newest
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

NORMALIZATION = {"paper": "before", "code": "query", "rechorus": "after"}
"""`normalization` of the blocks of each variant."""


@register
class SASRec(SingleVectorRecommender):
    """Scores an item by its inner product with the state of the newest item.

    ```
    z_i = sqrt(d) x_i + p_{n - i}        x: item vectors of the history of n
    z = block(z), `num_layers` times     see `CausalTransformer`
    u = LN(z_n)
    score(j) = u . x_j
    ```

    The places p are counted from the newest item. The last block computes
    nothing but the newest position.

    - `"paper"`: blocks that normalise what enters attention and net;
    - `"code"`: the published code, whose residuals add normalised inputs;
    - `"rechorus"`: the SASRec of THUwangcy/ReChorus that the TiMiRec paper
      measured: blocks that normalise their outputs, without sqrt(d) and
      without the last LN. There: `num_layers=1`, `dropout=0.0`.

    Without the item table it has `max_length` d + `num_layers` (5 (d^2 + d)
    + 4 d) parameters, plus 2 d unless `"rechorus"`.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors. Defaults to `16`.
        num_layers: number of blocks. Defaults to `2`.
        num_heads: number of heads of the attention; divides d. Defaults to
            `1`.
        dropout: share of the inputs, and of the outputs of attention and
            net, that training sets to zero. Defaults to `0.5`.
        variant: `"paper"`, `"code"` or `"rechorus"`, see above. Defaults to
            `"paper"`.
        max_length: the longest history. Defaults to `100`.
        temperature: see `SingleVectorRecommender`. Defaults to `None`.
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
    >>> from baselines.sasrec.sasrec import SASRec
    >>> model = SASRec(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Kang and McAuley, "Self-Attentive Sequential Recommendation",
    ICDM 2018, https://arxiv.org/abs/1808.09781. Code: kang205/SASRec.

    Differences: paper and code train every position of a sequence at once,
    each with its next item and one negative; here, as in ReChorus, a sample
    is a history with its target, and the objective is the common one; with
    `every_position` in the training, it is all positions, with negatives that
    they share. Their places are counted from the newest of all, too. The
    dropout of `"code"` also acts on the weights of the attention and inside
    the net there, and not on the output of the attention. ReChorus draws its
    weights from N(0, 0.01^2), as `initial_stddev` of the training does; its
    table of places has one vector more, for padding.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        num_layers: int = 2,
        num_heads: int = 1,
        dropout: float = 0.5,
        variant: str = "paper",
        max_length: int = 100,
        temperature: float | None = None,
        **kwargs,
    ):
        check_positive_int(num_layers, "num_layers")
        check_positive_int(num_heads, "num_heads")
        check_positive_int(max_length, "max_length")
        check_range(dropout, "dropout", 0.0, 1.0)
        check_choice(variant, "variant", NORMALIZATION)
        super().__init__(
            num_users, num_items, embedding_dim, temperature, **kwargs
        )
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.dropout = dropout
        self.variant = variant
        self.max_length = max_length
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.embedding_dim
        self.position_embedding = None
        self._create_places()
        self.input_dropout = keras.layers.Dropout(
            self.dropout, name="input_dropout", **policy
        )
        self.blocks = [
            self.block_class(
                self.num_heads,
                self.dropout,
                NORMALIZATION[self.variant],
                return_sequences=number < self.num_layers,
                name=f"block_{number}",
                **policy,
            )
            for number in range(1, self.num_layers + 1)
        ]
        for block in self.blocks:
            block.build((None, None, dim))
        self.output_norm = None
        if self.variant != "rechorus":
            self.output_norm = keras.layers.LayerNormalization(
                epsilon=1e-8, name="output_norm", **policy
            )
            self.output_norm.build((None, dim))

    def _create_places(self):
        """Creates and builds what tells the blocks of places."""
        self.position_embedding = self._table(
            self.max_length, "position_embedding"
        )

    def _table(self, size, name):
        """Returns a built table of `size` vectors."""
        table = keras.layers.Embedding(
            size,
            self.embedding_dim,
            embeddings_initializer="glorot_uniform",
            name=name,
            dtype=self.dtype_policy,
        )
        table.build()
        return table

    @property
    def block_class(self):
        """The class of the blocks."""
        return CausalTransformer

    def _for_blocks(self, features, valid_mask, places):
        """Returns what each block reads besides the items, a tuple each."""
        return [()] * self.num_layers

    def user_vector(self, features, training=False):
        return self._read(features, training, every_position=False)

    def position_vectors(self, features, training=False):
        return self.scale(self._read(features, training, every_position=True))

    def _read(self, features, training, every_position):
        """Returns the states (B, m, d), or those of the newest items (B, d)."""
        history = ops.convert_to_tensor(features["history"])
        check_history_length(history, self.max_length)
        valid_mask = valid_positions(history)
        items = self.item_embedding(history)
        if self.variant != "rechorus":
            items = items * math.sqrt(self.embedding_dim)
        places = ops.maximum(places_from_newest(valid_mask), 0)
        if self.position_embedding is not None:
            items = items + self.position_embedding(places)
        items = self.input_dropout(items, training=training)
        others = self._for_blocks(features, valid_mask, places)
        options = {"valid_mask": valid_mask, "training": training}
        if every_position:
            options["return_sequences"] = True
        for block, further in zip(self.blocks, others, strict=True):
            items = block(items, *further, **options)
        if self.output_norm is None:
            return items
        if not every_position:
            valid_mask = ops.any(valid_mask, axis=-1)
        return zero_invalid(self.output_norm(items), valid_mask)

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "variant": self.variant,
            "max_length": self.max_length,
        }
