"""A fixed-size memory of a history, written step by step."""

import keras
from keras import ops

from baselines.mimn.context_gru import ContextGRU
from mgnm_tf.serialization import register
from mgnm_tf.utils.validation import check_positive_int

LIMIT = 20.0
"""Bound of what the controller asks of the memory, and of the output."""

USAGE_UNIT = 400.0
"""How many writes to a slot the controller sees as 1."""


@register
class MemoryCell(keras.layers.Layer):
    """A Neural Turing Machine with few slots, for `keras.layers.RNN`.

    With N slots of width D, x an item, one head that reads and one that
    writes, one step is

    ```
    h <- GRU([x ; r], h)
    (k, beta), (k', beta', s, gamma), e, a = [h ; u / 400] W + b
    w_i = softmax_i(beta (cos(k, Q_i) + cos(k, M_i)) / 2)     reading
    v_i = likewise with k', beta', then shifted by s and sharpened by gamma
    r <- sum_i w_i M_i
    S_j <- GRU([x ; M_j], S_j)       j: the slot that is read most
    M <- M (1 - v e^T) + v a^T
    u <- u + v',  c <- c + a         v': v, shifted and sharpened again
    ```

    with k through tanh, beta = 2 (softplus + 1), gamma = 4 (softplus + 1),
    the shift through a softmax over three neighbours, e through sigmoid and
    a through tanh. Nothing is learned through u where the controller reads
    it, through v where v' is made of it, through M where S reads it, or
    through j.

    The states are, in this order: h (batch, H), the vector read r (batch,
    D), the memory M (batch, N, D), the usage u (batch, N), the sum of all
    that was written c (batch, D), and, with `memory_induction`, the channels
    S (batch, N, D).

    Computed in float32. The products with x are the same for all steps at
    once: give the layer what `project` makes of a sequence, not the sequence.

    Args:
        item_dim: width D of the items and of the memory.
        hidden_dim: width H of the controller and of the output.
        num_slots: number N of slots, at least 2. Defaults to `4`.
        memory_utilization: whether the controller sees the usage, and weights
            of writing are shifted and sharpened. Defaults to `True`.
        memory_induction: whether there are the channels S. Defaults to
            `True`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: float, (batch, D) or, from `project`, (batch, 3H + 3D + 1).
        states: list of float tensors, see above.

    Returns:
        h, and the list of new states.

    Masking: an invalid step, by the `valid_mask` of `project` or the `mask`
    of `keras.layers.RNN`, leaves all states as they are. The former is
    cheaper.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from baselines.mimn.memory_cell import MemoryCell
    >>> cell = MemoryCell(item_dim=6, hidden_dim=5)
    >>> items, valid_mask = np.ones((2, 7, 6)), np.ones((2, 7), bool)
    >>> read = keras.layers.RNN(cell, return_state=True)
    >>> output, *states = read(cell.project(items, valid_mask))
    >>> [tuple(state.shape[1:]) for state in states]
    [(5,), (6,), (4, 6), (4,), (6,), (4, 6)]
    >>> cell.look_up(np.ones((2, 9, 6)), states).shape
    TensorShape([2, 9, 5])

    Reference: Pi et al., "Practice on long sequential user behavior modeling
    for click-through rate prediction", KDD 2019, sections 4.2 and 4.3; the
    arithmetic is that of the released code, https://github.com/UIC-Paper/MIMN.

    Differences: the paper balances the slots by a learned transfer matrix;
    here, as in the released code, by shift and sharpening. Sharpening is
    computed through logarithms and the cosine has 1e-12 under its root, so
    that neither can divide zero by zero. The initial weights of the heads,
    which the released code creates and never reads, are left out. That code
    accumulates what was written slot by slot and takes the mean over slots,
    which is c / N. Six columns of W are read by nobody, there and here.
    """

    def __init__(
        self,
        item_dim: int,
        hidden_dim: int,
        num_slots: int = 4,
        memory_utilization: bool = True,
        memory_induction: bool = True,
        **kwargs,
    ):
        check_positive_int(item_dim, "item_dim")
        check_positive_int(hidden_dim, "hidden_dim")
        check_positive_int(num_slots, "num_slots", 2)
        super().__init__(**kwargs)
        self.item_dim = item_dim
        self.hidden_dim = hidden_dim
        self.num_slots = num_slots
        self.memory_utilization = memory_utilization
        self.memory_induction = memory_induction
        slots = (num_slots, item_dim)
        self.state_size = [hidden_dim, item_dim, slots, num_slots, item_dim]
        if memory_induction:
            self.state_size.append(slots)
        self.output_size = hidden_dim
        # To each slot from itself, from the one before, from the next.
        self._moves = [
            [
                float((i + move) % num_slots == j)
                for i in range(num_slots)
                for j in range(num_slots)
            ]
            for move in (0, 1, -1)
        ]
        self.build()

    def build(self, input_shape=None):
        dim, units, slots = self.item_dim, self.hidden_dim, self.num_slots
        initializers = keras.initializers

        def add(name, *shape, initializer="zeros", trainable=True):
            return self.add_weight(
                name=name,
                shape=shape,
                initializer=initializer,
                trainable=trainable,
                dtype="float32",
                autocast=False,
            )

        self.controller = ContextGRU(
            units, dim, dim, name="controller", dtype="float32"
        )
        self.channel = None
        if self.memory_induction:
            self.channel = ContextGRU(
                dim, dim, dim, name="channel", dtype="float32"
            )
        # Columns: key to read, key to write, add, erase (D each), beta to
        # read, beta to write, gamma, shift (3), and 6 that are not read.
        self.head_kernel = add(
            "head_kernel",
            units + slots * self.memory_utilization,
            4 * dim + 12,
            initializer=initializers.TruncatedNormal(stddev=units**-0.5),
        )
        self.head_bias = add("head_bias", 4 * dim + 12)
        self.output_kernel = add(
            "output_kernel",
            units + dim,
            units,
            initializer=initializers.TruncatedNormal(
                stddev=(units + dim) ** -0.5
            ),
        )
        self.output_bias = add("output_bias", units)
        self.initial_read = add(
            "initial_read", dim, initializer="glorot_uniform"
        )
        self.slot_keys = add(
            "slot_keys",
            slots,
            dim,
            initializer=initializers.RandomNormal(stddev=0.5),
        )
        self.initial_memory = add(
            "initial_memory",
            slots,
            dim,
            initializer=initializers.RandomNormal(stddev=1e-5),
            trainable=False,
        )
        self.built = True

    def project(self, items, valid_mask=None):
        """Computes, for all steps at once, what needs the items alone.

        Args:
            items: float, (..., D).
            valid_mask: bool, (...); `None` for all.

        Returns:
            float32, (..., 3H + 3D + 1).
        """
        shape = ops.shape(items)[:-1]
        if valid_mask is None:
            valid_mask = ops.ones(shape, "bool")
        channel = ops.zeros((*shape, 3 * self.item_dim))
        if self.memory_induction:
            channel = self.channel.project(items, valid_mask)
        return ops.concatenate(
            [
                self.controller.project(items, valid_mask),
                channel,
                ops.cast(valid_mask[..., None], "float32"),
            ],
            axis=-1,
        )

    def get_initial_state(self, batch_size=None):
        """Returns the states before the first step, as a list."""

        def repeat(values):
            shape = (batch_size, *values.shape)
            return ops.broadcast_to(ops.cast(ops.tanh(values), dtype), shape)

        dtype = self.compute_dtype
        sizes = (self.hidden_dim, self.num_slots, self.item_dim)
        hidden, usage, added = (
            ops.zeros((batch_size, size), dtype) for size in sizes
        )
        memory = repeat(self.initial_memory)
        states = [hidden, repeat(self.initial_read), memory, usage, added]
        if self.memory_induction:
            states.append(ops.zeros_like(memory))
        return states

    def call(self, inputs, states):
        if inputs.shape[-1] == self.item_dim:
            inputs = self.project(inputs)
        inputs = ops.cast(inputs, "float32")
        hidden, read, memory, usage, added, *channels = (
            ops.cast(state, "float32") for state in states
        )
        width = 3 * self.hidden_dim
        projected, valid = inputs[:, :width], inputs[:, -1:]
        hidden = self.controller(projected, read, hidden)
        keys, erase, add, scalars, shift = self._ask(hidden, usage)
        weights = self._address(keys, scalars[:, :2], memory)  # (B, 2, N)
        if self.memory_induction:
            projected = inputs[:, width:-1]
            channels = [
                self._induce(projected, weights[:, 0], memory, *channels)
            ]
        writing = counted = weights[:, 1]
        if self.memory_utilization:
            writing, counted = self._balance(writing, shift, scalars[:, 2:])
        new_read = ops.matmul(weights[:, :1], memory)[:, 0]
        read = ops.where(valid > 0, new_read, read)
        writing = ops.expand_dims(writing * valid, -1)
        memory = memory - writing * (memory * erase[:, None] - add[:, None])
        usage = usage + counted * valid
        added = added + add * valid
        new_states = [
            ops.cast(state, self.compute_dtype)
            for state in (hidden, read, memory, usage, added, *channels)
        ]
        return new_states[0], new_states

    def _ask(self, hidden, usage):
        """Returns what the controller asks of the memory.

        Returns:
            Keys (batch, 2, D), erase and add (batch, D), (beta / 2, beta' /
            2, gamma / 4) (batch, 3), shift (batch, 3).
        """
        dim = self.item_dim
        if self.memory_utilization:
            seen = ops.stop_gradient(usage) / USAGE_UNIT
            hidden = ops.concatenate([hidden, seen], axis=-1)
        asked = ops.matmul(hidden, self.head_kernel) + self.head_bias
        asked = ops.clip(asked, -LIMIT, LIMIT)
        vectors, erase, scalars, shift, _ = ops.split(
            asked, [3 * dim, 4 * dim, 4 * dim + 3, 4 * dim + 6], axis=-1
        )
        vectors = ops.reshape(ops.tanh(vectors), (-1, 3, dim))
        return (
            vectors[:, :2],
            ops.sigmoid(erase),
            vectors[:, 2],
            ops.softplus(scalars) + 1.0,
            ops.softmax(shift, axis=-1),
        )

    def _address(self, keys, sharpness, memory):
        """Returns weights (batch, n, N) of n keys (batch, n, D) on slots."""
        slots = _unit(ops.tanh(self.slot_keys))
        slots = slots + _unit(memory)
        products = ops.matmul(keys, ops.swapaxes(slots, 1, 2))
        scale = sharpness[..., None] * _inverse_norm(keys)
        return ops.softmax(scale * products, axis=-1)

    def _balance(self, weights, shift, sharpness):
        """Shifts and sharpens weights of writing, once and twice.

        The second time is what counts as usage. Only shift and sharpness
        learn from it.
        """
        slots = self.num_slots
        moves = ops.matmul(shift, ops.convert_to_tensor(self._moves))
        moves = ops.reshape(moves, (-1, slots, slots))
        power = 4.0 * sharpness[..., None]

        def balance(values):
            moved = ops.log(ops.matmul(values, moves) + 1e-30)
            return ops.softmax(power * moved, axis=-1)

        once = balance(weights[:, None])
        twice = balance(ops.stop_gradient(once))
        return once[:, 0], twice[:, 0]

    def _induce(self, projected, weights, memory, channels):
        """Renews the channel of the slot with the highest weight."""
        chosen = ops.one_hot(
            ops.argmax(weights, axis=-1), self.num_slots, dtype="float32"
        )
        both = ops.concatenate([ops.stop_gradient(memory), channels], axis=-1)
        both = ops.matmul(chosen[:, None], both)[:, 0]
        context, state = ops.split(both, 2, axis=-1)
        change = self.channel(projected, context, state) - state
        return channels + chosen[..., None] * change[:, None]

    def look_up(self, items, states):
        """Reads the memory for candidates, each as if it were the next item.

        Args:
            items: float, (batch or 1, C, D).
            states: the states after the history; they stay as they are.

        Returns:
            float32, (batch, C, H): `[h ; r] W_o + b_o`, between -20 and 20.
        """
        dim, units = self.item_dim, self.hidden_dim
        hidden, read, memory, usage = (
            ops.cast(state, "float32") for state in states[:4]
        )
        # The products with the state are the same for all candidates.
        hidden = self.controller(
            self.controller.project(items), read[:, None], hidden[:, None]
        )
        # Key and beta of the head that reads.
        kernel, bias = (
            ops.concatenate([x[..., :dim], x[..., 4 * dim : 4 * dim + 1]], -1)
            for x in (
                ops.convert_to_tensor(self.head_kernel),
                ops.convert_to_tensor(self.head_bias),
            )
        )
        asked = ops.matmul(hidden, kernel[:units]) + bias
        if self.memory_utilization:
            seen = ops.stop_gradient(usage) / USAGE_UNIT
            seen = ops.matmul(seen, kernel[units:])
            asked = asked + seen[:, None]
        asked = ops.clip(asked, -LIMIT, LIMIT)
        weights = self._address(
            ops.tanh(asked[..., :-1]), ops.softplus(asked[..., -1]) + 1, memory
        )
        both = ops.concatenate([hidden, ops.matmul(weights, memory)], axis=-1)
        output = ops.matmul(both, self.output_kernel) + self.output_bias
        return ops.clip(output, -LIMIT, LIMIT)

    def get_config(self):
        return {
            **super().get_config(),
            "item_dim": self.item_dim,
            "hidden_dim": self.hidden_dim,
            "num_slots": self.num_slots,
            "memory_utilization": self.memory_utilization,
            "memory_induction": self.memory_induction,
        }


def _inverse_norm(vectors):
    square = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return ops.rsqrt(square + 1e-12)


def _unit(vectors):
    return vectors * _inverse_norm(vectors)
