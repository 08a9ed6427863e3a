"""Whether the first recommendation is for the interest that was wanted."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

import mgnm_tf
from baselines.timirec.timirec import TiMiRec
from mgnm_tf.evaluation.evaluate import evaluate
from mgnm_tf.evaluation.interest_divergence import divergence_shares
from mgnm_tf.evaluation.interest_divergence import interest_divergences
from mgnm_tf.evaluation.interest_divergence import jensen_shannon
from mgnm_tf.evaluation.protocol import Protocol
from tests.training.worlds import small_data


def test_jensen_shannon_is_that_of_scipy():
    random = np.random.default_rng(0)
    one, other = random.dirichlet(np.ones(4), (2, 6))
    one[0] = [1.0, 0.0, 0.0, 0.0]
    found = jensen_shannon(one, other)
    for row in range(6):
        expected = jensenshannon(one[row], other[row], base=2) ** 2
        assert found[row] == pytest.approx(expected)


def test_shares_of_parts():
    shares = divergence_shares(np.array([0.0, 0.05, 0.31, 1.0]))
    assert shares == [0.5, 0, 0, 0.25, 0, 0, 0, 0, 0, 0.25]


def models(data):
    sizes = (data.num_users, data.num_items)
    yield mgnm_tf.MGNM(
        *sizes,
        embedding_dim=4,
        num_interests=2,
        num_layers=1,
        embeddings_initializer=1.0,
        sequence_encoder=None,
        interest_activation=None,
    )
    model = TiMiRec(*sizes, 4, 3)
    random = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(random.normal(size=weight.shape))
    yield model


def test_a_drawn_item_is_the_first_negative():
    data = small_data()
    one = Protocol(negatives=1, max_length=10, exclude="user")
    model = next(models(data))
    found = interest_divergences(model, data, one, drawn=True)
    vectors = np.asarray(model.item_vectors())
    ((features, _),) = mgnm_tf.make_dataset(
        data, "test", max_length=10, negatives=1, exclude="user"
    )
    for row, own in enumerate(np.asarray(model.interests(features))):
        shares = []
        for x in vectors[np.asarray(features["candidates"])[row]]:
            norms = np.linalg.norm(own, axis=1) * np.linalg.norm(x)
            weights = np.exp(own @ x / norms / 0.1)
            shares.append(weights / weights.sum())
        expected = jensenshannon(*shares, base=2) ** 2
        assert found[row] == pytest.approx(expected, rel=1e-3, abs=1e-5)
    # Not the item that scores highest, which often is the target itself.
    assert (found > 1e-9).all()
    everything = Protocol(negatives="all", max_length=10)
    with pytest.raises(ValueError, match="needs a protocol that draws"):
        interest_divergences(model, data, everything, drawn=True)


@pytest.mark.parametrize("negatives", [5, "all"])
def test_it_is_of_the_interests_of_target_and_first(negatives):
    data = small_data()
    protocol = Protocol(negatives=negatives, max_length=10, exclude="user")
    for model in models(data):
        found = interest_divergences(model, data, protocol)
        small = interest_divergences(model, data, protocol, batch_size=40)
        np.testing.assert_allclose(found, small, atol=1e-5)
        batches = mgnm_tf.make_dataset(
            data, "test", max_length=10, negatives=negatives, exclude="user"
        )
        vectors = np.asarray(model.item_vectors())
        mixes = isinstance(model, TiMiRec)
        read = model.mixed_interests if mixes else model.interests
        expected = []
        for features, labels in batches:
            scores, interests = np.asarray(model(features)), read(features)
            for row, own in enumerate(np.asarray(interests)):
                items = list(np.asarray(features["candidates"])[row])
                if negatives == "all":
                    items += range(1, data.num_items + 1)
                allowed = np.flatnonzero(np.asarray(labels)[row] >= 0)
                best = items[max(allowed, key=lambda i: scores[row, i])]
                shares = []
                for item in (items[0], best):
                    x = vectors[item]
                    norms = np.linalg.norm(own, axis=1) * np.linalg.norm(x)
                    weights = np.exp(own @ x / norms / 0.1)
                    shares.append(weights / weights.sum())
                expected.append(jensenshannon(*shares, base=2) ** 2)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
        assert 0.0 < found.max() <= 1.0
        if negatives == 5:  # Where the target is the first, none diverges.
            samples = evaluate(model, data, protocol).samples
            firsts = (samples["rank"] == 0.0).sum()
            assert (found < 1e-9).sum() >= firsts > 0
