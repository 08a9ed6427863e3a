"""The recency prior that models of several interests may have."""

import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.models.registry import model_class
from mgnm_tf.runs.config import configure

MODELS = [
    ("mind", {"fixed_noise": True}),
    ("comirec_dr", {}),
    ("comirec_dr", {"position_from": "end"}),
    ("comirec_sa", {}),
    ("comirec_sa", {"position_from": "end"}),
]
FEATURES = {
    "user": np.array([1, 2]),
    "history": np.array([[4, 5, 2, 6], [7, 8, 0, 0]]),
    "candidates": np.array([[1, 2, 3], [4, 5, 6]]),
}


def make(name, options):
    model = model_class(name)(
        2, 9, embedding_dim=8, max_length=5, recency_prior=True, **options
    )
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype.startswith("float"):
            weight.assign(random.normal(size=weight.shape))
    return model


def prior(model, newest, older):
    values = np.full(model.prior.logits.shape, older)
    values[0] = newest
    model.prior.logits.assign(values)


@pytest.mark.parametrize(("name", "options"), MODELS)
def test_a_prior_of_zero_is_none(name, options):
    model = make(name, options)
    prior(model, 0.0, 0.0)
    without = model_class(name).from_config(
        {**model.get_config(), "recency_prior": False}
    )
    ours = [weight for weight in model.weights if "prior" not in weight.path]
    for weight, value in zip(without.weights, ours, strict=True):
        weight.assign(value)
    np.testing.assert_allclose(model(FEATURES), without(FEATURES), rtol=1e-5)


@pytest.mark.parametrize(("name", "options"), MODELS)
def test_a_prior_for_the_newest_reads_the_newest(name, options):
    model = make(name, options)
    prior(model, 0.0, -50.0)
    attention = np.asarray(model.history_attention(FEATURES))
    np.testing.assert_allclose(attention[0, :, 3], 1.0, rtol=1e-5)
    np.testing.assert_allclose(attention[1, :, 1], 1.0, rtol=1e-5)
    prior(model, -50.0, 0.0)
    attention = np.asarray(model.history_attention(FEATURES))
    np.testing.assert_allclose(attention[0, :, 3], 0.0, atol=1e-5)
    np.testing.assert_allclose(attention[1, :, 1], 0.0, atol=1e-5)


@pytest.mark.parametrize(("name", "options"), MODELS)
def test_the_prior_learns(name, options):
    model = make(name, options)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(FEATURES, training=True) ** 2)
    gradient = tape.gradient(loss, model.prior.logits.value)
    seen = np.abs(tf.convert_to_tensor(gradient)).max(axis=1)
    assert (seen[:4] > 0).all()
    assert seen[4] == 0


@pytest.mark.parametrize("name", ["mind", "comirec_dr", "comirec_sa"])
def test_a_part_of_the_recipe_asks_for_it(name):
    assert configure(f"{name}+recency_prior").options["recency_prior"] is True
    assert "recency_prior" not in configure(name).options
