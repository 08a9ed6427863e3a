"""Models that learn at every position of a history."""

import numpy as np
import pytest

from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.errors import UserError
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import model_names
from mgnm_tf.runs.config import configure
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model
from mgnm_tf.training.build import training_batches
from tests.data.toy import toy_data

NAMES = ("gru4rec", "sasrec", "hstu")
HISTORY = np.array([[4, 5, 9, 6], [7, 8, 2, 0], [0, 0, 0, 0]])
TIMES = np.array([[9, 60, 99, 5000], [1, 900, 1000, 0], [0] * 4])


def batch(history, times=TIMES):
    return {
        "user": np.array([1, 2, 0]),
        "history": history,
        "history_time": times,
        "candidates": np.array([[1], [2], [3]]),
    }


def small(name):
    options = {"embedding_dim": 8, "temperature": 0.1}
    return model_class(name)(num_users=2, num_items=9, **options)


def test_no_other_model_has_it():
    written = {
        name
        for name in model_names()
        if model_class(name).position_vectors
        is not SequentialRecommender.position_vectors
    }
    assert written == {*NAMES, "tisasrec"}
    assert "positions" not in small("tisasrec").capabilities
    assert all("positions" in small(name).capabilities for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_later_events_change_nothing(name):
    model = small(name)
    changed = HISTORY.copy()
    changed[0, 2:], changed[1, 2:] = [1, 3], [5, 0]
    one = np.asarray(model.position_vectors(batch(HISTORY)))
    other = np.asarray(model.position_vectors(batch(changed)))
    np.testing.assert_allclose(one[:2, :2], other[:2, :2], atol=1e-5)
    assert np.abs(one - other)[:2, 2].max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_the_last_position_is_what_serving_reads(name):
    model = small(name)
    every = np.asarray(model.position_vectors(batch(HISTORY)))
    newest = np.asarray(model.encode(batch(HISTORY)))
    np.testing.assert_allclose(every[0, 3], newest[0], atol=1e-4)
    np.testing.assert_allclose(every[1, 2], newest[1], atol=1e-4)


# The places of SASRec are counted from the newest event of all.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "sasrec"])
def test_a_position_is_what_a_shorter_history_gives(name):
    model = small(name)
    every = np.asarray(model.position_vectors(batch(HISTORY)))
    shorter = batch(HISTORY[:, :2], TIMES[:, :2])
    np.testing.assert_allclose(
        every[:2, 1], np.asarray(model.encode(shorter))[:2], atol=1e-4
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "objective", ["sampled_softmax", "softmax", "bce", "gbce"]
)
def test_training_equals_the_rows_one_by_one(name, objective):
    """The loss of a batch is the mean over its targets."""
    data = toy_data(num_sequences=6, num_items=9)
    config = configure(
        name,
        options={"embedding_dim": 8, "dropout": 0.0},
        objective=objective,
        negatives="all" if objective == "softmax" else 0,
        shared_negatives=0 if objective == "softmax" else 4,
        every_position=True,
        batch_size=4,
        max_length=6,
    )
    model = make_model(data, config)
    compile_model(model, data, config)
    batches, _ = make_batches(model, data, config)
    x, y = next(batches.as_numpy_iterator())
    loss = float(model.compute_loss(x, y, model(x, training=True)))
    rows = np.asarray(model.position_vectors(x)).reshape(-1, 8)[x["positions"]]
    items = np.asarray(model.item_vectors())
    ids = x["candidates"]
    if objective == "softmax":
        true = np.einsum("nd,nd->n", rows, items[ids[:, 0]])
        expected = np.log(np.exp(rows @ items[1:].T).sum(1)) - true
    else:
        shared = np.tile(x["shared_negatives"], (len(rows), 1))
        ids = np.concatenate([ids, shared], axis=1)
        expected = model.loss(y, np.einsum("nd,ncd->nc", rows, items[ids]))
    np.testing.assert_allclose(loss, np.mean(expected), rtol=1e-4)


def test_a_model_that_reads_the_whole_history_is_refused():
    data = toy_data()
    config = configure("mgnm", every_position=True)
    model = make_model(data, config)
    with pytest.raises(UserError, match="mgnm reads a history as a whole"):
        compile_model(model, data, config)


def test_own_negatives_are_refused():
    with pytest.raises(UserError, match="`every_position` needs negatives"):
        configure("sasrec", every_position=True, negatives=3)


def test_the_steps_of_an_epoch_are_those_of_its_batches():
    data = toy_data()
    config = configure("hstu", every_position=True, batch_size=4, max_length=6)
    batches = make_dataset(
        data,
        batch_size=4,
        max_length=6,
        negatives=0,
        shared_negatives=2,
        every_position=True,
    )
    assert training_batches(data, config) == int(batches.cardinality())
