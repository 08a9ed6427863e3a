"""The mixin on two devices of one process, and what it hangs on in Keras."""

import inspect
from pathlib import Path

import keras
import numpy as np
import pytest

from baselines.youtube_dnn import YouTubeDNN
from mgnm_tf.cluster.on_workers import OnWorkers
from mgnm_tf.cluster.on_workers import on_workers
from mgnm_tf.losses import SigmoidCrossEntropy

ROOT = Path(__file__).parents[2]


def test_keras_has_the_private_name_that_the_mixin_overrides():
    """If this fails, look whether keras-team/keras#20585 is mended."""
    own = inspect.signature(OnWorkers._maybe_symbolic_build)
    theirs = inspect.signature(keras.Model._maybe_symbolic_build)
    assert list(theirs.parameters) == list(own.parameters)


def small_model():
    model = YouTubeDNN(num_users=3, num_items=9, embedding_dim=4)
    model.compile(loss=SigmoidCrossEntropy())
    return model


def test_a_model_is_of_its_own_class_again():
    model = small_model()
    with pytest.raises(KeyboardInterrupt), on_workers(model):
        assert isinstance(model, OnWorkers)
        assert type(model).__name__ == "YouTubeDNN"
        raise KeyboardInterrupt
    assert type(model) is YouTubeDNN


@pytest.mark.parametrize("weight", [0.5, 1.0, 0.0])
def test_the_weight_of_the_rows_is_in_the_gradient_alone(weight):
    import tensorflow as tf

    model = small_model()
    scores = tf.Variable([[1.0, 2.0], [3.0, 0.5]])
    labels = np.array([[1.0, 0.0], [1.0, 0.0]], "float32")
    found = []
    for features in ({}, {"row_weight": tf.constant(weight)}):
        with on_workers(model), tf.GradientTape() as tape:
            loss = model.compute_loss(features, labels, scores)
        found.append((loss, tape.gradient(loss, scores)))
    (loss, gradient), (same, weighted) = found
    np.testing.assert_allclose(same, loss, rtol=1e-6)
    np.testing.assert_allclose(weighted, weight * gradient, rtol=1e-6)
