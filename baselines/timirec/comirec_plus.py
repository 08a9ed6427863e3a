"""ComiRec+: interests by attention behind a transformer block."""

from keras import ops

from baselines.timirec.self_attentive_extractor import SelfAttentiveExtractor
from mgnm_tf.models.multi_interest import MultiInterestRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.initializers import get_initializer
from mgnm_tf.utils.masking import valid_positions


@register
class ComiRecPlus(MultiInterestRecommender):
    """The extractor of TiMiRec+ trained alone: the nearest interest scores.

    ```
    h_1, ..., h_n = block(x_1 + p_n, ..., x_n + p_1)
    v_k = sum_i softmax_i(tanh(h_i W + w) . s_k + t_k) h_i
    score(j) = max_k v_k . x_j                  training: k of the positive
    ```

    with the item vectors x of the history, vectors p of their places and a
    `PostNormTransformer` as the block, see `SelfAttentiveExtractor`. It is
    the first stage of TiMiRec+, and without the block that of TiMiRec, which
    takes `item_embedding` and `extractor` from it.

    Without the item table it has (`max_length` + 1) d + d h + h + h K + K
    parameters, and 5 (d^2 + d) + 4 d more with the block.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d. Defaults to `64`.
        num_interests: number of interests K. Defaults to `4`.
        hidden_dim: width h of the attention. Defaults to `8`.
        transformer: whether the block is there. Defaults to `True`.
        positions: whether the items know their places. Defaults to `True`.
        max_length: the longest history, if `positions`. Defaults to `20`.
        temperature: see `MultiInterestRecommender`. Defaults to `None`.
        dropout: see `MultiInterestRecommender`. Defaults to `0.0`.
        interest_bias: see `MultiInterestRecommender`. Defaults to `False`.
        training_interests: `"label"` or `"max"`, see
            `MultiInterestRecommender`. Defaults to `"label"`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding gets no weight; after an empty history all interests
    are zero, before `interest_bias`.

    Raises:
        ValueError: a size is out of its range; with `positions`, a history
            is longer than `max_length`.

    Example:

    >>> import numpy as np
    >>> from baselines.timirec.comirec_plus import ComiRecPlus
    >>> model = ComiRecPlus(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model.interests(features).shape
    TensorShape([2, 4, 64])

    Reference: Wang et al., "Target Interest Distillation for Multi-Interest
    Recommendation", CIKM 2022, https://doi.org/10.1145/3511808.3557464,
    section 4. Code: THUwangcy/ReChorus, branch CIKM22, the stage `pretrain`
    of `TiMiRec`.

    Differences: the biases are those of the code; an empty history, which the
    code never sees, is scored.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 64,
        num_interests: int = 4,
        hidden_dim: int = 8,
        transformer: bool = True,
        positions: bool = True,
        max_length: int = 20,
        temperature: float | None = None,
        dropout: float = 0.0,
        interest_bias: bool = False,
        training_interests: str = "label",
        **kwargs,
    ):
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            num_interests,
            max_length,
            temperature,
            dropout,
            interest_bias,
            training_interests,
            embeddings_initializer=get_initializer(0.01),
            **kwargs,
        )
        self.extractor = SelfAttentiveExtractor(
            num_interests,
            hidden_dim,
            max_length,
            positions,
            transformer,
            name="extractor",
            dtype=self.dtype_policy,
        )
        self.extractor.build((None, None, embedding_dim))
        self.built = True

    def extract_interests(self, features, training=False):
        """Returns interests (B, K, d) and attention (B, K, m)."""
        history = ops.convert_to_tensor(features["history"])
        return self.extractor(
            self.embed_history(history, training),
            valid_mask=valid_positions(history),
            return_weights=True,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.extractor.hidden_dim,
            "transformer": self.extractor.transformer,
            "positions": self.extractor.positions,
        }
