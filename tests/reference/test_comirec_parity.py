"""MIND, ComiRec-DR and ComiRec-SA against THUDM/ComiRec, see `comirec/`."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.comirec_dr import ComiRecDR
from baselines.comirec_sa import ComiRecSA
from baselines.mind import MIND

FIXTURE = dict(np.load(Path(__file__).parent / "comirec" / "comirec.npz"))
HISTORY = FIXTURE["history"].astype("int32")
TARGET = FIXTURE["target"].astype("int32")
SIZES = {
    "num_users": 0,
    "num_items": 20,
    "embedding_dim": 8,
    "num_interests": 3,
    "max_length": 6,
}


def part(name):
    """Returns the arrays of one model of the reference."""
    return {
        key.removeprefix(f"{name}/"): value
        for key, value in FIXTURE.items()
        if key.startswith(f"{name}/")
    }


def like_ours(ours, values):
    """Returns a weight, or its gradient, of the reference in our layout."""
    if len(values.shape) == 4:
        # Positions, then interests and outputs in one axis, then inputs.
        values = values.reshape(6, 3, 8, 8).transpose(0, 1, 3, 2)
    return values.reshape(ours.shape)


def load(model, names, arrays):
    """Sets `names`, a list of (weight of ours, name in the reference)."""
    for weight, name in names:
        weight.assign(like_ours(weight, arrays[f"weight/{name}"]))
    assert {id(weight) for weight, _ in names} == {
        id(weight) for weight in model.trainable_weights
    }


def compare(model, names, arrays, rows, atol=1e-5):
    """Compares interests and scores of `rows`; returns the gradients."""
    features = {"history": HISTORY[rows], "candidates": TARGET[rows, None]}
    with tf.GradientTape() as tape:
        interests = model.interests(features)
        loss = tf.reduce_sum(interests * arrays["factors"][rows])
    np.testing.assert_allclose(
        interests, arrays["interests"][rows], rtol=1e-4, atol=atol
    )
    products = np.einsum(
        "bkd,bd->bk",
        arrays["interests"][rows],
        arrays["weight/mid_embedding_var"][TARGET[rows]],
    )
    scores = np.asarray(model({"user": TARGET[rows] * 0, **features}))[:, 0]
    np.testing.assert_allclose(
        scores, products.max(axis=1), rtol=1e-4, atol=atol
    )
    if "target_scores" in arrays:
        np.testing.assert_allclose(
            scores, arrays["target_scores"][rows], rtol=1e-4, atol=atol
        )
    return [
        tf.convert_to_tensor(gradient).numpy()
        for gradient in tape.gradient(
            loss, [weight.value for weight, _ in names]
        )
    ]


def compare_gradients(found, names, arrays):
    for gradient, (weight, name) in zip(found, names):
        np.testing.assert_allclose(
            gradient,
            like_ours(weight, arrays[f"gradient/{name}"]),
            rtol=1e-3,
            atol=1e-4,
            err_msg=name,
        )


@pytest.mark.parametrize("relu_layer", [True, False])
def test_mind(relu_layer):
    arrays = part("mind" if relu_layer else "mind_without_relu")
    network = "capsule_network"
    model = MIND(**SIZES, relu_layer=relu_layer)
    names = [
        (model.item_embedding.embeddings, "mid_embedding_var"),
        (model.projection.kernel, f"{network}/bilinear/dense/kernel"),
    ]
    if relu_layer:
        names += [
            (model.output_layer.kernel, f"{network}/proj/kernel"),
            (model.output_layer.bias, f"{network}/proj/bias"),
        ]
    load(model, names, arrays)
    assert not np.any(arrays[f"weight/{network}/bilinear/dense/bias"])
    # The reference draws noise for each row, our table is that of all rows:
    # so row by row, from the newest item on.
    totals = [np.zeros(weight.shape) for weight, _ in names]
    for row, length in enumerate(np.count_nonzero(HISTORY, axis=1)):
        noise = np.zeros(model.noise.shape)
        noise[:, :length] = arrays["noise"][row, :, :length][:, ::-1]
        model.noise.assign(noise)
        rows = np.array([row])
        for total, gradient in zip(totals, compare(model, names, arrays, rows)):
            total += gradient
    compare_gradients(totals, names, arrays)


def test_comirec_dr():
    arrays = part("comirec_dr")
    model = ComiRecDR(**SIZES)
    names = [
        (model.item_embedding.embeddings, "mid_embedding_var"),
        (model.kernel, "capsule_network/bilinear/weights"),
    ]
    load(model, names, arrays)
    found = compare(model, names, arrays, np.arange(len(HISTORY)))
    compare_gradients(found, names, arrays)


@pytest.mark.parametrize("positions", [True, False])
def test_comirec_sa(positions):
    arrays = part("comirec_sa" if positions else "comirec_sa_without_positions")
    model = ComiRecSA(**SIZES, positions=positions)
    names = [
        (model.item_embedding.embeddings, "mid_embedding_var"),
        (model.hidden_layer.kernel, "self_atten/dense/kernel"),
        (model.hidden_layer.bias, "self_atten/dense/bias"),
        (model.attention.kernel, "self_atten/dense_1/kernel"),
        (model.attention.bias, "self_atten/dense_1/bias"),
    ]
    if positions:
        names.append(
            (model.position_embedding.embeddings, "position_embedding")
        )
    load(model, names, arrays)
    found = compare(model, names, arrays, np.arange(len(HISTORY)))
    compare_gradients(found, names, arrays)
