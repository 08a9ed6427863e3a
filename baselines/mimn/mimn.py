"""MIMN: a memory of fixed size, written along the history."""

import keras
from keras import ops

from baselines.mimn.memory_cell import MemoryCell
from mgnm_tf.models.categories import CategoryRecommender
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

STATES = ("hidden", "read", "memory", "usage", "added", "channels")
"""Names of the states of `MemoryCell`, in its order."""


FORMER_NAMES = {
    "util": "memory_utilization",
    "miu": "memory_induction",
    "util_weight": "utilization_weight",
}
"""What options were called -> what they are called."""


@register
class MIMN(CategoryRecommender):
    """Writes the history into a memory; candidates look things up in it.

    ```
    h, M, u, c, S = the states of MemoryCell after x_1, ..., x_n
    o_t = what the cell gives for the candidate t as the next item
    g_t = sum_i softmax_i(net([t ; S_i ; t - S_i ; t * S_i])) S_i
    score(t) = net'([sum_i x_i ; t ; o_t ; g_t ; (c / N) * t])
    ```

    `net` has sigmoid layers of 80 and 40, `net'` a scale and a shift of each
    of its inputs, then PReLU layers of 200 and 80. The memory has N slots and
    does not grow with the history.

    Training adds `utilization_weight / N` times the mean of
    `(u_i - mean(u))^2` to the loss, so that all slots are written to.

    With D = H and N = 4 there are, without the item table, 48,190 parameters
    at D = 16 and 113,422 at D = 40.

    Args:
        num_users: number of known users; not used.
        num_items: number of items M; item 0 is padding.
        embedding_dim: width d of the item vectors. Defaults to `16`.
        hidden_dim: width H of the controller; `None` for D. Defaults to
            `None`.
        num_slots: number N of slots, at least 2. Defaults to `4`.
        memory_utilization: whether writing is balanced between the slots.
            Defaults to `True`.
        memory_induction: whether the slots have channels S; if not, g_t is
            missing. Defaults to `True`.
        utilization_weight: weight of the loss on the usage u. Defaults to
            `1e-3`.
        num_categories: number of categories of the items. Defaults to `0`.
        category_dim: width of the category vectors, which join the item
            vectors: D = d + `category_dim`. 0 leaves categories out. Defaults
            to `0`.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `history` is read.
        training: whether the loss on the usage is added.

    Returns:
        Scores (batch, C), float32.

    Masking: padding, wherever it stands, changes nothing.

    Example:

    >>> import numpy as np
    >>> from baselines.mimn.mimn import MIMN
    >>> model = MIMN(num_users=10, num_items=50)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[3, 4, 5], [6, 0, 0]]),
    ...     "candidates": np.array([[7, 8], [9, 10]]),
    ... }
    >>> model(features).shape
    TensorShape([2, 2])

    Reference: Pi et al., "Practice on long sequential user behavior modeling
    for click-through rate prediction", KDD 2019,
    https://arxiv.org/abs/1905.09248; released code
    https://github.com/UIC-Paper/MIMN.

    Differences: the paper is followed where the released code forgets: there
    all channels but the last one written to are zero when they are read, and
    padding writes into the memory. The code is followed where the paper
    would need a transfer matrix between slots, see `MemoryCell`. The loss on
    the usage is divided by the batch size once, in the code twice, which
    leaves nothing of it. What the code calls batch normalisation never
    learns its statistics and is a scale and a shift; its factor
    1 / sqrt(1.001) is left out. Two logits under a softmax are one logit.
    Categories have a table and a width of their own, in the code they share
    the table of the items. The recurrence is computed in float32 under every
    policy. The auxiliary loss, which is off by default in the code, and the
    asynchronous update of the paper's server do not exist here.
    """

    former_options = {
        old: f"it is called `{new}` now." for old, new in FORMER_NAMES.items()
    }
    # The network over slots holds about 4 kB of each pair.
    max_pairs = 2**18

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        hidden_dim: int | None = None,
        num_slots: int = 4,
        memory_utilization: bool = True,
        memory_induction: bool = True,
        utilization_weight: float = 1e-3,
        num_categories: int = 0,
        category_dim: int = 0,
        **kwargs,
    ):
        check_range(utilization_weight, "utilization_weight")
        if hidden_dim is not None:
            check_positive_int(hidden_dim, "hidden_dim")
        check_positive_int(num_slots, "num_slots", 2)
        super().__init__(
            num_users,
            num_items,
            embedding_dim,
            num_categories,
            category_dim,
            **kwargs,
        )
        self.hidden_dim = hidden_dim
        self.num_slots = num_slots
        self.memory_utilization = memory_utilization
        self.memory_induction = memory_induction
        self.utilization_weight = utilization_weight
        self._create_layers()
        self.built = True

    def _create_layers(self):
        """Creates and builds every layer."""
        policy = {"dtype": self.dtype_policy}
        dim = self.item_embedding.output_dim
        units = self.hidden_dim or dim
        # Errors of half precision would add up along the history.
        self.cell = MemoryCell(
            dim,
            units,
            self.num_slots,
            self.memory_utilization,
            self.memory_induction,
            name="memory_cell",
            dtype="float32",
        )
        self.memory = keras.layers.RNN(
            self.cell, return_state=True, name="memory", dtype="float32"
        )
        self.channel_layers = []
        if self.memory_induction:
            self.channel_layers = self._create_dense(
                "channel", 4 * dim, (80, 40, 1), "sigmoid"
            )
        width = (4 if self.memory_induction else 3) * dim + units
        self.input_scale = self.add_weight(
            name="input_scale", shape=(width,), initializer="ones"
        )
        self.input_shift = self.add_weight(
            name="input_shift", shape=(width,), initializer="zeros"
        )
        self.head_layers = self._create_dense("head", width, (200, 80, 1))
        self.head_activations = []
        for i, units in enumerate((200, 80)):
            activation = keras.layers.PReLU(
                keras.initializers.Constant(0.1),
                shared_axes=[1],
                name=f"head_activation_{i}",
                **policy,
            )
            activation.build((None, None, units))
            self.head_activations.append(activation)

    def _create_dense(self, name, width, dims, activation=None):
        """Returns built dense layers; the last one has no activation."""
        layers = []
        for i, units in enumerate(dims):
            layer = keras.layers.Dense(
                units,
                activation=activation if i < len(dims) - 1 else None,
                name=f"{name}_{i}",
                dtype=self.dtype_policy,
            )
            layer.build((None, width))
            layers.append(layer)
            width = units
        return layers

    def encode(self, features, training=False):
        """Returns the states of the cell, float32, and `total` (B, D).

        See `MemoryCell` for the states: `hidden`, `read`, `memory`, `usage`,
        `added` and, with `memory_induction`, `channels`. `total` is the sum of
        the items.
        """
        history = ops.convert_to_tensor(features["history"])
        items = self.item_embedding(history)
        inputs = self.cell.project(items, valid_positions(history))
        _, *states = self.memory(inputs)
        encoded = dict(zip(STATES, states, strict=False))
        if training and self.memory_utilization:
            self.add_loss(self._usage_loss(encoded["usage"]))
        return {**encoded, "total": ops.sum(items, axis=1)}

    def _usage_loss(self, usage):
        apart = usage - ops.mean(usage, axis=-1, keepdims=True)
        weight = self.utilization_weight / self.num_slots
        return weight * ops.mean(ops.square(apart))

    def score(self, encoded, candidates, training=False):
        items = self.item_embedding(
            ops.convert_to_tensor(candidates), training=training
        )
        if len(items.shape) == 2:
            items = items[None]
        states = [encoded[key] for key in STATES if key in encoded]
        output = self.cell.look_up(items, states)
        added = ops.cast(encoded["added"] / self.num_slots, items.dtype)
        product = items * added[:, None]
        parts = [
            ops.broadcast_to(items, ops.shape(product)),
            ops.cast(output, items.dtype),
            product,
        ]
        if self.memory_induction:
            channels = ops.cast(encoded["channels"], items.dtype)
            weights = self._channel_weights(items, channels)
            parts.append(ops.matmul(weights, channels))
        return self._head(encoded["total"], ops.concatenate(parts, axis=-1))

    def _channel_weights(self, items, channels):
        """Returns the attention (B, C, N) of candidates to channels."""
        first, *others = self.channel_layers
        kernel, bias = (
            ops.cast(x, items.dtype) for x in (first.kernel, first.bias)
        )
        # The difference needs no product of its own, because a product with
        # t - S is one with t less one with S.
        of_item, of_channel, of_difference, of_product = ops.split(kernel, 4)
        items, channels = items[:, :, None], channels[:, None]
        hidden = ops.sigmoid(
            ops.matmul(items, of_item + of_difference)
            + (ops.matmul(channels, of_channel - of_difference) + bias)
            + ops.matmul(items * channels, of_product)
        )
        for layer in others:
            hidden = layer(hidden)
        logits = ops.cast(hidden[..., 0], "float32")
        return ops.cast(ops.softmax(logits, axis=-1), items.dtype)

    def _head(self, total, pairs):
        """Returns the scores of `pairs` (B, C, ...) of users with `total`."""
        first, *others = self.head_layers
        kernel, bias, scale, shift = (
            ops.cast(x, pairs.dtype)
            for x in (
                first.kernel,
                first.bias,
                self.input_scale,
                self.input_shift,
            )
        )
        # Scale and shift go into the kernel, which is smaller than `pairs`,
        # and the sum of the history is multiplied once for all candidates.
        bias = bias + ops.matmul(shift, kernel)
        kernel = scale[:, None] * kernel
        dim = total.shape[-1]
        bias = bias + ops.matmul(total, kernel[:dim])
        hidden = ops.matmul(pairs, kernel[dim:]) + bias[:, None]
        for activation, layer in zip(
            self.head_activations, others, strict=True
        ):
            hidden = layer(activation(hidden))
        return ops.cast(hidden[..., 0], "float32")

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # Files of earlier versions have the names of the published code.
        config = {FORMER_NAMES.get(name, name): config[name] for name in config}
        return super().from_config(config, custom_objects)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_slots": self.num_slots,
            "memory_utilization": self.memory_utilization,
            "memory_induction": self.memory_induction,
            "utilization_weight": self.utilization_weight,
        }
