"""Recurrent networks for processors without a kernel of their own for them."""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager

import keras
from keras import ops

from mgnm_tf.types import Tensor

SHUT = -1.0e4
"""Logit of an input gate that lets nothing in; finite in float16."""

HELD = 1.0e4
"""Logit of an update gate that keeps the state as it is, bit by bit."""


_instead: list[Callable] = []


@contextmanager
def another_lstm(function: Callable) -> Iterator[None]:
    """Has another function compute what `bidirectional_lstm` does.

    For graphs of other runtimes, which have a node for a whole LSTM.

    Args:
        function: takes and returns the same.
    """
    _instead.append(function)
    try:
        yield
    finally:
        _instead.pop()


def bidirectional_lstm(
    bidirectional: keras.layers.Bidirectional,
    items: Tensor,
    valid_mask: Tensor,
) -> Tensor:
    """Computes what a built `Bidirectional(LSTM(d))` does, faster on a CPU.

    Both directions walk in one loop, and the batch is the last axis: gates
    are slices of whole rows, which cost no copy, and one matrix product a
    step serves input, bias and state. A mask is not needed either: after a
    history (padding is at the end) the input gate of the backward direction
    is shut, so that it comes to the last event with a state of zeros.

    Args:
        bidirectional: the layer that owns the weights; both directions with
            the default activations.
        items: float, (N, m, d).
        valid_mask: bool, (N, m), True first (right padding).

    Returns:
        float, (N, m, 2 d): both directions. Invalid positions hold numbers
        without a meaning.
    """
    if _instead:
        return _instead[-1](bidirectional, items, valid_mask)
    dim = bidirectional.forward_layer.units
    dtype = items.dtype
    padding = ops.cast(ops.logical_not(valid_mask), dtype)
    padding = ops.expand_dims(ops.transpose(padding), 1)  # (m, 1, N)
    inputs = [ops.transpose(items, (1, 2, 0)), ops.ones_like(padding), padding]
    inputs = ops.concatenate(inputs, axis=1)
    steps = ops.concatenate([inputs, ops.flip(inputs, axis=0)], axis=1)
    forward = _joint_kernel(bidirectional.forward_layer.cell, 0.0, dtype)
    backward = _joint_kernel(bidirectional.backward_layer.cell, SHUT, dtype)

    def walk(carry, step):
        hidden, cell, back_hidden, back_cell = carry
        ahead, behind = ops.split(step, 2, axis=0)
        carry = (
            *_lstm_step(forward, ahead, hidden, cell),
            *_lstm_step(backward, behind, back_hidden, back_cell),
        )
        return carry, carry

    zeros = ops.zeros((dim, ops.shape(items)[0]), dtype)
    _, states = ops.scan(walk, (zeros,) * 4, steps)
    outputs = ops.concatenate(
        [states[0], ops.flip(states[2], axis=0)], axis=1
    )  # (m, 2 d, N)
    return ops.transpose(outputs, (2, 0, 1))


def _joint_kernel(cell, shut: float, dtype: str) -> Tensor:
    """Returns (4 d, d_in + 2 + d): for items, bias, padding and state.

    The gates in the order input, forget, output, candidate.
    """
    stop = ops.concatenate(
        [
            ops.full((1, cell.units), shut, dtype),
            ops.zeros((1, 3 * cell.units), dtype),
        ],
        axis=1,
    )
    parts = [cell.kernel, ops.expand_dims(cell.bias, 0), cell.recurrent_kernel]
    kernel, bias, recurrent = (ops.cast(part, dtype) for part in parts)
    joint = ops.concatenate([kernel, bias, stop, recurrent], axis=0)
    enter, forget, candidate, leave = ops.split(joint, 4, axis=1)
    joint = ops.concatenate([enter, forget, leave, candidate], axis=1)
    return ops.transpose(joint)


def _lstm_step(kernel, inputs, hidden, cell):
    """One step of one direction, everything (width, N)."""
    dim = hidden.shape[0]
    gates = ops.matmul(kernel, ops.concatenate([inputs, hidden], axis=0))
    opened, candidate = ops.split(gates, [3 * dim], axis=0)
    enter, forget, leave = ops.split(ops.sigmoid(opened), 3, axis=0)
    cell = forget * cell + enter * ops.tanh(candidate)
    return leave * ops.tanh(cell), cell


def last_gru_state(
    gru: keras.layers.GRU, items: Tensor, valid_mask: Tensor
) -> Tensor:
    """Computes what a built `GRU(d)` does, faster on a CPU.

    The batch is the last axis: gates are slices of whole rows, and their
    gradients are put side by side where those of Keras's slices are padded
    to full width and added. All inputs are projected at once. A mask is not
    needed: after a history (padding is at the end) the update gate holds the
    state.

    Args:
        gru: the layer that owns the weights, with the default activations,
            `use_bias` and `reset_after`, and without dropout.
        items: float, (N, m, d_in).
        valid_mask: bool, (N, m), True first (right padding).

    Returns:
        float, (N, d): the state after the last event of each history; zeros
        after an empty one.
    """
    dim, cell, dtype = gru.units, gru.cell, items.dtype
    kernel, biases, recurrent = (
        ops.cast(ops.convert_to_tensor(weight), dtype)
        for weight in (cell.kernel, cell.bias, cell.recurrent_kernel)
    )
    held = [
        ops.full((1, dim), HELD, dtype),
        ops.zeros((1, 2 * dim), dtype),
    ]
    joint = [kernel, biases[:1], ops.concatenate(held, axis=1)]
    joint = ops.transpose(ops.concatenate(joint, axis=0))
    padding = ops.cast(ops.logical_not(valid_mask), dtype)
    padding = ops.expand_dims(ops.transpose(padding), 1)  # (m, 1, N)
    inputs = [ops.transpose(items, (1, 2, 0)), ops.ones_like(padding), padding]
    driven = ops.matmul(joint, ops.concatenate(inputs, axis=1))  # (m, 3 d, N)
    recurrent, bias = ops.transpose(recurrent), ops.transpose(biases[1:])

    def walk(state, driven):
        inner = ops.matmul(recurrent, state) + bias
        opened, candidate = ops.split(driven, [2 * dim], axis=0)
        opened_by_state, by_state = ops.split(inner, [2 * dim], axis=0)
        gates = ops.sigmoid(opened + opened_by_state)
        update, reset = ops.split(gates, 2, axis=0)
        candidate = ops.tanh(candidate + reset * by_state)
        state = update * state + (1 - update) * candidate
        return state, state

    zeros = ops.zeros((dim, ops.shape(items)[0]), dtype)
    state, _ = ops.scan(walk, zeros, driven)
    return ops.transpose(state)
