"""SURGE against tsinghua-fib-lab/SIGIR21-SURGE, see `surge/`."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.surge.interest_graph import cluster_means
from baselines.surge.surge import SURGE

FIXTURE = dict(np.load(Path(__file__).parent / "surge" / "surge.npz"))
FEATURES = {
    "user": np.zeros(4, "int32"),
    "history": FIXTURE["history"],
    "candidates": FIXTURE["candidates"],
}
VALID = FIXTURE["history"] > 0
ATTENTIONS = {"cluster": "f1_shared_0", "query": "f2_shared_0", "state": "AGRU"}


def network_names(ours, theirs):
    """Returns path of ours -> name in the reference, for one network."""
    names = {
        f"{ours}/kernel": "w_nn_layer0",
        f"{ours}/bias": "b_nn_layer0",
        f"{ours}/hidden_1/kernel": "w_nn_layer1",
        f"{ours}/hidden_1/bias": "b_nn_layer1",
        f"{ours}/output/kernel": "w_nn_output",
        f"{ours}/output/bias": "b_nn_output",
    }
    for i, name in enumerate(("batch_normalization", "batch_normalization_1")):
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            names[f"{ours}/normalization_{i}/{part}"] = f"{name}/{part}"
    return {key: f"{theirs}/nn_part/{name}" for key, name in names.items()}


def in_our_layout(kind):
    """Returns path -> array of the `kind` "weight" or "gradient"."""
    names = {
        "item_embedding/embeddings": "embedding/item_embedding",
        "item_embedding/category_embeddings": "embedding/cate_embedding",
        "graph/metric": "dense/kernel",
        "fusion/kernel": "dense_1/kernel",
        **network_names("network", "logit_fcn"),
    }
    for ours, theirs in ATTENTIONS.items():
        folder = f"attention_fcn{theirs}"
        names[f"{ours}_attention/key_kernel"] = (
            f"{folder}/attention_mat{theirs}"
        )
        names |= network_names(f"{ours}_attention/network", f"{folder}/att_fcn")
    arrays = {
        path: FIXTURE[f"{kind}/{name}"].astype("float32")
        for path, name in names.items()
        if f"{kind}/{name}" in FIXTURE
    }
    # Reset gate, then update gate; ours is the other way round. Inputs stand
    # above the state.
    gates = np.split(FIXTURE[f"{kind}/gru/gates/kernel"], 2, axis=1)
    gates = np.concatenate(gates[::-1], axis=1)
    candidate = FIXTURE[f"{kind}/gru/candidate/kernel"]
    arrays["recurrent_input/kernel"] = np.concatenate(
        [gates[:6], candidate[:6]], axis=1
    )
    arrays["recurrence/cell/gate_kernel"] = gates[6:]
    arrays["recurrence/cell/candidate_kernel"] = candidate[6:]
    bias = np.split(FIXTURE[f"{kind}/gru/gates/bias"], 2)
    arrays["recurrence/cell/gate_bias"] = np.concatenate(bias[::-1])
    arrays["recurrence/cell/candidate_bias"] = FIXTURE[
        f"{kind}/gru/candidate/bias"
    ]
    return arrays


@pytest.fixture(scope="module")
def model():
    model = SURGE(
        0,
        20,
        embedding_dim=4,
        max_length=9,
        pool_length=5,
        num_categories=3,
        category_dim=2,
    )
    model.load_tables({"item_categories": FIXTURE["categories"]})
    arrays = in_our_layout("weight")
    for weight in model.weights:
        if weight.path != "item_embedding/item_categories":
            weight.assign(arrays.pop(weight.path))
    assert not arrays
    return model


def assert_same(ours, theirs, mask=True):
    """Compares arrays at the valid positions."""
    theirs = np.where(mask, theirs, 0.0)
    np.testing.assert_allclose(
        np.where(mask, ours, 0.0), theirs, rtol=1e-4, atol=1e-5
    )


def test_encode_does_the_same(model):
    """What does not depend on the candidate: graph, fusion, fitness."""
    one_candidate = {
        key: FIXTURE[key][:, 0]
        for key in ("adjacency", "cluster_means", "attention_0", "nodes")
    }
    items = model.item_embedding(FEATURES["history"])
    adjacency = model.graph(items, valid_mask=VALID)
    own = np.eye(9, dtype="bool")
    np.testing.assert_array_equal(
        np.where(own, 1.0, adjacency),
        np.where(own, 1.0, one_candidate["adjacency"]),
    )
    means = cluster_means(adjacency, items)
    assert_same(means, one_candidate["cluster_means"], VALID[..., None])
    assert_same(
        model.cluster_attention(items, means, VALID),
        one_candidate["attention_0"],
    )
    encoded = model.encode(FEATURES)
    assert_same(encoded["nodes"], one_candidate["nodes"], VALID[..., None])
    assert_same(encoded["cluster_fitness"], FIXTURE["attention_2"][:, 0])


def test_what_encode_skips_does_not_depend_on_the_candidate():
    for key in ("adjacency", "attention_0", "attention_2", "nodes"):
        values = FIXTURE[key]
        np.testing.assert_allclose(
            values, np.repeat(values[:, :1], 3, axis=1), rtol=1e-5, atol=1e-6
        )
    assert np.ptp(FIXTURE["attention_1"], axis=1).max() > 1e-2


def test_pooling_keeps_the_same_nodes(model):
    encoded = model.encode(FEATURES)
    targets = model.item_embedding(FEATURES["candidates"])
    query = model.query_attention(
        encoded["nodes"][:, None], targets[:, :, None], VALID[:, None]
    )
    assert_same(query, FIXTURE["attention_3"])
    weights = model.pooling(
        encoded["cluster_fitness"][:, None] + query, valid_mask=VALID
    )
    np.testing.assert_array_equal(np.asarray(weights) > 0, FIXTURE["kept"] == 1)
    assert_same(weights @ encoded["nodes"], FIXTURE["readout"])


def test_scores_and_gradients(model):
    expected = in_our_layout("gradient")
    with tf.GradientTape() as tape:
        scores = model(FEATURES)
        form = tf.reduce_sum(scores * FIXTURE["factors"])
    assert_same(scores, FIXTURE["logits"])
    weights = [w for w in model.trainable_weights if w.path in expected]
    assert len(weights) == len(expected)
    assert len(weights) > 40
    for weight, gradient in zip(
        weights, tape.gradient(form, [w.value for w in weights])
    ):
        gradient = np.array(tf.convert_to_tensor(gradient))
        theirs = expected[weight.path].reshape(gradient.shape)
        if "embeddings" in weight.path:
            # Padding has no gradient here.
            gradient, theirs = gradient[1:], theirs[1:]
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(
            gradient, theirs, rtol=1e-3, atol=1e-4 * scale + 1e-6
        )
