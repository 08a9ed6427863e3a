"""The time-aware LSTM of SLi_Rec, written from its equations."""

import numpy as np

from tests.reference.numpy_blocks import sigmoid


def time_lstm(weights, items, ages, intervals):
    """Returns the states (n, H) of one sequence.

    Args:
        weights: `named_weights` of a `TimeLSTM`.
        items: (n, x).
        ages: (n,).
        intervals: (n,).
    """
    recurrent = weights["recurrence/cell/recurrent_kernel"]
    kernel = np.concatenate([weights["kernel"], recurrent])
    state = carry = np.zeros(len(recurrent))
    states = []
    for item, age, interval in zip(items, ages, intervals, strict=True):
        p = np.tanh(age * weights["age_scale"] + weights["age_offset"])
        q = np.tanh(
            interval * weights["interval_scale"] + weights["interval_offset"]
        )
        new = sigmoid(
            item @ weights["age_item_kernel"]
            + p @ weights["age_gate_kernel"]
            + weights["age_gate_bias"]
        )
        keep = sigmoid(
            item @ weights["interval_item_kernel"]
            + q @ weights["interval_gate_kernel"]
            + weights["interval_gate_bias"]
        )
        gates = np.concatenate([item, state]) @ kernel + weights["bias"]
        i, j, f, o = np.split(gates, 4)
        o = o + p @ weights["age_output_kernel"]
        o = o + q @ weights["interval_output_kernel"]
        carry = sigmoid(f + 1) * keep * carry + sigmoid(i) * new * np.tanh(j)
        state = sigmoid(o) * np.tanh(carry)
        states.append(state)
    return np.array(states).reshape(-1, len(recurrent))
