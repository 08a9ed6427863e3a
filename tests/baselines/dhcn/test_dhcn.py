"""DHCN against loops and dense matrices, and what must hold of it."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import ops

from baselines.dhcn import dhcn
from baselines.dhcn.dhcn import DHCN
from baselines.dhcn.hypergraph_convolution import HypergraphConvolution
from baselines.dhcn.line_graph import average_along
from baselines.dhcn.line_graph import overlaps
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.tables.make_tables import make_tables
from tests.reference import numpy_dhcn as oracle

ITEMS, DIM = 9, 6
# Item 9 is never before another one.
SESSIONS = [
    [1, 2, 2, 3, 1],
    [2, 1, 3],
    [4, 5],
    [5, 4, 6, 4, 7],
    [1, 8, 9],
    [7, 8],
]
PREFIXES = [s[:n] for s in SESSIONS for n in range(1, len(s))]
HISTORIES = [[1, 2, 3], [2, 3, 1, 2], [4], [6, 7, 4, 4, 5], [9, 8]]


def made_data():
    rows = [
        (f"{number:02d}", f"{item:02d}", place, part)
        for part, sessions in (
            ("train", SESSIONS),
            ("validation", [[1, 9, 4]]),
            ("test", [[2, 7, 6]]),
        )
        for number, session in enumerate(
            sessions, start=50 * ("train", "validation", "test").index(part)
        )
        for place, item in enumerate(session)
    ]
    names = ["user_id", "item_id", "timestamp", "split"]
    log = read_log(pd.DataFrame(rows, columns=names), split_column="split")
    return split_log(log, "sessions")


DATA = made_data()
TABLE = make_tables(DATA, ["session_hypergraph"])["session_hypergraph"]
P = oracle.propagation(PREFIXES, ITEMS)


def made(**options):
    keras.utils.set_random_seed(3)
    model = DHCN.from_data(DATA, 7, **{"embedding_dim": DIM, **options})
    draws = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(draws.normal(scale=0.7, size=weight.shape))
    model.refresh()
    return model


def features_of(histories, padding=1):
    width = max(map(len, histories)) + padding
    rows = [history + [0] * (width - len(history)) for history in histories]
    catalogue = np.tile(np.arange(1, ITEMS + 1), (len(rows), 1))
    return {
        "user": np.zeros(len(rows), "int32"),
        "history": np.array(rows, "int32"),
        "candidates": catalogue.astype("int32"),
    }


FEATURES = features_of(HISTORIES)


def weights_of(model):
    w = {
        "G1": model.key.kernel,
        "b2": model.key.bias,
        "G2": model.context.kernel,
        "w2": model.weight.kernel,
    }
    if model.use_positions:
        w["places"] = model.position_embedding.embeddings
        w["W1"], w["b1"] = model.place.kernel, model.place.bias
    return {name: np.asarray(value) for name, value in w.items()}


def table_of(model):
    table = np.array(model.item_embedding.embeddings)
    table[0] = 0
    return table


def expected(model, matrix=P):
    vectors = oracle.propagate(matrix, table_of(model), model.num_layers)
    w = weights_of(model)
    sessions = np.stack(
        [oracle.session_vector(vectors, items, w) for items in HISTORIES]
    )
    return vectors, sessions


def test_hypergraph_is_that_of_the_training_histories():
    dense = np.zeros((ITEMS + 1, ITEMS + 1))
    dense[TABLE["rows"], TABLE["columns"]] = TABLE["values"]
    np.testing.assert_allclose(dense, dense.T, rtol=1e-6)
    degrees = TABLE["degrees"]
    np.testing.assert_allclose(dense.sum(axis=1), degrees, rtol=1e-6)
    np.testing.assert_allclose(
        dense / np.maximum(degrees, 1)[:, None], P, rtol=1e-6, atol=1e-7
    )
    # Only a positive, and the validation knows it otherwise.
    assert degrees[9] == 0
    assert (degrees[1:9] > 0).all()


def made_layer(num_layers=3):
    layer = HypergraphConvolution(ITEMS, len(TABLE["rows"]), num_layers)
    layer.assign(TABLE)
    return layer


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_convolution(num_layers):
    layer = made_layer(num_layers)
    draws = np.random.default_rng(0)
    vectors = draws.normal(size=(ITEMS + 1, DIM)).astype("float32")
    factors = draws.normal(size=(ITEMS + 1, DIM)).astype("float32")
    x = tf.Variable(vectors)
    with tf.GradientTape() as tape:
        output = layer(x)
        loss = tf.reduce_sum(output * factors)
    wanted = oracle.propagate(P, vectors, num_layers)
    np.testing.assert_allclose(output, wanted, rtol=1e-5, atol=1e-6)
    gradient = oracle.propagate(P.T, factors, num_layers)
    np.testing.assert_allclose(
        tape.gradient(loss, x), gradient, rtol=1e-5, atol=1e-6
    )
    if not num_layers:
        np.testing.assert_array_equal(output, vectors)


def test_other_backends_multiply_alike(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(ITEMS + 1, DIM))
    layer = made_layer()
    wanted = layer(vectors.astype("float32"))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    product = layer._product()(ops.cast(vectors, "float32"))
    monkeypatch.undo()
    reference = layer._product()(ops.cast(vectors, "float32"))
    np.testing.assert_allclose(product, reference, rtol=1e-5, atol=1e-6)
    assert np.abs(wanted).max() > 0


def test_equal_rows_stay_as_they_are():
    row = np.arange(DIM, dtype="float32")
    output = np.asarray(made_layer()(np.tile(row, (ITEMS + 1, 1))))
    np.testing.assert_allclose(output[1:9], np.tile(row, (8, 1)), rtol=1e-5)
    # Without a hyperedge only X_0 counts.
    np.testing.assert_allclose(output[9], row / 4, rtol=1e-5)


def test_layer_config():
    layer = made_layer(2)
    again = HypergraphConvolution.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    with pytest.raises(ValueError, match="as many items and entries as the"):
        HypergraphConvolution(ITEMS, 3).assign(TABLE)
    with pytest.raises(ValueError, match="`num_layers` must be at least 0"):
        HypergraphConvolution(ITEMS, 3, num_layers=-1)


@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 1}, {"use_positions": False}]
)
def test_vectors_and_scores(options):
    model = made(**options)
    vectors, sessions = expected(model)
    np.testing.assert_allclose(
        model.item_vectors(), vectors, rtol=1e-4, atol=1e-5
    )
    found = model.encode(FEATURES)
    np.testing.assert_allclose(found, sessions, rtol=1e-4, atol=1e-5)
    wanted = sessions @ vectors[1:].T
    for training in (False, True):
        scores = model(FEATURES, training=training)
        np.testing.assert_allclose(scores, wanted, rtol=1e-4, atol=1e-5)


def test_temperature_scores_by_cosines():
    model = made(temperature=0.5)
    # The table itself is read with rows of length 1.
    unit = table_of(model)[1:]
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    vectors = oracle.propagate(P[1:, 1:], unit, 3)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(
        np.asarray(model.item_vectors())[1:], vectors, rtol=1e-4, atol=1e-5
    )
    scores = np.asarray(model(FEATURES))
    assert np.abs(scores).max() <= 2.0001
    np.testing.assert_allclose(
        scores, np.asarray(model(FEATURES, training=True)), rtol=1e-4
    )


def test_dropout_of_what_is_scored():
    model = made(item_dropout=0.5)
    plain = np.asarray(model.scored_vectors())
    np.testing.assert_array_equal(plain, np.asarray(model.item_vectors()))
    # Those of the weights as they are, with a gradient.
    model.propagated.assign(np.zeros(plain.shape))
    table = model.item_embedding.trainable_weights[0]
    with tf.GradientTape() as tape:
        vectors = model.scored_vectors(training=True)
        total = tf.reduce_sum(vectors)
    assert tape.gradient(total, table.value) is not None
    vectors = np.asarray(vectors)[1:]
    dropped = vectors == 0
    assert 0.2 < dropped.mean() < 0.8
    np.testing.assert_allclose(
        vectors[~dropped], 2 * plain[1:][~dropped], rtol=1e-4
    )
    # Sessions are read from all numbers.
    sessions = np.asarray(model.encode(FEATURES, training=True))
    model.refresh()
    np.testing.assert_allclose(
        sessions, model.encode(FEATURES), rtol=1e-4, atol=1e-5
    )


def test_line_graph():
    table = np.random.default_rng(1).normal(size=(ITEMS + 1, DIM))
    overlap, line = oracle.line_vectors(table, HISTORIES, 3)
    found = np.asarray(overlaps(FEATURES["history"]))
    np.testing.assert_allclose(found, overlap, rtol=1e-6)
    np.testing.assert_array_equal(found, found.T)
    # Equal sets, whatever their order and repeats.
    assert found[0, 1] == 1
    first = np.stack([table[items].mean(axis=0) for items in HISTORIES])
    first = first.astype("float32")
    np.testing.assert_allclose(
        average_along(found, first, 3), line, rtol=1e-4, atol=1e-6
    )
    empty = np.asarray(overlaps(np.array([[0, 0], [3, 0], [0, 0]])))
    np.testing.assert_array_equal(empty, np.eye(3))


@pytest.fixture
def kept_order(monkeypatch):
    """Shuffling reverses instead."""
    monkeypatch.setattr(
        dhcn.keras.random, "shuffle", lambda x, **_: ops.flip(x)
    )


@pytest.mark.parametrize("weight", [0.01, 0.3])
def test_second_view(kept_order, weight):
    model = made(ssl_weight=weight)
    model(FEATURES, training=True)
    _, sessions = expected(model)
    _, line = oracle.line_vectors(table_of(model), HISTORIES, 3)
    mixed = sessions[::-1, ::-1]
    wanted = weight * oracle.second_view_loss(sessions, line, mixed)
    (loss,) = model.losses
    np.testing.assert_allclose(loss, wanted, rtol=1e-4)


def test_shuffling_follows_the_seed():
    losses = []
    for seed in (1, 1, 2):
        model = made(ssl_weight=1.0, seed=seed)
        model(FEATURES, training=True)
        losses.append(float(model.losses[0]))
    assert losses[0] == losses[1] != losses[2]


def test_second_view_only_in_training_and_with_a_weight():
    model = made()
    model(FEATURES)
    assert not model.losses
    model = made(ssl_weight=0.0)
    model(FEATURES, training=True)
    assert not model.losses


@pytest.mark.parametrize("detach", [False, True])
def test_detached_line_is_a_constant(kept_order, detach):
    """The gradient of E is that of finite differences of one path or both."""
    model = made(ssl_weight=1.0, detach_line=detach)
    with tf.GradientTape() as tape:
        model(FEATURES, training=True)
        loss = model.losses[0]
    table = model.item_embedding.embeddings
    gradient = tf.convert_to_tensor(tape.gradient(loss, table.value)).numpy()
    start = table_of(model)
    w = weights_of(model)

    def value(moved):
        vectors = oracle.propagate(P, moved, 3)
        sessions = np.stack(
            [oracle.session_vector(vectors, items, w) for items in HISTORIES]
        )
        of_line = start if detach else moved
        _, line = oracle.line_vectors(of_line, HISTORIES, 3)
        return oracle.second_view_loss(sessions, line, sessions[::-1, ::-1])

    for item, column in ((1, 0), (4, 3), (9, 5)):
        step = np.zeros(start.shape)
        step[item, column] = 1e-4
        slope = (value(start + step) - value(start - step)) / 2e-4
        np.testing.assert_allclose(
            gradient[item, column], slope, rtol=1e-2, atol=1e-3
        )


def test_number_of_parameters():
    model = made()
    wanted = (ITEMS + 1) * DIM + 7 * DIM + 4 * DIM**2 + 3 * DIM
    assert sum(w.numpy().size for w in model.trainable_weights) == wanted


def test_position_counts_from_the_newest_item():
    model = made()
    moved = np.zeros((7, DIM), "float32")
    moved[0] = 5.0
    before = np.asarray(model(features_of([[1, 2, 3]])))
    model.position_embedding.embeddings.assign_add(moved)
    _, sessions = expected(model)
    assert np.abs(np.asarray(model(FEATURES))[0] - before[0]).max() > 1e-3
    np.testing.assert_allclose(
        model.encode(FEATURES), sessions, rtol=1e-4, atol=1e-5
    )


def test_inference_reads_the_vectors_of_the_last_weights():
    model = made()
    model.compile()
    labels = np.zeros(FEATURES["candidates"].shape, "float32")
    labels[:, 0] = 1

    def up_to_date():
        return np.allclose(model.propagated, model.propagate(), atol=1e-6)

    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(up_to_date())

    before = np.array(model.propagated)
    model.fit(FEATURES, labels, verbose=0, callbacks=[Look()])
    assert seen == [True]
    assert up_to_date()
    assert np.abs(before - np.asarray(model.propagated)).max() > 1e-4
    model.train_on_batch(FEATURES, labels)
    assert up_to_date()
    model.item_embedding.embeddings.assign_add(np.ones((ITEMS + 1, DIM)))
    assert not up_to_date()
    model.refresh()
    assert up_to_date()


def test_learns_a_few_samples_by_heart():
    model = made(ssl_weight=0.001, embedding_dim=16)
    model.compile(
        keras.optimizers.Adam(0.02),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    labels = np.eye(ITEMS, dtype="float32")[[3, 0, 6, 1, 8]]
    data = tf.data.Dataset.from_tensors((FEATURES, labels)).repeat()
    model.fit(data, steps_per_epoch=200, shuffle=False, verbose=0)
    found = np.asarray(model(FEATURES)).argmax(axis=1)
    np.testing.assert_array_equal(found, labels.argmax(axis=1))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`ssl_weight` must be between 0"):
        DHCN(1, 4, ssl_weight=-1.0)
    with pytest.raises(ValueError, match="`max_length` must be at least 1"):
        DHCN(1, 4, max_length=0)
    with pytest.raises(ValueError, match="`embedding_dim` must be at least 1"):
        DHCN(1, 4, embedding_dim=0)
    with pytest.raises(ValueError, match="`history` must be at most"):
        made()(features_of([[1] * 8], padding=0))
    with pytest.raises(ValueError, match="reads the table 'session_hyperg"):
        made().load_tables({})
    with pytest.raises(ValueError, match="DHCN reads tables of the data"):
        model = DHCN(1, ITEMS, len(TABLE["rows"]))
        model.fit(FEATURES, np.ones((5, ITEMS)), verbose=0)
