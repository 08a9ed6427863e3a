"""DHCN against its published code; see `dhcn/`."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from baselines.dhcn import dhcn
from baselines.dhcn.dhcn import DHCN
from baselines.dhcn.line_graph import overlaps
from tests.reference import numpy_dhcn as oracle

FIXTURE = dict(np.load(Path(__file__).parent / "dhcn" / "dhcn.npz"))
HISTORIES = FIXTURE["histories"].astype("int32")
ITEMS, DIM = FIXTURE["weight/embedding.weight"].shape
BATCH = HISTORIES[FIXTURE["rows"]]


def hypergraph():
    """Returns the table whose propagation matrix is that of the fixture."""
    held = [set(row[row > 0].tolist()) for row in HISTORIES]
    degrees = np.array(
        [sum(item in one for one in held) for item in range(ITEMS + 1)]
    )
    matrix = np.zeros((ITEMS + 1, ITEMS + 1))
    matrix[1:, 1:] = FIXTURE["adjacency"] * degrees[1:, None]
    rows, columns = matrix.nonzero()
    return {
        "rows": rows,
        "columns": columns,
        "values": matrix[rows, columns],
        "degrees": degrees,
    }


def weights_of(model):
    """Returns name in the reference -> variable and its transposition."""
    return {
        "pos_embedding.weight": (model.position_embedding.embeddings, False),
        "w_1.weight": (model.place.kernel, True),
        "w_1.bias": (model.place.bias, False),
        "w_2": (model.weight.kernel, False),
        "glu1.weight": (model.key.kernel, True),
        "glu1.bias": (model.key.bias, False),
        "glu2.weight": (model.context.kernel, True),
    }


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(
        dhcn.keras.random, "shuffle", lambda x, **_: ops.flip(x)
    )
    table = hypergraph()
    made = DHCN(1, ITEMS, len(table["rows"]), DIM, detach_line=True)
    for name, (weight, turned) in weights_of(made).items():
        value = FIXTURE[f"weight/{name}"]
        weight.assign(value.T if turned else value)
    items = FIXTURE["weight/embedding.weight"]
    made.item_embedding.embeddings.assign(np.pad(items, [(1, 0), (0, 0)]))
    made.load_tables({"session_hypergraph": table})
    return made


def features():
    catalogue = np.tile(np.arange(1, ITEMS + 1), (len(BATCH), 1))
    return {
        "user": np.zeros(len(BATCH), "int32"),
        "history": BATCH,
        "candidates": catalogue.astype("int32"),
    }


def test_hypergraph_and_line_graph():
    histories = [row[row > 0].tolist() for row in HISTORIES]
    np.testing.assert_allclose(
        oracle.propagation(histories, ITEMS)[1:, 1:],
        FIXTURE["adjacency"],
        rtol=1e-5,
        atol=1e-7,
    )
    np.testing.assert_allclose(overlaps(BATCH), FIXTURE["overlap"], rtol=1e-6)


def test_scores_losses_and_gradients(model):
    np.testing.assert_allclose(
        model(features()), FIXTURE["scores"], rtol=1e-4, atol=1e-5
    )
    targets = FIXTURE["targets"][FIXTURE["rows"]] - 1
    variables = [weight for weight, _ in weights_of(model).values()]
    with tf.GradientTape() as tape:
        scores = model(features(), training=True)
        first = ops.mean(
            keras.losses.sparse_categorical_crossentropy(
                targets, scores, from_logits=True
            )
        )
        (second,) = model.losses
        loss = first + second
    np.testing.assert_allclose(scores, FIXTURE["scores"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first, FIXTURE["first"], rtol=1e-5)
    np.testing.assert_allclose(second, FIXTURE["second"], rtol=1e-5)
    embeddings = model.item_embedding.embeddings
    found = tape.gradient(
        loss, [weight.value for weight in [*variables, embeddings]]
    )
    found = [tf.convert_to_tensor(one).numpy() for one in found]
    for (name, (_, turned)), gradient in zip(
        weights_of(model).items(), found, strict=False
    ):
        np.testing.assert_allclose(
            gradient.T if turned else gradient,
            FIXTURE[f"gradient/{name}"],
            rtol=1e-3,
            atol=1e-5,
            err_msg=name,
        )
    np.testing.assert_allclose(
        found[-1][1:],
        FIXTURE["gradient/embedding.weight"],
        rtol=1e-3,
        atol=1e-5,
    )
