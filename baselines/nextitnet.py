"""NextItNet: dilated causal convolutions over the history."""

from collections.abc import Sequence

import keras
from keras import ops

from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import last_valid
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.validation import check_positive_int

_EPSILON = 1e-8


@register
class NextItNet(SingleVectorRecommender):
    """Scores an item by a stack of convolutions read at the newest item.

    A block with dilation r adds two causal convolutions to what comes in:

    ```
    y = ReLU(LN(conv(x, dilation r)))
    z = ReLU(LN(conv(y, dilation 2 r)))      LN: over the channels
    block_r(x) = x + z
    u = W block(... block(x_1, ..., x_n))_n + b
    score(j) = u . x_j
    ```

    With kernels of width k the newest state sees
    `1 + (k - 1) * sum of 3 r over the blocks` items. Without the item table
    the model has `2 (k d^2 + 3 d)` parameters a block, and `d^2 + d`.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors and of all states.
            Defaults to `64`.
        dilations: the dilation r of each block. Defaults to `(1, 4)`.
        num_repeats: how often that row of blocks is stacked. Defaults to
            `5`.
        kernel_size: width k of the kernels. Defaults to `3`.
        temperature: see `SingleVectorRecommender`. Defaults to `None`.
        interest_bias: see `SingleVectorRecommender`. Defaults to `False`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: not used: there is no dropout.

    Returns:
        Scores (batch, C). Padding scores 0.

    Masking: padding stands behind the items and is set to zero after every
    block, so that it changes nothing; an empty history is read as a zero
    state.

    Raises:
        ValueError: a size or a dilation is out of its range.

    Example:

    >>> import numpy as np
    >>> from baselines.nextitnet import NextItNet
    >>> model = NextItNet(num_users=10, num_items=50, num_repeats=1)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Yuan et al., "A simple convolutional generative network for
    next item recommendation", WSDM 2019,
    https://doi.org/10.1145/3289600.3290975.

    Differences: the paper trains on all positions of a whole session at once
    and has an output matrix of its own; here a sample is a prefix and its
    next item, as for every model, and the table is shared, with the linear
    layer before it that RecBole has. Sizes are RecBole's. Both codes read a
    fixed last column: the published one fills sessions up in front with a
    trained id, and RecBole, which fills them up behind, reads the state of
    padding for all but the longest; here the state of the newest item is
    read. RecBole's penalty on the norms of the weights is left out.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 64,
        dilations: Sequence[int] = (1, 4),
        num_repeats: int = 5,
        kernel_size: int = 3,
        temperature: float | None = None,
        interest_bias: bool = False,
        **kwargs,
    ):
        if isinstance(dilations, str) or not len(dilations):
            raise ValueError(
                "`dilations` must be a list of numbers, one a block. "
                f"Received: dilations={dilations!r}"
            )
        for dilation in dilations:
            check_positive_int(dilation, "dilations")
        check_positive_int(num_repeats, "num_repeats")
        check_positive_int(kernel_size, "kernel_size")
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            temperature,
            interest_bias,
            **kwargs,
        )
        self.dilations = tuple(dilations)
        self.num_repeats = num_repeats
        self.kernel_size = kernel_size
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.embedding_dim
        self.convolutions = []
        self.normalizations = []
        for block, dilation in enumerate(self.dilations * self.num_repeats):
            for part, rate in enumerate((dilation, 2 * dilation)):
                place = f"{block + 1}_{part + 1}"
                convolution = keras.layers.Conv1D(
                    dim,
                    self.kernel_size,
                    padding="causal",
                    dilation_rate=rate,
                    kernel_initializer=keras.initializers.TruncatedNormal(
                        stddev=0.02
                    ),
                    name=f"convolution_{place}",
                    **policy,
                )
                convolution.build((None, None, dim))
                normalization = keras.layers.LayerNormalization(
                    epsilon=_EPSILON, name=f"normalization_{place}", **policy
                )
                normalization.build((None, None, dim))
                self.convolutions.append(convolution)
                self.normalizations.append(normalization)
        self.output_projection = keras.layers.Dense(
            dim, name="output_projection", **policy
        )
        self.output_projection.build((None, dim))

    def user_vector(self, features, training=False):
        history = ops.convert_to_tensor(features["history"])
        valid_mask = valid_positions(history)
        states = self.item_embedding(history)
        layers = [*zip(self.convolutions, self.normalizations, strict=True)]
        for first, second in zip(layers[::2], layers[1::2], strict=True):
            change = states
            for convolution, normalization in (first, second):
                change = ops.relu(normalization(convolution(change)))
            states = zero_invalid(states + change, valid_mask)
        return self.output_projection(last_valid(states, valid_mask))

    def get_config(self):
        return {
            **super().get_config(),
            "dilations": list(self.dilations),
            "num_repeats": self.num_repeats,
            "kernel_size": self.kernel_size,
        }
