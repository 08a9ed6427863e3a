"""What belongs to a batch once is not counted by each of its replicas."""

import numpy as np
import pytest

from mgnm_tf.models.mgnm import MGNM


@pytest.mark.parametrize("scope", ["batch", "all"])
def test_the_penalties_of_two_halves_average_to_those_of_the_batch(scope):
    model = MGNM(
        num_users=6,
        num_items=20,
        max_length=5,
        embedding_dim=4,
        l2=0.1,
        l2_scope=scope,
        adjacency_l1=0.1,
        routing_noise=0.0,
        dropout=0.0,
    )
    draw = np.random.default_rng(0)
    rows = {
        "user": draw.integers(1, 7, 8).astype("int32"),
        "history": draw.integers(1, 21, (8, 5)).astype("int32"),
        "candidates": draw.integers(1, 21, (8, 3)).astype("int32"),
    }
    shared = draw.integers(1, 21, 4).astype("int32")

    def penalty(part, replicas):
        model.num_replicas = replicas
        features = {name: values[part] for name, values in rows.items()}
        model({**features, "shared_negatives": shared}, training=True)
        return float(sum(model.losses))

    halves = [penalty(part, 2) for part in (slice(4), slice(4, 8))]
    whole = penalty(slice(8), 1)
    assert whole > 0
    np.testing.assert_allclose(np.mean(halves), whole, rtol=1e-6)
