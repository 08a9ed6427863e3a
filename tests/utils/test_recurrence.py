"""The loops for processors against the layers of Keras."""

import keras
import numpy as np
import pytest

from mgnm_tf.layers import InterestPredictor
from mgnm_tf.layers import SequenceEncoder
from mgnm_tf.layers.interest import interest_predictor
from mgnm_tf.layers.sequence import sequence_encoder
from mgnm_tf.utils.recurrence import bidirectional_lstm
from mgnm_tf.utils.recurrence import last_gru_state

rng = np.random.default_rng(3)
LENGTHS = np.array([5, 3, 1, 4])
MASK = np.arange(5)[None] < LENGTHS[:, None]
ITEMS = rng.normal(size=(4, 5, 6)).astype("float32")


def make_layer(dtype=None):
    lstm = keras.layers.LSTM(6, return_sequences=True, dtype=dtype)
    layer = keras.layers.Bidirectional(lstm, dtype=dtype)
    layer.build((None, None, 6))
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


@pytest.mark.parametrize("lengths", [LENGTHS, np.full(4, 5)])
def test_equals_keras(lengths):
    layer = make_layer()
    mask = np.arange(5)[None] < lengths[:, None]
    ours = np.asarray(bidirectional_lstm(layer, ITEMS, mask))
    theirs = np.asarray(layer(ITEMS, mask=mask))
    np.testing.assert_allclose(ours[mask], theirs[mask], atol=2e-6)


def test_gradients_equal_those_of_keras():
    tf = pytest.importorskip("tensorflow")
    layer = make_layer()
    toward = rng.normal(size=(4, 5, 12)).astype("float32") * MASK[..., None]
    variables = [weight.value for weight in layer.trainable_weights]

    def gradients(function):
        items = tf.constant(ITEMS)
        with tf.GradientTape() as tape:
            tape.watch(items)
            loss = tf.reduce_sum(function(items) * toward)
        return tape.gradient(loss, [items, *variables])

    ours = gradients(lambda items: bidirectional_lstm(layer, items, MASK))
    theirs = gradients(lambda items: layer(items, mask=MASK))
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(left, right, atol=2e-5)


def test_an_unknown_length_is_accepted():
    tf = pytest.importorskip("tensorflow")
    layer = make_layer()

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, 6)),
            tf.TensorSpec((None, None), tf.bool),
        ]
    )
    def call(items, mask):
        return bidirectional_lstm(layer, items, mask)

    expected = np.asarray(bidirectional_lstm(layer, ITEMS, MASK))
    np.testing.assert_allclose(call(ITEMS, MASK), expected, atol=1e-6)


def test_float16():
    layer = make_layer("float16")
    out = np.asarray(bidirectional_lstm(layer, ITEMS.astype("float16"), MASK))
    assert out.dtype == "float16"
    assert np.isfinite(out).all()
    expected = np.asarray(layer(ITEMS.astype("float16"), mask=MASK))
    np.testing.assert_allclose(out[MASK], expected[MASK], atol=2e-2)


def test_an_accelerator_gets_the_layer_of_keras(monkeypatch):
    """Its kernel and the loop give the encoder the same numbers."""
    layer = SequenceEncoder("bilstm")
    looped = np.asarray(layer(ITEMS, valid_mask=MASK))
    monkeypatch.setattr(sequence_encoder, "has_accelerator", lambda: True)

    def forbidden(*_):
        raise AssertionError("the loop is for processors")

    monkeypatch.setattr(sequence_encoder, "bidirectional_lstm", forbidden)
    layered = np.asarray(layer(ITEMS, valid_mask=MASK))
    np.testing.assert_allclose(looped, layered, atol=2e-6)


def test_cudnn_would_take_the_layers_that_we_make(monkeypatch):
    """Padding at the end is what the pipeline makes; the rest is here."""
    rnn = pytest.importorskip("keras.src.backend.tensorflow.rnn")
    monkeypatch.setattr(rnn.tf.config, "list_logical_devices", lambda *_: [1])
    for kind in ("bilstm", "gru"):
        layer = SequenceEncoder(kind)
        layer.build((None, None, 6))
        if kind == "gru":
            parts = [layer.gru]
        else:
            parts = [layer.lstm.forward_layer, layer.lstm.backward_layer]
        for part in parts:
            assert part.use_cudnn == "auto"
            assert not part.dropout and not part.recurrent_dropout
            assert rnn.cudnn_ok(
                part.activation,
                part.recurrent_activation,
                part.unroll,
                part.use_bias,
                getattr(part, "reset_after", None),
            )


def make_gru(dtype=None):
    layer = keras.layers.GRU(5, dtype=dtype)
    layer.build((None, None, 6))
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


@pytest.mark.parametrize(
    ("dtype", "atol"), [("float32", 2e-6), ("float16", 2e-2)]
)
def test_last_state_equals_keras(dtype, atol):
    layer = make_gru(dtype)
    items = ITEMS.astype(dtype)
    ours = np.asarray(last_gru_state(layer, items, MASK))
    assert ours.dtype == dtype
    theirs = np.asarray(layer(items, mask=MASK))
    np.testing.assert_allclose(ours, theirs, atol=atol)


def test_last_state_does_not_see_padding():
    layer = make_gru()
    state = np.asarray(last_gru_state(layer, ITEMS, MASK))
    items = np.where(MASK[..., None], ITEMS, -7.0).astype("float32")
    other = np.asarray(last_gru_state(layer, items, MASK))
    np.testing.assert_array_equal(state, other)
    short = np.asarray(last_gru_state(layer, ITEMS[1:2, :3], MASK[1:2, :3]))
    np.testing.assert_allclose(state[1:2], short, atol=1e-6)
    empty = last_gru_state(layer, ITEMS, np.zeros_like(MASK))
    assert not np.asarray(empty).any()


def test_gradients_of_the_last_state_equal_those_of_keras():
    tf = pytest.importorskip("tensorflow")
    layer = make_gru()
    toward = rng.normal(size=(4, 5)).astype("float32")
    variables = [weight.value for weight in layer.trainable_weights]

    @tf.function(reduce_retracing=True)
    def gradients(items, mask, looped):
        with tf.GradientTape() as tape:
            tape.watch(items)
            if looped:
                states = last_gru_state(layer, items, mask)
            else:
                states = layer(items, mask=mask)
            loss = tf.reduce_sum(states * toward)
        return tape.gradient(loss, [items, *variables])

    arguments = tf.constant(ITEMS), tf.constant(MASK)
    ours = gradients(*arguments, looped=True)
    theirs = gradients(*arguments, looped=False)
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(left, right, atol=2e-5)


def test_the_predictor_gives_the_same_on_an_accelerator(monkeypatch):
    layer = InterestPredictor(9, 8)
    history = np.array([[3, 4, 5], [6, 0, 0], [0, 0, 0]])
    looped = np.asarray(layer(history))
    monkeypatch.setattr(interest_predictor, "has_accelerator", lambda: True)

    def forbidden(*_):
        raise AssertionError("the loop is for processors")

    monkeypatch.setattr(interest_predictor, "last_gru_state", forbidden)
    layered = np.asarray(layer(history))
    np.testing.assert_allclose(looped, layered, atol=2e-6)
