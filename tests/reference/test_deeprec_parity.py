"""Caser, A2SVD and SLi_Rec against DeepRec, see `deeprec/`."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.a2svd import A2SVD
from baselines.deeprec_caser import DeepRecCaser
from baselines.slirec.slirec import SLiRec

FIXTURE = dict(np.load(Path(__file__).parent / "deeprec" / "deeprec.npz"))
FEATURES = {
    "user": np.zeros(4, "int32"),
    "history": FIXTURE["history"],
    "history_time": FIXTURE["times"],
    "candidates": FIXTURE["candidates"],
    "candidate_time": np.full((4, 3), FIXTURE["now"]),
}
WITH_CATEGORIES = {"num_categories": 3, "category_dim": 2}


def theirs_of(model, kind):
    """Returns name -> array of the `kind` "weight" or "gradient"."""
    prefix = f"{model}/{kind}/"
    return {
        name.removeprefix(prefix): value.astype("float32")
        for name, value in FIXTURE.items()
        if name.startswith(prefix)
    }


def network(theirs, ours, folder):
    """Returns path of ours -> array, for one network."""
    names = {
        "kernel": "w_nn_layer0",
        "bias": "b_nn_layer0",
        "hidden_1/kernel": "w_nn_layer1",
        "hidden_1/bias": "b_nn_layer1",
        "output/kernel": "w_nn_output",
        "output/bias": "b_nn_output",
    }
    for i, name in enumerate(("batch_normalization", "batch_normalization_1")):
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            names[f"normalization_{i}/{part}"] = f"{name}/{part}"
    arrays = {
        f"{ours}/{key}": theirs.get(f"{folder}/nn_part/{name}")
        for key, name in names.items()
    }
    return {key: value for key, value in arrays.items() if value is not None}


def of_caser(theirs):
    arrays = {
        "item_embedding/embeddings": theirs["embedding/item_embedding"],
        "vertical/bias": theirs["caser/item/vertical/conv_4/bias"],
        **network(theirs, "head", "logit_fcn"),
    }
    # One filter spans all columns there, (d, length, filters).
    kernel = theirs["caser/item/vertical/conv_4/kernel"]
    arrays["vertical/kernel"] = kernel.transpose(1, 0, 2).reshape(28, 3)
    for height in (1, 2, 3):
        for part in ("kernel", "bias"):
            name = f"caser/item/horizonal/conv_{height}/{part}"
            arrays[f"horizontal_{height}/{part}"] = theirs[name]
    if "head/kernel" in arrays:
        # Filters of items, of categories, the item, its category.
        kernel = arrays["head/kernel"]
        assert not kernel[9:18].any()
        assert not kernel[22:].any()
        arrays["head/kernel"] = np.concatenate([kernel[:9], kernel[18:22]])
    return arrays


def tables(theirs):
    return {
        "item_embedding/embeddings": theirs["embedding/item_embedding"],
        "item_embedding/category_embeddings": theirs[
            "embedding/cate_embedding"
        ],
    }


def of_a2svd(theirs, folder="a2svd/Attention_layer"):
    return {
        **tables(theirs),
        "pooling/kernel": theirs[f"{folder}/attention_mat"],
        "pooling/query": theirs[f"{folder}/query"][:, None],
        **network(theirs, "network", "logit_fcn"),
    }


def of_slirec(theirs):
    folder = "sli_rec/attention_fcn/attention_fcn"
    arrays = {
        **of_a2svd(theirs, "sli_rec/long_term_asvd"),
        "attention/key_kernel": theirs[f"{folder}/attention_mat"],
        **network(theirs, "attention/network", f"{folder}/att_fcn"),
        **network(theirs, "blend", "sli_rec/fcn_alpha"),
    }
    folder = "sli_rec/rnn/time4lstm/time4lstm_cell"
    kernel = theirs[f"{folder}/kernel"]
    arrays["recurrence/kernel"] = without_category(kernel[:4])
    arrays["recurrence/recurrence/cell/recurrent_kernel"] = kernel[4:]
    arrays["recurrence/bias"] = theirs[f"{folder}/bias"]
    for number, channel in ((1, "age"), (2, "interval")):
        names = {
            "scale": f"_time_input_w{number}",
            "offset": f"_time_input_bias{number}",
            "item_kernel": f"_time_kernel_w{number}",
            "gate_kernel": f"_time_kernel_t{number}",
            "gate_bias": f"_time_bias{number}",
            "output_kernel": f"_o_kernel_t{number}",
        }
        for ours, name in names.items():
            value = theirs[f"{folder}/{name}"]
            if ours == "item_kernel":
                value = without_category(value)
            arrays[f"recurrence/{channel}_{ours}"] = value
    return arrays


def without_category(kernel):
    """Adds rows of zeros, which categories meet."""
    return np.pad(kernel, [(0, 2), (0, 0)])


CASES = {
    "caser": (
        lambda: DeepRecCaser(
            0,
            20,
            4,
            num_vertical=3,
            num_horizontal=2,
            max_length=7,
        ),
        of_caser,
    ),
    "a2svd": (lambda: A2SVD(0, 20, 4, **WITH_CATEGORIES), of_a2svd),
    "slirec": (lambda: SLiRec(0, 20, 4, **WITH_CATEGORIES), of_slirec),
}


@pytest.fixture(scope="module", params=CASES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    make, in_our_layout = CASES[name]
    model = make()
    if model.required_tables:
        model.load_tables({"item_categories": FIXTURE["categories"]})
    arrays = in_our_layout(theirs_of(name, "weight"))
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(arrays.pop(weight.path))
    assert not arrays
    return model


def test_scores(name, model):
    expected = FIXTURE[f"{name}/logits"]
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(model(FEATURES), expected, rtol=1e-4, atol=1e-5)


def test_gradients(name, model):
    expected = CASES[name][1](theirs_of(name, "gradient"))
    with tf.GradientTape() as tape:
        form = tf.reduce_sum(model(FEATURES) * FIXTURE[f"{name}/factors"])
    weights = [w for w in model.trainable_weights if w.path in expected]
    assert len(weights) == len(expected)
    assert len(weights) > 10
    gradients = tape.gradient(form, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        ours = np.array(tf.convert_to_tensor(gradient))
        theirs = expected[weight.path]
        if "embeddings" in weight.path:
            # Padding has no gradient here.
            ours, theirs = ours[1:], theirs[1:]
        if ours.shape[0] == 6 and not theirs[4:].any():
            # Categories have one in our recurrence.
            ours, theirs = ours[:4], theirs[:4]
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(
            ours,
            theirs,
            rtol=1e-3,
            atol=1e-4 * scale + 1e-6,
            err_msg=weight.path,
        )
