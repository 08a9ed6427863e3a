"""TiSASRec against THUwangcy/ReChorus, see `tisasrec/`."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.sasrec.tisasrec import TiSASRec

FIXTURE = dict(np.load(Path(__file__).parent / "tisasrec" / "tisasrec.npz"))
ITEMS, DIM, LENGTH, LONGEST = 12, 6, 4, 5
TABLES = {
    "item_embedding": "i",
    "place_keys": "p_k",
    "place_values": "p_v",
    "interval_keys": "t_k",
    "interval_values": "t_v",
}
NORMS = {"attention_norm": "layer_norm1", "output_norm": "layer_norm2"}
DENSE = {"hidden": "linear1", "output": "linear2"}


def from_rechorus(size, kind):
    """Returns path -> array in our layout, `kind` "weight" or "gradient"."""
    arrays = {}
    for ours, name in TABLES.items():
        value = FIXTURE[f"{size}/{kind}/{name}_embeddings.weight"]
        # Place 0 is that of padding there, and the newest is 1.
        arrays[f"{ours}/embeddings"] = value[1 if "place" in ours else 0 :]

    def read(number, name):
        scope = f"{size}/{kind}/transformer_block.{number}.{name}"
        return {
            "kernel": FIXTURE[f"{scope}.weight"].T,
            "bias": FIXTURE[f"{scope}.bias"],
        }

    for number in range(size):
        path = f"block_{number + 1}"
        for ours, name in NORMS.items():
            found = read(number, name)
            arrays[f"{path}/{ours}/gamma"] = found["kernel"]
            arrays[f"{path}/{ours}/beta"] = found["bias"]
        query, key, value = (
            read(number, f"masked_attn_head.{letter}_linear")
            for letter in "qkv"
        )
        for part in ("kernel", "bias"):
            arrays[f"{path}/query/{part}"] = query[part]
            arrays[f"{path}/key_value/{part}"] = np.concatenate(
                [key[part], value[part]], axis=-1
            )
        for ours, name in DENSE.items():
            for part, found in read(number, name).items():
                arrays[f"{path}/{ours}/{part}"] = found
    return arrays


@pytest.mark.parametrize("size", [1, 2])
def test_scores_and_gradients(size):
    model = TiSASRec(
        3,
        ITEMS,
        DIM,
        num_layers=size,
        num_heads=size,
        dropout=0.0,
        variant="rechorus",
        max_interval=LONGEST,
        legacy_min_gap=65535,
        max_length=LENGTH,
    )
    theirs = from_rechorus(size, "weight")
    for weight in model.trainable_weights:
        weight.assign(theirs.pop(weight.path))
    assert not theirs
    history, times = FIXTURE["history"], FIXTURE["times"]
    features = {
        # Unknown users, whose gap is the smallest one in sight.
        "user": np.zeros(len(history), "int32"),
        "history": history,
        "history_time": times,
        "candidates": np.tile(np.arange(1, ITEMS + 1), (len(history), 1)),
    }
    gaps = model._gaps(features["user"], times, history > 0)
    np.testing.assert_array_equal(gaps, FIXTURE["gaps"])
    with tf.GradientTape() as tape:
        scores = model(features)
        form = tf.reduce_sum(scores * FIXTURE[f"{size}/factors"])
    np.testing.assert_allclose(
        scores, FIXTURE[f"{size}/scores"], rtol=1e-4, atol=1e-5
    )
    weights = model.trainable_weights
    gradients = tape.gradient(form, [weight.value for weight in weights])
    expected = from_rechorus(size, "gradient")
    for weight, gradient in zip(weights, gradients, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            expected[weight.path],
            rtol=1e-3,
            atol=1e-5,
            err_msg=weight.path,
        )
