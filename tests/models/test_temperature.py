"""The temperature of every model that scores by inner products."""

import keras
import numpy as np
import pytest

from mgnm_tf.models.registry import model_class

OPTIONS = {
    "mgnm": {"num_layers": 0, "num_interests": 1, "sequence_encoder": None},
    "youtube_dnn": {},
    "sasrec": {},
    "gru4rec": {},
    "caser": {"tied": True},
    "mind": {"relu_layer": False},
    "comirec_dr": {},
    "comirec_sa": {},
}
TEMPERATURE = 0.25
FEATURES = {
    "user": np.array([1, 2], "int32"),
    "history": np.array([[3, 4, 5, 6], [7, 0, 0, 0]], "int32"),
    "candidates": np.array([[1, 2, 8], [9, 3, 7]], "int32"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_scores_are_cosines_over_the_temperature(name):
    keras.utils.set_random_seed(0)
    model = model_class(name)(
        4, 9, embedding_dim=8, temperature=TEMPERATURE, **OPTIONS[name]
    )
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(random.normal(size=weight.shape))
    interests = np.asarray(model.interests(FEATURES))
    vectors = np.asarray(model.item_vectors())
    lengths = np.linalg.norm(interests, axis=-1)
    np.testing.assert_allclose(lengths, 1 / TEMPERATURE, rtol=1e-4)
    lengths = np.linalg.norm(vectors, axis=-1)
    np.testing.assert_allclose(lengths, [0.0] + [1.0] * 9, rtol=1e-4)
    products = np.einsum(
        "bnd,bcd->bnc", interests, vectors[FEATURES["candidates"]]
    )
    scores = np.asarray(model(FEATURES))
    np.testing.assert_allclose(scores, products.max(axis=1), atol=1e-4)
    again = type(model).from_config(model.get_config())
    assert again.temperature == TEMPERATURE


@pytest.mark.parametrize("name, tied", [("gru4rec", False), ("caser", False)])
def test_a_bias_has_no_cosine(name, tied):
    with pytest.raises(ValueError, match="needs `tied`"):
        model_class(name)(4, 9, tied=tied, temperature=0.1)
