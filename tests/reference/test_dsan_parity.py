"""DSAN against SamHaoYuan/DSANForAAAI2021. See `dsan/`."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from baselines.dsan import DSAN

FIXTURE = dict(np.load(Path(__file__).parent / "dsan" / "dsan.npz"))
ITEMS, DIM, LENGTH = 12, 4, 6


def from_reference(prefix):
    """Returns path -> array in our layout for arrays of the reference."""

    def of(name):
        return FIXTURE[f"{prefix}/{name}"].copy()

    items = of("embedding.weight")
    arrays = {
        "item_embedding/embeddings": items[:-1],
        "target/embeddings": items[-1:],
        # Place 0 is that of padding.
        "position/embeddings": of("pos_embedding.weight")[1:],
        "of_item/kernel": of("atten_w1"),
        "of_item/bias": of("atten_bias"),
        "of_target/kernel": of("atten_w2"),
        "energy/kernel": of("atten_w0").T,
        "norm/gamma": of("LN.weight"),
        "norm/beta": of("LN.bias"),
    }
    for path, name in (
        ("query", "attention_mlp"),
        ("sparsity", "alpha_w"),
        ("hidden", "self_atten_w1"),
        ("output", "self_atten_w2"),
        ("decoder", "w_f"),
    ):
        arrays[f"{path}/kernel"] = of(f"{name}.weight").T
        arrays[f"{path}/bias"] = of(f"{name}.bias")
    return arrays


def test_published_code():
    model = DSAN(3, ITEMS, DIM, dropout=0.0, max_length=LENGTH)
    arrays = from_reference("weight")
    for weight in model.trainable_weights:
        weight.assign(arrays.pop(weight.path))
    assert not arrays
    history = FIXTURE["history"]
    features = {
        "user": np.zeros(len(history), "int32"),
        "history": history,
        "candidates": np.tile(np.arange(1, ITEMS + 1), (len(history), 1)),
    }
    weights = model.trainable_weights
    with tf.GradientTape() as tape:
        scores = model(features)
        form = tf.reduce_sum(scores * FIXTURE["factors"])
    np.testing.assert_allclose(scores, FIXTURE["scores"], rtol=1e-3, atol=1e-4)
    gradients = tape.gradient(form, [weight.value for weight in weights])
    expected = from_reference("gradient")
    for weight, gradient in zip(weights, gradients, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            expected[weight.path],
            rtol=1e-3,
            atol=1e-3,
            err_msg=weight.path,
        )
