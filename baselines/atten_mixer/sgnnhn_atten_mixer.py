"""SGNN-HN with the readout of Atten-Mixer."""

from baselines.atten_mixer.srgnn_atten_mixer import SRGNNAttenMixer
from baselines.atten_mixer.star_encoder import StarEncoder
from mgnm_tf.serialization import register


@register
class SGNNHNAttenMixer(SRGNNAttenMixer):
    """Scores an item by what the readout finds in the states of a star graph.

    ```
    h = StarEncoder(x_1, ..., x_n)
    s = AttenMixerReadout(h_1 / |h_1|, ..., h_n / |h_n|)
    score(j) = cos(s, x_j) / temperature
    ```

    The encoder is close to that of SGNN-HN: gated steps on the graph of the
    session beside a star, and a highway from the items to the states. It has
    `15 d^2 + 15 d` parameters with one step; the rest are those of
    `AttenMixer` without its normalisation, 2 d fewer.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors. Defaults to `256`.
        num_steps: steps of the star graph network. Defaults to `1`.
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
        dropout: share of the weights of the readout that training sets to
            zero; the items keep all their numbers. Defaults to `0.1`.
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
    >>> from baselines.atten_mixer.sgnnhn_atten_mixer import SGNNHNAttenMixer
    >>> model = SGNNHNAttenMixer(num_users=10, num_items=50, embedding_dim=16)
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

    Differences: see `AttenMixer` and `StarEncoder`. As in the published code
    (SGNN-HN-AM) the star itself is not read. The encoder gets items of length
    1, which its normalisation takes for the same as the items themselves.
    Where a session is shorter than a level that code reads the state of
    padding, which is zero here.
    """

    encoder_class = StarEncoder

    def states(self, history, training=False):
        """Returns the states of the star graph network, (B, m, d)."""
        return self.encoder(self.item_embedding(history), history)
