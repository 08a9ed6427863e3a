"""SASRec against kang205/SASRec and pmixer/SASRec.pytorch.

See `sasrec/` and `sasrec_pytorch/`.
"""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from baselines.sasrec.sasrec import SASRec

FOLDER = Path(__file__).parent
CODE = dict(np.load(FOLDER / "sasrec" / "sasrec.npz"))
PYTORCH = dict(np.load(FOLDER / "sasrec_pytorch" / "sasrec.npz"))
ITEMS, DIM, LENGTH = 20, 6, 5


def left_aligned(histories):
    """Moves the padding of each row behind the items."""
    rows = np.zeros_like(histories)
    for row, history in zip(rows, histories, strict=True):
        items = history[history > 0]
        row[: len(items)] = items
    return rows


def below(arrays, prefix):
    """Returns the arrays whose names start with `prefix`, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


def from_code(theirs):
    """Returns path -> array in our layout for arrays of kang205/SASRec."""
    theirs = below(theirs, "SASRec/")

    def put_norm(path, scope):
        arrays[f"{path}/beta"] = theirs[f"{scope}/Variable"]
        arrays[f"{path}/gamma"] = theirs[f"{scope}/Variable_1"]

    arrays = {
        "item_embedding/embeddings": theirs["input_embeddings/lookup_table"],
        # The newest item has the last place there, the first here.
        "position_embedding/embeddings": theirs["dec_pos/lookup_table"][::-1],
    }
    put_norm("output_norm", "ln")
    for number in (1, 2):
        path, scope = f"block_{number}", f"num_blocks_{number - 1}"
        put_norm(f"{path}/attention_norm", f"{scope}/ln")
        put_norm(f"{path}/output_norm", f"{scope}/ln_1")
        for kind in ("kernel", "bias"):
            dense = f"{scope}/self_attention/dense"
            arrays[f"{path}/query/{kind}"] = theirs[f"{dense}/{kind}"]
            arrays[f"{path}/key_value/{kind}"] = np.concatenate(
                [theirs[f"{dense}_{i}/{kind}"] for i in (1, 2)], axis=-1
            )
            net = f"{scope}/multihead_attention/conv1d"
            hidden, output = theirs[f"{net}/{kind}"], theirs[f"{net}_1/{kind}"]
            if kind == "kernel":
                hidden, output = hidden[0], output[0]
            arrays[f"{path}/hidden/{kind}"] = hidden
            arrays[f"{path}/output/{kind}"] = output
    return arrays


def from_pytorch(theirs):
    """Returns path -> array in our layout for arrays of SASRec.pytorch."""

    def put(path, name, names=("kernel", "bias")):
        for ours, other in zip(names, ("weight", "bias"), strict=True):
            arrays[f"{path}/{ours}"] = theirs[f"{name}.{other}"]

    arrays = {
        "item_embedding/embeddings": theirs["item_emb.weight"],
        # Place 0 is that of padding.
        "position_embedding/embeddings": theirs["pos_emb.weight"][:0:-1],
    }
    put("output_norm", "last_layernorm", ("gamma", "beta"))
    for number in (1, 2):
        path, index = f"block_{number}", number - 1
        for ours, name in (("attention", "attention"), ("output", "forward")):
            norm = f"{name}_layernorms.{index}"
            put(f"{path}/{ours}_norm", norm, ("gamma", "beta"))
        for ours, name in (("hidden", "conv1"), ("output", "conv2")):
            put(f"{path}/{ours}", f"forward_layers.{index}.{name}")
            kernel = arrays[f"{path}/{ours}/kernel"]
            arrays[f"{path}/{ours}/kernel"] = kernel[..., 0].T
        for ours, name in (("kernel", "weight"), ("bias", "bias")):
            joined = theirs[f"attention_layers.{index}.in_proj_{name}"].T
            arrays[f"{path}/query/{ours}"] = joined[..., :DIM]
            arrays[f"{path}/key_value/{ours}"] = joined[..., DIM:]
    return arrays


def make(arrays, **options):
    """Returns our model with these weights."""
    model = SASRec(3, ITEMS, DIM, max_length=LENGTH, dropout=0.0, **options)
    for weight in model.trainable_weights:
        weight.assign(arrays.pop(weight.path))
    assert not arrays
    return model


def check_gradients(tape, form, model, expected):
    """Compares the gradients of `form` with those of the reference."""
    weights = model.trainable_weights
    gradients = tape.gradient(form, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            expected[weight.path],
            rtol=1e-3,
            atol=1e-5,
            err_msg=weight.path,
        )


@pytest.mark.parametrize("num_heads", [1, 2])
def test_published_code(num_heads):
    fixture = below(CODE, f"{num_heads}/")
    model = make(
        from_code(below(fixture, "weight/")),
        num_heads=num_heads,
        variant="code",
    )
    histories = left_aligned(CODE["history"])
    features = {
        "user": np.zeros(len(histories), "int32"),
        "history": histories,
        "candidates": np.tile(np.arange(1, ITEMS + 1), (len(histories), 1)),
    }
    with tf.GradientTape() as tape:
        scores = model(features)
        form = tf.reduce_sum(scores * fixture["factors"])
    np.testing.assert_allclose(scores, fixture["scores"], rtol=1e-4, atol=1e-5)
    check_gradients(tape, form, model, from_code(below(fixture, "gradient/")))


def test_normalization_before():
    fixture = below(PYTORCH, "before/")
    model = make(from_pytorch(below(fixture, "weight/")), num_heads=2)
    with tf.GradientTape() as tape:
        vectors = model.encode({"history": PYTORCH["history"]})
        form = tf.reduce_sum(vectors * fixture["factors"])
    np.testing.assert_allclose(
        vectors, fixture["vectors"], rtol=1e-4, atol=1e-5
    )
    check_gradients(
        tape, form, model, from_pytorch(below(fixture, "gradient/"))
    )


def test_normalization_after():
    fixture = below(PYTORCH, "after/")
    arrays = from_pytorch(below(fixture, "weight/"))
    expected = from_pytorch(below(fixture, "gradient/"))
    # The reference has a last normalisation and sqrt(d), `"rechorus"` not.
    gamma, beta = (arrays.pop(f"output_norm/{x}") for x in ("gamma", "beta"))
    arrays["item_embedding/embeddings"] *= np.sqrt(DIM)
    expected["item_embedding/embeddings"] /= np.sqrt(DIM)
    model = make(arrays, num_heads=2, variant="rechorus")
    with tf.GradientTape() as tape:
        vectors = model.encode({"history": PYTORCH["history"]})
        mean, variance = tf.nn.moments(vectors, [-1], keepdims=True)
        vectors = tf.nn.batch_normalization(
            vectors, mean, variance, beta, gamma, 1e-8
        )
        form = tf.reduce_sum(vectors * fixture["factors"])
    np.testing.assert_allclose(
        vectors, fixture["vectors"], rtol=1e-4, atol=1e-5
    )
    check_gradients(tape, form, model, expected)
