"""SR-GNN with the readout of Atten-Mixer."""

from baselines.atten_mixer.atten_mixer import AttenMixer
from mgnm_tf.layers.graph.session_graph_encoder import SessionGraphEncoder
from mgnm_tf.serialization import register


@register
class SRGNNAttenMixer(AttenMixer):
    """Scores an item by what the readout finds in the states of a graph.

    ```
    h = SessionGraphEncoder(x_1 / |x_1|, ..., x_n / |x_n|)
    s = AttenMixerReadout(h_1 / |h_1|, ..., h_n / |h_n|)
    score(j) = cos(s, x_j) / temperature
    ```

    The encoder is that of SR-GNN: gated steps on the directed graph of the
    session. It has `11 d^2 + 10 d` parameters; the rest are those of
    `AttenMixer` without its normalisation, 2 d fewer.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors. Defaults to `256`.
        num_steps: steps of the graph network. Defaults to `1`.
        num_levels: see `AttenMixerReadout`. Defaults to `7`.
        num_heads: see `AttenMixerReadout`. Defaults to `8`.
        pooling_power: see `AttenMixerReadout`. Defaults to `4.0`.
        query: see `AttenMixerReadout`. Defaults to `"sum"`.
        query_items: see `AttenMixerReadout`. Defaults to `"newest"`.
        query_normalization: see `AttenMixerReadout`. Defaults to `"level"`.
        head_split: see `AttenMixerReadout`. Defaults to `"heads"`.
        mask_first_softmax: see `AttenMixerReadout`. Defaults to `True`.
        layer_norm: see `AttenMixerReadout`. Defaults to `False`.
        padded_length: see `AttenMixer`. Defaults to `None`.
        dropout: see `AttenMixer`. Defaults to `0.1`.
        item_dropout: see `SingleVectorRecommender`. Defaults to `0.1`.
        temperature: see `SingleVectorRecommender`; the published sigma of 12
            is its inverse. By default `1 / 12`.
        interest_bias: see `SingleVectorRecommender`. Defaults to `False`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether dropout acts.

    Returns:
        Scores (batch, C), at most `1 / temperature` in size. Padding
        scores 0.

    Masking: see `AttenMixer`; padding is no node of the graph.

    Raises:
        ValueError: an argument is out of its range, or `num_heads` does not
            divide `embedding_dim`.

    Example:

    >>> import numpy as np
    >>> from baselines.atten_mixer.srgnn_atten_mixer import SRGNNAttenMixer
    >>> model = SRGNNAttenMixer(num_users=10, num_items=50, embedding_dim=16)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Zhang et al., "Efficiently leveraging multi-level user intent
    for session-based recommendation via Atten-Mixer network", WSDM 2023,
    table 3, https://arxiv.org/abs/2206.12781.

    Differences: see `AttenMixer`, `SessionGraph` and `GatedGraphStep`. The
    published code (GNN-AM) drops numbers of the item table before it divides
    the rows by their lengths, here as in Atten-Mixer behind it; and where a
    session is shorter than a level it reads the state of padding, which is
    zero here.
    """

    encoder_class = SessionGraphEncoder
    """The layer from items and ids to states."""

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 256,
        num_steps: int = 1,
        num_levels: int = 7,
        num_heads: int = 8,
        pooling_power: float = 4.0,
        query: str = "sum",
        query_items: str = "newest",
        query_normalization: str | None = "level",
        head_split: str = "heads",
        mask_first_softmax: bool = True,
        layer_norm: bool = False,
        padded_length: int | None = None,
        dropout: float = 0.1,
        item_dropout: float = 0.1,
        temperature: float | None = 1 / 12,
        interest_bias: bool = False,
        **kwargs,
    ):
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            num_levels,
            num_heads,
            pooling_power,
            query,
            query_items,
            query_normalization,
            head_split,
            mask_first_softmax,
            layer_norm,
            padded_length,
            dropout,
            item_dropout,
            temperature,
            interest_bias,
            **kwargs,
        )
        self.num_steps = num_steps
        self.encoder = self.encoder_class(
            num_steps, name="encoder", dtype=self.dtype_policy
        )
        self.encoder.build((None, None, embedding_dim))

    def states(self, history, training=False):
        """Returns the states of the graph network, (B, m, d)."""
        return self.encoder(super().states(history, training), history)

    def get_config(self):
        return {**super().get_config(), "num_steps": self.num_steps}
