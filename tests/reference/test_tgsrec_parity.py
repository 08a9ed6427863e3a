"""TGSRec against the published code, see `tests/reference/tgsrec`."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.tgsrec.tgsrec import TGSRec
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.tables.make_tables import make_tables

FIXTURE = np.load(Path(__file__).with_name("tgsrec") / "tgsrec.npz")
USERS, ITEMS = 5, 6
NODE_DIM = 6


def data_of_the_fixture():
    users, items, times = FIXTURE["events"].T
    order = np.argsort(users, kind="stable")
    counts = np.bincount(users, minlength=USERS + 1)
    return SequenceDataset(
        items=(items - USERS)[order].astype(np.int32),
        times=1_600_000_000 + times[order],
        parts=np.zeros(len(users), np.int8),
        sequences=users[order].astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        user_ids=[f"user {n}" for n in range(USERS)],
        item_ids=[f"item {n}" for n in range(ITEMS)],
        num_users=USERS,
    )


def reference_weights(kind):
    """Returns path in our model -> array of the reference, our shape."""
    ours = {
        "time_encoding/frequencies": "time_encoder.basis_freq",
        "time_encoding/phases": "time_encoder.phase",
        "node_embedding/embeddings": "node_hist_embed.weight",
        "affinity_item/bias": "affinity_score.fc1.bias",
        "affinity_output/kernel": "affinity_score.fc2.weight",
        "affinity_output/bias": "affinity_score.fc2.bias",
    }
    for i in range(2):
        theirs = f"attn_model_list.{i}"
        attention = f"{theirs}.multi_head_target"
        for path, name in {
            "query_kernel": f"{attention}.w_qs.weight",
            "key_kernel": f"{attention}.w_ks.weight",
            "value_kernel": f"{attention}.w_vs.weight",
            "output/kernel": f"{attention}.fc.weight",
            "output/bias": f"{attention}.fc.bias",
            "normalization/gamma": f"{attention}.layer_norm.weight",
            "normalization/beta": f"{attention}.layer_norm.bias",
            "hidden/kernel": f"{theirs}.merger.fc1.weight",
            "hidden/bias": f"{theirs}.merger.fc1.bias",
            "merge/kernel": f"{theirs}.merger.fc2.weight",
            "merge/bias": f"{theirs}.merger.fc2.bias",
        }.items():
            ours[f"temporal_attention_{i}/{path}"] = name
    found = {}
    for path, name in ours.items():
        array = FIXTURE[f"{kind}/{name}"]
        if path.endswith("_kernel"):
            array = array.T.reshape(len(array), 2, -1)
        elif path.endswith("kernel"):
            array = array.T
        found[path] = array
    first = FIXTURE[f"{kind}/affinity_score.fc1.weight"].T
    found["affinity_user/kernel"] = first[:NODE_DIM]
    found["affinity_item/kernel"] = first[NODE_DIM:]
    return found


@pytest.fixture(scope="module")
def model():
    data = data_of_the_fixture()
    model = TGSRec(
        USERS,
        ITEMS,
        num_events=len(data.items),
        embedding_dim=NODE_DIM,
        time_dim=4,
        num_neighbors=9,
        sampling="recent",
    )
    model.load_tables(make_tables(data, model.required_tables))
    weights = reference_weights("weight")
    assert len(weights) == len(model.trainable_weights)
    for weight in model.trainable_weights:
        weight.assign(weights[weight.path])
    return model


def features():
    """Returns what is asked for; a history is all that the user did."""
    data = data_of_the_fixture()
    histories = [
        slice(*data.offsets[user : user + 2]) for user in FIXTURE["users"]
    ]
    longest = max(row.stop - row.start for row in histories)
    history, times = (
        np.stack(
            [
                np.pad(array[row], (0, longest - row.stop + row.start))
                for row in histories
            ]
        )
        for array in (data.items, data.times)
    )
    now = 1_600_000_000 + FIXTURE["now"]
    return {
        "user": FIXTURE["users"],
        "history": history,
        "history_time": times,
        "candidates": FIXTURE["items"] - USERS,
        "candidate_time": np.repeat(now[:, None], 3, axis=1),
    }


def test_time_codes(model):
    codes = model.time_encoding(FIXTURE["gaps"])
    np.testing.assert_allclose(codes, FIXTURE["codes"], rtol=1e-3, atol=1e-4)


def test_one_layer(model):
    inputs = {
        name: FIXTURE[f"layer_{name}"]
        for name in (
            "nodes",
            "query_codes",
            "neighbors",
            "time_codes",
            "valid_mask",
        )
    }
    out = model.attention_layers[1](**inputs)
    np.testing.assert_allclose(out, FIXTURE["layer_out"], rtol=1e-4, atol=1e-5)


def test_vectors_of_users(model):
    vectors = model.encode(features())["user"]
    kernel = np.asarray(model.user_layer.kernel)
    np.testing.assert_allclose(
        vectors, FIXTURE["user_vectors"] @ kernel, rtol=1e-3, atol=1e-4
    )


def test_scores(model):
    np.testing.assert_allclose(
        model(features()), FIXTURE["scores"], rtol=1e-3, atol=1e-4
    )


def test_gradients(model):
    with tf.GradientTape() as tape:
        scores = model(features())
        total = tf.reduce_sum(scores * FIXTURE["factors"])
    weights = model.trainable_weights
    gradients = tape.gradient(total, [weight.value for weight in weights])
    expected = reference_weights("gradient")
    for weight, gradient in zip(weights, gradients, strict=True):
        theirs = expected[weight.path]
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            theirs,
            rtol=1e-3,
            atol=1e-4 * np.abs(theirs).max(),
            err_msg=weight.path,
        )
