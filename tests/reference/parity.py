"""Compares a model with what a reference computed from the same weights."""

import numpy as np
import tensorflow as tf


def check_parity(model, history, theirs, weights, gradients, first_item=0):
    """Gives the model the weights, compares its scores and gradients.

    Args:
        model: with as many items as the reference.
        history: int, (B, m).
        theirs: the fixture with "scores" (B, C) and "factors" (B, C); the
            gradients are those of the sum of scores times factors.
        weights: path -> array of every trainable weight of the model.
        gradients: likewise.
        first_item: the item of the first column of the scores.
    """
    assert sorted(weights) == sorted(w.path for w in model.trainable_weights)
    for weight in model.trainable_weights:
        weight.assign(weights[weight.path])
    items = np.arange(first_item, model.num_items + 1)
    features = {
        "history": history,
        "candidates": np.tile(items, (len(history), 1)),
    }
    with tf.GradientTape() as tape:
        scores = model(features)
        form = tf.reduce_sum(scores * theirs["factors"])
    np.testing.assert_allclose(scores, theirs["scores"], rtol=1e-4, atol=1e-5)
    found = tape.gradient(form, [w.value for w in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, found, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            gradients[weight.path],
            rtol=1e-3,
            atol=1e-5,
            err_msg=weight.path,
        )
