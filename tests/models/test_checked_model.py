"""Every door of Keras looks at what it is given."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from baselines.youtube_dnn import YouTubeDNN

LABELS = np.array([[1.0, 0.0]])
DOORS = ("__call__", "predict", "predict_on_batch", "evaluate", "fit")


def batch(**changes):
    features = {
        "user": np.array([1]),
        "history": np.array([[2, 3]]),
        "candidates": np.array([[1, 2]]),
    }
    return features | changes


def model():
    made = YouTubeDNN(num_users=2, num_items=5, embedding_dim=4)
    made.compile()
    return made


@pytest.mark.parametrize("door", DOORS)
def test_arrays_are_no_batch(door):
    with pytest.raises(TypeError, match="A batch is a dict with `history`"):
        getattr(model(), door)(np.zeros((3, 4)))


@pytest.mark.parametrize("door", DOORS)
def test_what_a_batch_lacks_is_named(door):
    features = batch()
    del features["candidates"]
    with pytest.raises(ValueError, match="Missing: `candidates`"):
        getattr(model(), door)(features)


def test_a_batch_of_validation_is_looked_at_before_the_first_epoch():
    made = model()
    for validation in ((batch(user=np.array([3])), LABELS), np.zeros(3)):
        with pytest.raises((ValueError, TypeError), match="from 0 to 2|a dict"):
            made.fit(batch(), LABELS, validation_data=validation, verbose=0)
    assert int(made.optimizer.iterations) == 0
    made.fit(batch(), LABELS, validation_data=(batch(), LABELS), verbose=0)
    assert int(made.optimizer.iterations) == 1


def test_a_stream_is_fitted_without_a_warning_of_its_order():
    stream = tf.data.Dataset.from_tensors((batch(), LABELS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().fit(stream, verbose=0)
