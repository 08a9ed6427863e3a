"""MIMN against the released code, with its defects compensated."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from baselines.mimn.mimn import MIMN

FIXTURE = Path(__file__).parent / "mimn" / "mimn.npz"


def read(name):
    """Returns the arrays and the weights of the model `name`."""
    with np.load(FIXTURE) as arrays:
        every = {
            key.removeprefix(f"{name}/"): arrays[key]
            for key in arrays
            if key.startswith(f"{name}/")
        }
    weights = {
        key.removeprefix("weight:"): value.astype("float32")
        for key, value in every.items()
        if key.startswith("weight:")
    }
    return every, weights


def gru_weights(weights, prefix, dim):
    """Turns a GRU cell of TensorFlow 1 into one of ours.

    Its rows are input, context and state. Its second gate keeps, ours
    renews: the other sign.
    """
    gates = weights[f"{prefix}/gates/kernel"]
    bias = weights[f"{prefix}/gates/bias"]
    candidate = weights[f"{prefix}/candidate/kernel"]
    units = candidate.shape[1]
    sign = np.repeat([1.0, -1.0], units)
    both = np.concatenate([gates * sign, candidate], axis=1)
    return {
        "input_kernel": both[:dim],
        "bias": np.r_[bias * sign, weights[f"{prefix}/candidate/bias"]],
        "context_kernel": both[dim : 2 * dim],
        "gate_kernel": both[2 * dim :, : 2 * units],
        "state_kernel": candidate[2 * dim :],
    }


def head_columns(dim):
    """Returns, for each of our columns of the head, the reference's.

    Each of its heads has key, beta, one unused, shift and gamma; erase and
    add follow.
    """
    width = dim + 6
    reads, writes = np.arange(width), width + np.arange(width)
    erase, add = 2 * width + np.arange(2 * dim).reshape(2, dim)
    return np.concatenate(
        [
            reads[:dim],
            writes[:dim],
            add,
            erase,
            [reads[dim], writes[dim], writes[dim + 5]],
            writes[dim + 2 : dim + 5],
            reads[dim + 1 :],
            [writes[dim + 1]],
        ]
    )


def load(name):
    """Returns our model with the weights of the reference, and the arrays."""
    arrays, weights = read(name)
    full = name == "full"
    table = weights["mid_embedding_var"]
    slots, dim = weights["init/key_M"].shape
    units = weights["o2o/fully_connected/biases"].size
    model = MIMN(
        1,
        len(table) - 1,
        embedding_dim=table.shape[1],
        category_dim=table.shape[1],
        num_categories=len(table) - 1,
        hidden_dim=units,
        num_slots=slots,
        memory_utilization=full,
        memory_induction=full,
    )
    # There, items and categories share one table.
    model.item_embedding.embeddings.assign(table)
    model.item_embedding.category_embeddings.assign(table)
    model.load_tables({"item_categories": arrays["item_categories"]})
    columns = head_columns(dim)
    values = {
        "head_kernel": weights["o2p/fully_connected/weights"][:, columns],
        "head_bias": weights["o2p/fully_connected/biases"][columns],
        "output_kernel": weights["o2o/fully_connected/weights"],
        "output_bias": weights["o2o/fully_connected/biases"],
        "initial_read": weights["init/fully_connected/weights"][0],
        "slot_keys": weights["init/key_M"],
        "initial_memory": weights["init/init_M"],
    }
    prefixes = {"controller": "controller/gru_cell", "channel": "gru_cell"}
    for gru in ("controller", "channel") if full else ("controller",):
        parts = gru_weights(weights, prefixes[gru], dim)
        values.update({f"{gru}/{key}": part for key, part in parts.items()})
    by_name = {
        weight.path.removeprefix("memory_cell/"): weight
        for weight in model.cell.weights
    }
    assert set(by_name) == set(values)
    for key, value in values.items():
        by_name[key].assign(value)
    for layer, key in zip(
        model.channel_layers,
        ("f1_attpal", "f2_attpal", "f3_attpal"),
        strict=False,
    ):
        layer.set_weights([weights[f"{key}/kernel"], weights[f"{key}/bias"]])
    load_head(model, weights, dim, units)
    return model, arrays


def load_head(model, weights, dim, units):
    # There: item, sum, output, channels if there are some, product.
    item, total = np.arange(2 * dim).reshape(2, dim)
    output = 2 * dim + np.arange(units)
    rest = np.arange(2 * dim + units, len(weights["bn1/gamma"]))
    channels, product = rest[:-dim], rest[-dim:]
    rows = np.concatenate([total, item, output, product, channels])
    model.input_scale.assign(weights["bn1/gamma"][rows] / np.sqrt(1.001))
    model.input_shift.assign(weights["bn1/beta"][rows])
    first, second, last = model.head_layers
    first.set_weights([weights["f1/kernel"][rows], weights["f1/bias"]])
    second.set_weights([weights["f2/kernel"], weights["f2/bias"]])
    # The first of its two columns is the click.
    last.set_weights(
        [
            weights["f3/kernel"][:, :1] - weights["f3/kernel"][:, 1:],
            weights["f3/bias"][:1] - weights["f3/bias"][1:],
        ]
    )
    for i, activation in enumerate(model.head_activations, start=1):
        alpha = weights[f"prelu_{i}/prelu_prelu_{i}"]
        activation.set_weights([alpha[None]])


@pytest.mark.parametrize("name", ["full", "plain"])
def test_states_agree(name):
    model, arrays = load(name)
    encoded = model.encode({"history": arrays["history"]})
    for ours, theirs in {
        "hidden": "controller_state",
        "read": "read_vector",
        "memory": "M",
        "usage": "w_aggre",
    }.items():
        np.testing.assert_allclose(
            encoded[ours], arrays[theirs], rtol=1e-4, atol=1e-5, err_msg=ours
        )
    # The reference keeps the sum slot by slot and takes its mean.
    np.testing.assert_allclose(
        encoded["added"] / model.num_slots,
        arrays["sum_aggre"].mean(axis=1),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", ["full", "plain"])
def test_logits_agree(name):
    model, arrays = load(name)
    encoded = model.encode({"history": arrays["history"]})
    if model.memory_induction:
        # There, all channels but that of the last step are read as zero.
        before = model.encode({"history": arrays["history"][:, :-1]})
        kept = encoded["channels"] != before["channels"]
        assert kept.numpy().any(axis=2).sum() == len(arrays["history"])
        encoded["channels"] = ops.where(kept, encoded["channels"], 0.0)
    scores = model.score(encoded, arrays["candidate"][:, None])
    expected = arrays["logits"][:, :1] - arrays["logits"][:, 1:]
    assert np.abs(expected).min() > 0.01
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)


def test_loss_on_the_usage_agrees():
    model, arrays = load("full")
    history = arrays["history"]
    with tf.GradientTape() as tape:
        model.encode({"history": history}, training=True)
        (loss,) = model.losses
    cell = model.cell
    kernel, bias = tape.gradient(
        loss, [cell.head_kernel.value, cell.head_bias.value]
    )
    # There it is divided by the batch size once more.
    columns = head_columns(cell.item_dim)
    size = len(history)
    np.testing.assert_allclose(loss, arrays["regularizer"] * size, rtol=1e-4)
    for ours, part in ((kernel, "weights"), (bias, "biases")):
        expected = size * arrays[f"regularizer_gradient_{part}"][..., columns]
        assert np.any(expected)
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-8)
