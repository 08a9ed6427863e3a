"""Caser against graytowne/caser_pytorch, see `caser/`."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.caser import Caser

FIXTURE = dict(np.load(Path(__file__).parent / "caser" / "caser.npz"))


def left_aligned(windows):
    """Moves the padding of each row behind the items."""
    rows = np.zeros_like(windows)
    for row, window in zip(rows, windows, strict=True):
        items = window[window > 0]
        row[: len(items)] = items
    return rows


FEATURES = {
    "user": FIXTURE["users"],
    "history": left_aligned(FIXTURE["window"]),
    "candidates": FIXTURE["candidates"],
}


def in_our_layout(kind):
    """Returns path -> array of the `kind` "weight" or "gradient"."""
    theirs = {
        name.removeprefix(f"{kind}/"): value
        for name, value in FIXTURE.items()
        if name.startswith(f"{kind}/")
    }
    # (filters, 1, height, width of a filter) there.
    arrays = {
        "item_embedding/embeddings": theirs["item_embeddings.weight"],
        "user_embedding/embeddings": theirs["user_embeddings.weight"],
        "vertical/kernel": theirs["conv_v.weight"][:, 0, :, 0].T,
        "vertical/bias": theirs["conv_v.bias"],
        "hidden/bias": theirs["fc1.bias"],
        "output_embedding/embeddings": theirs["W2.weight"],
        "output_bias/embeddings": theirs["b2.weight"],
    }
    for height in range(1, 6):
        kernel = theirs[f"conv_h.{height - 1}.weight"][:, 0]
        path = f"horizontal_{height}"
        arrays[f"{path}/kernel"] = kernel.transpose(1, 2, 0)
        arrays[f"{path}/bias"] = theirs[f"conv_h.{height - 1}.bias"]
    # Vertical outputs stand filter by filter there, column by column here.
    kernel = theirs["fc1.weight"].T
    vertical = kernel[:12].reshape(2, 6, 6).transpose(1, 0, 2).reshape(12, 6)
    arrays["hidden/kernel"] = np.concatenate([vertical, kernel[12:]])
    return arrays


@pytest.fixture(scope="module")
def model():
    model = Caser(4, 20, 6, num_vertical=2, num_horizontal=3)
    arrays = in_our_layout("weight")
    for weight in model.trainable_weights:
        weight.assign(arrays.pop(weight.path))
    assert not arrays
    return model


def test_scores(model):
    np.testing.assert_allclose(
        model(FEATURES), FIXTURE["scores"], rtol=1e-4, atol=1e-5
    )


def test_gradients(model):
    expected = in_our_layout("gradient")
    with tf.GradientTape() as tape:
        form = tf.reduce_sum(model(FEATURES) * FIXTURE["factors"])
    weights = model.trainable_weights
    gradients = tape.gradient(form, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        ours = np.array(tf.convert_to_tensor(gradient))
        theirs = expected[weight.path]
        if weight.path == "item_embedding/embeddings":
            # The reference trains the vector of padding.
            assert not ours[0].any()
            assert theirs[0].any()
            ours, theirs = ours[1:], theirs[1:]
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-3, atol=1e-5, err_msg=weight.path
        )
