"""TiMiRec, TiMiRec+ and ComiRec+ against ReChorus, see `timirec/`."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.timirec.comirec_plus import ComiRecPlus
from baselines.timirec.timirec import TiMiRec
from baselines.timirec.timirec_plus import TiMiRecPlus
from mgnm_tf.losses import get_loss
from tests.reference.torch_gru import below
from tests.reference.torch_gru import gates

FIXTURE = dict(np.load(Path(__file__).parent / "timirec" / "timirec.npz"))
SIZES = {
    "num_users": 3,
    "num_items": 9,
    "embedding_dim": 4,
    "num_interests": 2,
    "hidden_dim": 3,
    "max_length": 5,
}
CASES = {
    "comirec_plus": (ComiRecPlus, {}),
    "extractor": (ComiRecPlus, {"transformer": False}),
    "timirec": (TiMiRec, {"num_layers": 1, "distillation_temperature": 0.5}),
    "timirec_plus": (TiMiRecPlus, {"distillation_temperature": 0.25}),
}
EXTRACTOR = "interest_extractor"
BLOCK = f"{EXTRACTOR}.transformer"
DENSE = {
    "extractor/hidden_layer": f"{EXTRACTOR}.W1",
    "extractor/attention": f"{EXTRACTOR}.W2",
    "extractor/block/query": f"{BLOCK}.masked_attn_head.q_linear",
    "extractor/block/key": f"{BLOCK}.masked_attn_head.k_linear",
    "extractor/block/value": f"{BLOCK}.masked_attn_head.v_linear",
    "extractor/block/hidden": f"{BLOCK}.linear1",
    "extractor/block/output": f"{BLOCK}.linear2",
    "predictor/hidden_1": "proj.proj_0",
    "predictor/output": "proj.proj_final",
}
OTHERS = {
    "item_embedding/embeddings": f"{EXTRACTOR}.i_embeddings.weight",
    "extractor/position_embedding/embeddings": f"{EXTRACTOR}.p_embeddings"
    ".weight",
    "extractor/block/attention_norm/gamma": f"{BLOCK}.layer_norm1.weight",
    "extractor/block/attention_norm/beta": f"{BLOCK}.layer_norm1.bias",
    "extractor/block/output_norm/gamma": f"{BLOCK}.layer_norm2.weight",
    "extractor/block/output_norm/beta": f"{BLOCK}.layer_norm2.bias",
    "predictor/item_embedding/embeddings": "interest_predictor.i_embeddings"
    ".weight",
}


def in_our_layout(arrays):
    """Returns path -> array of arrays that have the names of the reference."""
    theirs, found = dict(arrays), {}
    for path, name in DENSE.items():
        if f"{name}.weight" in theirs:
            found[f"{path}/kernel"] = theirs.pop(f"{name}.weight").T
            found[f"{path}/bias"] = theirs.pop(f"{name}.bias")
    for path, name in OTHERS.items():
        if name in theirs:
            found[path] = theirs.pop(name)
    cell, rnn = "predictor/gru/gru_cell", "interest_predictor.rnn"
    if f"{rnn}.weight_ih_l0" in theirs:
        found[f"{cell}/kernel"] = gates(theirs.pop(f"{rnn}.weight_ih_l0"))
        found[f"{cell}/recurrent_kernel"] = gates(
            theirs.pop(f"{rnn}.weight_hh_l0")
        )
        found[f"{cell}/bias"] = np.stack(
            [
                gates(theirs.pop(f"{rnn}.bias_{kind}_l0"))
                for kind in ("ih", "hh")
            ]
        )
    assert not theirs
    return found


@pytest.mark.parametrize("name", CASES)
def test_scores_loss_and_gradients(name):
    cls, options = CASES[name]
    if cls is not ComiRecPlus:
        options = {**options, "predictor_dropout": 0.0}
    model = cls(**SIZES, **options)
    theirs = below(FIXTURE, f"{name}/")
    weights = in_our_layout(below(theirs, "weight/"))
    for weight in model.trainable_weights:
        weight.assign(weights.pop(weight.path))
    assert not weights
    features = {key: FIXTURE[key] for key in ("history", "candidates")}
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(model(features), theirs["scores"], **close)
    with tf.GradientTape() as tape:
        scores = model(features, training=True)
        labels = np.eye(1, scores.shape[1])[[0] * len(scores)]
        loss = get_loss("bpr")(labels, scores) + sum(model.losses)
    np.testing.assert_allclose(scores, theirs["training_scores"], **close)
    np.testing.assert_allclose(loss, theirs["loss"], rtol=1e-5)
    values = [weight.value for weight in model.trainable_weights]
    gradients = tape.gradient(loss, values)
    expected = in_our_layout(below(theirs, "gradient/"))
    # Ours is a constant.
    expected["item_embedding/embeddings"][0] = 0.0
    for weight, gradient in zip(model.trainable_weights, gradients):
        if gradient is None:
            gradient = np.zeros(weight.shape)
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            expected[weight.path],
            err_msg=weight.path,
            **close,
        )
