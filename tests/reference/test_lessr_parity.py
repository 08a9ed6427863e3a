"""LESSR against twchen/lessr. See `lessr/`."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.lessr.lessr import LESSR

FIXTURE = dict(np.load(Path(__file__).parent / "lessr" / "lessr.npz"))
ITEMS, DIM, LAYERS = 9, 3, 3

LINEAR = {
    "block_0/of_self": "layers.0.fc_self",
    "block_0/of_neighbors": "layers.0.fc_neigh",
    "block_1/query": "layers.1.fc_q",
    "block_1/key": "layers.1.fc_k",
    "block_1/value": "layers.1.fc_v",
    "block_1/energy": "layers.1.fc_e",
    "block_2/of_self": "layers.2.fc_self",
    "block_2/of_neighbors": "layers.2.fc_neigh",
    "of_node": "readout.fc_u",
    "of_last": "readout.fc_v",
    "energy": "readout.fc_e",
    "readout": "readout.fc_out",
    "decoder": "fc_sr",
}
NORMS = {
    "block_0/norm": "layers.0.batch_norm",
    "block_1/norm": "layers.1.batch_norm",
    "block_2/norm": "layers.2.batch_norm",
    "node_norm": "readout.batch_norm",
    "session_norm": "batch_norm",
}
ACTIVATIONS = {
    "block_0/activation": "layers.0.activation",
    "block_1/activation": "layers.1.activation",
    "block_2/activation": "layers.2.activation",
    "activation": "readout.activation",
}
STATISTICS = {
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def gates(matrix):
    """Puts the gates (reset, update, new) in the order of Keras."""
    reset, update, new = np.split(matrix, 3, axis=0)
    return np.concatenate([update, reset, new], axis=0)


def from_reference(prefix, statistics):
    """Returns path -> array in our layout for arrays of the reference."""

    def of(name):
        return FIXTURE[f"{prefix}/{name}"]

    items = of("embedding.weight")
    arrays = {
        "item_embedding/embeddings": np.concatenate([0 * items[:1], items])
    }
    for path, name in LINEAR.items():
        arrays[f"{path}/kernel"] = of(f"{name}.weight").T
    for path in ("block_1/query", "of_last"):
        arrays[f"{path}/bias"] = of(f"{LINEAR[path]}.bias")
    for path, name in ACTIVATIONS.items():
        arrays[f"{path}/alpha"] = of(f"{name}.weight")[None]
    for path, name in NORMS.items():
        arrays[f"{path}/gamma"] = of(f"{name}.weight")
        arrays[f"{path}/beta"] = of(f"{name}.bias")
        if statistics:
            for ours, theirs in STATISTICS.items():
                arrays[f"{path}/{ours}"] = of(f"{name}.{theirs}")
    for number in (0, 2):
        path, gru = f"block_{number}/cell", f"layers.{number}.gru"
        arrays[f"{path}/kernel"] = gates(of(f"{gru}.weight_ih_l0")).T
        arrays[f"{path}/recurrent_kernel"] = gates(of(f"{gru}.weight_hh_l0")).T
        arrays[f"{path}/bias"] = np.stack(
            [gates(of(f"{gru}.bias_{kind}_l0")) for kind in ("ih", "hh")]
        )
    return arrays


def made():
    model = LESSR(3, ITEMS, DIM, LAYERS, readout_activation=True)
    arrays = from_reference("weight", statistics=True)
    for weight in model.weights:
        weight.assign(arrays.pop(weight.path))
    assert not arrays
    return model


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_published_code(mode):
    model = made()
    history = FIXTURE["history"]
    features = {
        "user": np.zeros(len(history), "int32"),
        "history": history,
        "candidates": np.tile(np.arange(1, ITEMS + 1), (len(history), 1)),
    }
    weights = model.trainable_weights
    with tf.GradientTape() as tape:
        scores = model(features, training=mode == "training")
        form = tf.reduce_sum(scores * FIXTURE["factors"])
    np.testing.assert_allclose(
        scores, FIXTURE[f"{mode}/scores"], rtol=1e-3, atol=1e-5
    )
    gradients = tape.gradient(form, [weight.value for weight in weights])
    expected = from_reference(f"{mode}/gradient", statistics=False)
    assert len(expected) == len(weights)
    for weight, gradient in zip(weights, gradients, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            expected[weight.path],
            rtol=1e-3,
            atol=1e-4,
            err_msg=weight.path,
        )
    if mode == "training":
        means = {weight.path: weight for weight in model.weights}
        for path, name in NORMS.items():
            np.testing.assert_allclose(
                means[f"{path}/moving_mean"],
                FIXTURE[f"after/{name}.running_mean"],
                rtol=1e-4,
                atol=1e-5,
            )
