"""Fitting without gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.models.statistical import last_items
from mgnm_tf.models.statistical import positives
from mgnm_tf.serialization import register


@register
class Recorder(StatisticalRecommender):
    """Remembers the users it was fitted on; scores the item ids."""

    def learn(self, batches):
        self.seen = []
        for features, labels in batches:
            assert isinstance(labels, np.ndarray)
            self.seen.extend(features["user"].tolist())

    def encode(self, features, training=False):
        return keras.ops.cast(features["user"], "float32")[:, None]

    def score(self, encoded, candidates, training=False):
        return encoded * keras.ops.cast(candidates, "float32")


def batches(count=3):
    """Batches of one row; their users are 0, 1, ..., count - 1."""
    users = np.arange(count, dtype="int32")
    features = {
        "user": users,
        "history": np.tile(np.array([[1, 2, 0]], "int32"), (count, 1)),
        "candidates": np.tile(np.array([[3, 1]], "int32"), (count, 1)),
    }
    labels = np.tile(np.array([[1.0, 0.0]], "float32"), (count, 1))
    return tf.data.Dataset.from_tensor_slices((features, labels)).batch(1)


@pytest.mark.parametrize(
    ("data", "arguments", "expected"),
    [
        pytest.param(batches(), {}, [0, 1, 2], id="finite"),
        pytest.param(batches(), {"epochs": 9}, [0, 1, 2], id="epochs"),
        pytest.param(
            batches().repeat(), {"steps_per_epoch": 4}, [0, 1, 2, 0], id="steps"
        ),
        pytest.param(list(batches(2)), {}, [0, 1], id="list"),
    ],
)
def test_fit_reads_one_pass(data, arguments, expected):
    model = Recorder(2, 3)
    model.compile()
    history = model.fit(data, verbose=0, callbacks=[object()], **arguments)
    assert model.seen == expected
    assert isinstance(history, keras.callbacks.History)
    assert history.history == {}
    assert history.epoch == [0]


def test_fit_on_arrays():
    model = Recorder(2, 3)
    features, labels = next(iter(batches().unbatch().batch(3)))
    model.fit(features, labels, verbose=0)
    assert model.seen == [0, 1, 2]


def test_infinite_data_need_a_number_of_steps():
    with pytest.raises(ValueError, match="`steps_per_epoch` is needed"):
        Recorder(2, 3).fit(batches().repeat(), verbose=0)


def test_validation_is_evaluated_once():
    model = Recorder(2, 3)
    model.compile()
    history = model.fit(batches(), validation_data=batches(), verbose=0)
    loss = model.evaluate(batches(), verbose=0)
    assert history.history == {"val_loss": [pytest.approx(loss)]}


def test_progress_bar_ends_at_the_last_batch(capsys):
    Recorder(2, 3).fit(batches(), verbose=1)
    assert "3/3" in capsys.readouterr().out


def test_positives_and_last_items():
    features = {
        "history": np.array([[4, 5, 0], [6, 0, 0], [0, 0, 0], [1, 2, 3]]),
        "candidates": np.array([[7, 8], [9, 1], [2, 3], [4, 5]]),
    }
    labels = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0], [-1.0, 1.0]])
    assert positives(features, labels).tolist() == [7, 1, 2, 5]
    assert last_items(features).tolist() == [5, 6, 0, 3]
