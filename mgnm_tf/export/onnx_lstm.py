"""An LSTM as one node of ONNX, not as a loop of many."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


def lstm_of_nodes(
    bidirectional: keras.layers.Bidirectional,
    items: tf.Tensor,
    valid_mask: tf.Tensor,
) -> tf.Tensor:
    """Computes what `bidirectional_lstm` does by two nodes of TensorFlow.

    For `another_lstm`. In training, and on TensorFlow itself, it is no faster.

    Args:
        bidirectional: the layer that owns the weights.
        items: float, (N, m, d).
        valid_mask: bool, (N, m), True first (right padding).

    Returns:
        float, (N, m, 2 d).
    """
    dtype, items = items.dtype, tf.cast(items, tf.float32)
    lengths = tf.reduce_sum(tf.cast(valid_mask, tf.int32), axis=1)
    forward = _one_way(bidirectional.forward_layer, items)
    turned = tf.reverse_sequence(items, lengths, seq_axis=1)
    backward = _one_way(bidirectional.backward_layer, turned)
    backward = tf.reverse_sequence(backward, lengths, seq_axis=1)
    return tf.cast(tf.concat([forward, backward], axis=2), dtype)


def _one_way(layer: keras.layers.LSTM, items: tf.Tensor) -> tf.Tensor:
    dim, cell = layer.units, layer.cell
    kernel, recurrent, bias = (
        tf.cast(tf.convert_to_tensor(weights), tf.float32)
        for weights in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    kernel = tf.concat([kernel, recurrent], axis=0)
    nothing, none = tf.zeros((tf.shape(items)[0], dim)), tf.zeros(dim)
    found = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.shape(items, tf.int64)[1],
        x=tf.transpose(items, (1, 0, 2)),
        cs_prev=nothing,
        h_prev=nothing,
        w=_reordered(kernel),
        wci=none,
        wcf=none,
        wco=none,
        b=_reordered(bias),
        forget_bias=0.0,
        cell_clip=-1.0,
        use_peephole=False,
    )
    return tf.transpose(found.h, (1, 0, 2))


def _reordered(weights: tf.Tensor) -> tf.Tensor:
    """Keras's gates are input, forget, candidate, output."""
    enter, forget, candidate, leave = tf.split(weights, 4, axis=-1)
    return tf.concat([enter, candidate, forget, leave], axis=-1)


def as_lstm(context: Any, node: Any, name: str, _: Any) -> None:
    """Writes the node of TensorFlow as that of ONNX, for tf2onnx.

    Args:
        context: the graph of tf2onnx.
        node: a `BlockLSTM` of which the states alone are read.
        name: that of the node.
    """
    kernel, bias = (
        node.inputs[place].get_tensor_value(as_list=False) for place in (4, 8)
    )
    width = kernel.shape[0] - kernel.shape[1] // 4
    kernel, bias = _for_onnx(kernel), _for_onnx(bias)
    given = {
        "kernel": kernel[:width].T,
        "recurrent": kernel[width:].T,
        # A second one, added to the product of the states, is not there.
        "bias": np.concatenate([bias, np.zeros_like(bias)]),
    }
    given = [
        context.make_const(f"{name}_{key}", np.ascontiguousarray(value[None]))
        for key, value in given.items()
    ]
    items, states = node.input[1], node.output[6]
    dtype, shape = node.output_dtypes[6], node.output_shapes[6]
    context.remove_node(node.name)
    made = context.make_node(
        "LSTM",
        [items, *(constant.output[0] for constant in given)],
        attr={"hidden_size": kernel.shape[1] // 4, "direction": "forward"},
    )
    # (m, directions, N, d)
    axes = context.make_const(f"{name}_axes", np.array([1], np.int64))
    context.make_node(
        "Squeeze",
        [made.output[0], axes.output[0]],
        outputs=[states],
        dtypes=[dtype],
        shapes=[shape],
    )


def _for_onnx(weights: np.ndarray) -> np.ndarray:
    """The gates of ONNX are input, output, forget, candidate."""
    enter, candidate, forget, leave = np.split(weights, 4, axis=-1)
    return np.concatenate([enter, leave, forget, candidate], axis=-1)
