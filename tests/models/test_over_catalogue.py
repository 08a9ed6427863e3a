"""Training from positives alone is training with the scores of all items."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.losses import CatalogueSoftmax
from mgnm_tf.losses import SampledSoftmax
from mgnm_tf.metrics import NDCG
from mgnm_tf.models.registry import model_class

NUM_ITEMS = 30
HISTORY = np.array(
    [[1, 2, 3, 0], [4, 5, 6, 7], [8, 0, 0, 0], [9, 9, 1, 0]], "int32"
)
POSITIVES = np.array([[3], [8], [30], [3]], "int32")
MODELS = {
    "gru4rec": ("gru4rec", {"dropout": 0.0}),
    "gru4rec_tied": ("gru4rec", {"tied": True, "temperature": 0.1}),
    "gru4rec_untied": ("gru4rec", {"tied": False}),
    "caser": ("caser", {"dropout": 0.0}),
    "youtube_dnn": ("youtube_dnn", {"temperature": 0.2}),
    "sasrec": ("sasrec", {"dropout": 0.0}),
    "narm": ("narm", {}),
    "mind": ("mind", {}),
    "comirec_sa": ("comirec_sa", {"interest_bias": True}),
    "timirec": ("timirec", {"predictor_dropout": 0.0}),
    "one_interest": (
        "comirec_sa",
        {"training_interests": "max", "num_interests": 1},
    ),
}


def make(name, loss, seed=3, run_eagerly=False, **further):
    kind, options = MODELS[name]
    options = {**options, **further}
    if kind == "narm":
        options = {"dropout": 0.0, "session_dropout": 0.0, **options}
    keras.utils.set_random_seed(seed)
    model = model_class(kind)(5, NUM_ITEMS, embedding_dim=8, **options)
    model.compile(
        keras.optimizers.SGD(0.5),
        loss,
        metrics=[NDCG(5)],
        run_eagerly=run_eagerly,
    )
    return model


def features(**further):
    users = np.zeros(4, "int32")
    return {"user": users, "history": HISTORY, "candidates": POSITIVES} | (
        further
    )


def every_item():
    """The batch of `negatives="all"`, and its labels."""
    items = np.arange(1, NUM_ITEMS + 1, dtype="int32")
    labels = np.where(items == POSITIVES, -1.0, 0.0)
    labels = np.concatenate([np.ones((4, 1)), labels], axis=1)
    return features(shared_negatives=items), labels.astype("float32")


def fit(model, x, labels, weights=None):
    batch = (x, labels) if weights is None else (x, labels, weights)
    batches = tf.data.Dataset.from_tensors(batch).repeat(3)
    return model.fit(batches, verbose=0, shuffle=False).history


@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 2.0, 0.5]])
@pytest.mark.parametrize("name", MODELS)
def test_training_is_that_with_all_scores(name, weights):
    if weights is not None:
        weights = np.array(weights, "float32")
    # Compiled without weights for one model; elsewhere a graph would take
    # longer to make than three steps.
    eagerly = name != "comirec_sa" or weights is not None
    ours = make(name, CatalogueSoftmax(), run_eagerly=eagerly)
    plain = make(name, SampledSoftmax(), run_eagerly=eagerly)
    assert ours.trains_over_catalogue
    found = fit(ours, features(), np.ones((4, 1), "float32"), weights)
    expected = fit(plain, *every_item(), weights)
    assert set(found) == {"loss"}
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-5)
    for mine, theirs in zip(ours.weights, plain.weights, strict=True):
        np.testing.assert_allclose(
            mine, theirs, rtol=1e-4, atol=1e-5, err_msg=mine.path
        )


def test_the_batch_of_all_items_has_the_same_loss_and_its_metrics():
    model = make("gru4rec", CatalogueSoftmax())
    x, labels = every_item()
    batches = tf.data.Dataset.from_tensors((x, labels))
    found = model.evaluate(batches, verbose=0, return_dict=True)
    assert set(found) == {"loss", "ndcg@5"} and found["ndcg@5"] > 0
    training = fit(make("gru4rec", CatalogueSoftmax()), x, labels)
    alone = fit(
        make("gru4rec", CatalogueSoftmax()),
        features(),
        np.ones((4, 1), "float32"),
    )
    np.testing.assert_allclose(training["loss"], alone["loss"], rtol=1e-5)
    assert set(training) == {"loss", "ndcg@5"}


def test_the_vectors_that_are_scored_are_dropped_out():
    model = make("narm", CatalogueSoftmax(), item_dropout=0.5)
    keras.utils.set_random_seed(1)
    vectors = np.asarray(model.scored_vectors(training=True))[1:]
    assert 0.3 < (vectors == 0).mean() < 0.7
    plain = np.asarray(model.scored_vectors())
    np.testing.assert_array_equal(plain, np.asarray(model.item_vectors()))


def test_half_precision_computes_the_softmax_in_full():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make("gru4rec", CatalogueSoftmax())
        scores = model(features(), training=True)
    finally:
        keras.config.set_dtype_policy(policy)
    assert scores.dtype == "float32"
    full = make("gru4rec", CatalogueSoftmax())(features(), training=True)
    np.testing.assert_allclose(scores, full, rtol=2e-3)


@pytest.mark.parametrize(
    "name, options",
    [("mgnm", {}), ("comirec_sa", {"training_interests": "max"})],
)
def test_others_need_the_batch_of_all_items(name, options):
    model = model_class(name)(5, NUM_ITEMS, **options)
    model.compile(loss=CatalogueSoftmax())
    assert not model.trains_over_catalogue
    with pytest.raises(ValueError, match="make its batches with negatives='al"):
        model(features(), training=True)
    with pytest.raises(ValueError, match="make its batches with negatives='al"):
        model.train_on_batch(features(), np.ones((4, 1), "float32"))
    model.train_on_batch(*every_item())
    assert model(features()).shape == (4, 1)


def test_a_model_of_several_vectors_has_no_query():
    model = model_class("mgnm")(5, NUM_ITEMS)
    with pytest.raises(AttributeError, match="scores by more than one vector"):
        model.query_vectors(None)
