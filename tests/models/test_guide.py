"""`guide` sees the positive, once in a training step and never elsewhere."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from mgnm_tf.evaluation.evaluate import evaluate
from mgnm_tf.losses import SampledSoftmax
from mgnm_tf.models.base import SequentialRecommender
from tests.data.toy import toy_data
from tests.evaluation.models import SumVector

FEATURES = {
    "user": np.array([1, 2, 0], "int32"),
    "history": np.array([[4, 5, 4], [7, 8, 0], [3, 0, 0]], "int32"),
    "candidates": np.array([[1, 2], [4, 5], [7, 8]], "int32"),
}
SHARED = np.array([6, 9, 2], "int32")


class Guided(SumVector):
    """Doubles what was read and adds the positive to it; notes the calls."""

    def __init__(self, num_users, num_items):
        super().__init__(num_users, num_items)
        self.seen = []

    def guide(self, encoded, positive):
        self.seen.append(positive)
        self.add_loss(ops.ones(()) * 100.0)
        return 2.0 * encoded + self.table(positive)


def test_training_scores_everything_with_what_is_guided():
    model = Guided(3, 9)
    scores = model({**FEATURES, "shared_negatives": SHARED}, training=True)
    assert len(model.seen) == 1
    np.testing.assert_array_equal(model.seen[0], [1, 4, 7])
    table = np.asarray(model.table.embeddings)
    for row in range(3):
        history = FEATURES["history"][row]
        guided = 2.0 * table[history[history > 0]].sum(axis=0)
        guided += table[FEATURES["candidates"][row, 0]]
        columns = [*FEATURES["candidates"][row], *SHARED]
        np.testing.assert_allclose(
            scores[row], table[columns] @ guided, rtol=1e-5, atol=1e-6
        )


def test_nothing_else_guides(tmp_path):
    model = Guided(40, 60)
    model.compile(loss=SampledSoftmax())
    batches = tf.data.Dataset.from_tensors((FEATURES, np.eye(3, 2)))
    plain = SumVector(40, 60)
    np.testing.assert_array_equal(model(FEATURES), plain(FEATURES))
    model.predict(FEATURES, verbose=0)
    assert model.evaluate(batches, verbose=0) < 50
    evaluate(model, toy_data(num_users=40))
    model.export(tmp_path / "served", verbose=False)
    assert not model.seen
    served = tf.saved_model.load(tmp_path / "served")
    tensors = {key: tf.constant(value) for key, value in FEATURES.items()}
    np.testing.assert_allclose(
        served.serve(tensors), plain(FEATURES), rtol=1e-5, atol=1e-6
    )


def test_a_step_guides_once_and_has_its_loss():
    model = Guided(3, 9)
    model.compile(loss=SampledSoftmax(), optimizer="sgd")
    batches = tf.data.Dataset.from_tensors((FEATURES, np.eye(3, 2)))
    losses = model.fit(batches, shuffle=False, verbose=0).history["loss"]
    assert len(model.seen) == 1  # The one trace of the step.
    assert losses[0] > 100


def test_by_default_nothing_is_guided():
    model = SumVector(3, 9)
    encoded = model.encode(FEATURES)
    assert model.guide(encoded, ops.array([1, 4, 7])) is encoded
    np.testing.assert_array_equal(
        model(FEATURES, training=True), model(FEATURES)
    )


@pytest.mark.parametrize("normalizes", [True, False])
def test_a_model_that_normalises_is_guided_too(normalizes):
    model = Guided(3, 9)
    model.normalizes_scores = normalizes
    features = {**FEATURES, "shared_negatives": SHARED}
    scores = np.asarray(model(features, training=True))
    expected = Guided(3, 9)(features, training=True)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert len(model.seen) == 1


def test_the_contract_names_guide():
    assert "guide" in vars(SequentialRecommender)
    keras.backend.clear_session()
