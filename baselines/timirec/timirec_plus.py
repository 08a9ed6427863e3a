"""TiMiRec+: TiMiRec whose items see each other first."""

from baselines.timirec.timirec import TiMiRec
from mgnm_tf.serialization import register


@register
class TiMiRecPlus(TiMiRec):
    """TiMiRec with a transformer block before the extractor's attention.

    ```
    h_1, ..., h_n = block(x_1 + p_n, ..., x_n + p_1)
    v_k = sum_i softmax_i(tanh(h_i W + w) . s_k + t_k) h_i
    ```

    with a `PostNormTransformer` as the block, which adds 5 (d^2 + d) + 4 d
    parameters; all else is that of `TiMiRec`. Its first stage is
    `ComiRecPlus`.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        **kwargs: see `TiMiRec`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: see `TiMiRec`.

    Raises:
        ValueError: see `TiMiRec`.

    Example:

    >>> from baselines.timirec.timirec_plus import TiMiRecPlus
    >>> model = TiMiRecPlus(num_users=10, num_items=3706, num_interests=2)
    >>> model.count_params()  # As in the published log of MovieLens-1M.
    526748

    Reference: Wang et al., "Target Interest Distillation for Multi-Interest
    Recommendation", CIKM 2022, https://doi.org/10.1145/3511808.3557464. Code:
    THUwangcy/ReChorus, branch CIKM22, with `add_trm=1`.

    Differences: see `TiMiRec`.
    """

    _transformer = True
