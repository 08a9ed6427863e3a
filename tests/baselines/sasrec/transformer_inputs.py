"""Items and weights for the tests of the transformer blocks."""

import numpy as np

LENGTHS = (5, 3, 1)
MASK = np.arange(5)[None] < np.array(LENGTHS)[:, None]
ITEMS = np.random.default_rng(6).normal(size=(3, 5, 4)).astype("float32")
ITEMS *= MASK[..., None]
NORMALIZATIONS = ("before", "query", "after")


def randomized(cls, **options):
    """Returns a built layer with random weights, and them by name."""
    layer = cls(**options)
    layer.build(ITEMS.shape)
    random = np.random.default_rng(2)
    for weight in layer.weights:
        weight.assign(random.normal(scale=0.7, size=weight.shape))
    return layer, {
        "/".join(weight.path.split("/")[-2:]): np.asarray(weight.value)
        for weight in layer.weights
    }
