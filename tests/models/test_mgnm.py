import keras
import numpy as np
import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.models.mgnm import MGNM
from tests.models.recipes import OWN
from tests.models.recipes import RECIPES
from tests.models.recipes import make_mgnm
from tests.reference import numpy_mgnm as oracle
from tests.testing import run_model_test

USERS, ITEMS = 5, 20
FEATURES = {
    "user": np.array([1, 0, 5, 2], "int32"),
    "history": np.array(
        [[3, 4, 4, 7], [2, 0, 0, 0], [9, 8, 1, 0], [20, 19, 0, 0]], "int32"
    ),
    "candidates": np.array([[1, 2], [3, 4], [20, 9], [7, 7]], "int32"),
}
ONLY_NUMBERS_DIFFER = ("mgnm:paper_micro_video", "mgnm:paper+without_l1")
COMPILED = (
    "mgnm:recommended",
    "mgnm:paper",
    "mgnm:released",
    "mgnm+target_distillation",
    "mgnm:paper+bilstm_for_capsules",
    "mgnm:paper+sum_for_capsules",
    "mgnm:paper+self_attention_for_capsules",
    "mgnm:paper+transformer_in_capsules",
)
"""Recipes that bring a layer of their own: they learn as a graph.

The others learn eagerly, for a graph takes longer to make than a few
steps.
"""


def make(**options):
    keras.utils.set_random_seed(3)
    options = {
        "embedding_dim": 6,
        "num_interests": 3,
        "num_layers": 2,
        "embeddings_initializer": 0.8,
        "max_length": 10,
        **options,
    }
    return MGNM(USERS, ITEMS, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"adjacency_normalization": "renormalized", "num_layers": 3},
        {"adjacency_normalization": "none", "routing_iterations": 1},
        {"history_encoder": "bilstm"},
    ],
    ids=["paper", "renormalized", "one_iteration", "history_encoder"],
)
def test_equals_the_equations(options):
    model = make(**options)
    expected = oracle.mgnm_scores(model, FEATURES)
    scores = np.asarray(model(FEATURES))
    np.testing.assert_allclose(scores, expected.max(axis=1), atol=1e-5)
    encoded = model.encode(FEATURES)
    # In training the loss sees each level (the noise is in `encode` alone).
    levels = model.score(encoded, FEATURES["candidates"], training=True)
    np.testing.assert_allclose(np.asarray(levels), expected, atol=1e-5)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_keeps_the_contract(recipe):
    model = make_mgnm(recipe, USERS, ITEMS, embedding_dim=4)
    run_model_test(model, FEATURES)


@pytest.mark.parametrize(
    "recipe", [name for name in RECIPES if name not in ONLY_NUMBERS_DIFFER]
)
def test_every_recipe_learns(recipe):
    keras.utils.set_random_seed(3)
    model = make_mgnm(
        recipe, USERS, ITEMS, embedding_dim=4, embeddings_initializer=0.5
    )
    eagerly = recipe not in COMPILED
    model.compile(keras.optimizers.Adam(0.02), run_eagerly=eagerly)
    labels = np.array([[1.0, 0.0]] * 4, "float32")
    steps = 4 if eagerly else 8
    losses = [model.train_on_batch(FEATURES, labels) for _ in range(steps)]
    assert losses[-1] < losses[0]


def test_the_constructor_has_the_values_of_the_paper():
    model = MGNM(USERS, ITEMS)
    for name, value in OWN["paper"].model.items():
        assert getattr(model, name) == value


def test_parts_add_up_and_explicit_options_win():
    label = "mgnm+with_bilstm+without_graph"
    model = make_mgnm(label, USERS, ITEMS, embedding_dim=4)
    assert (model.temperature, model.embedding_dim) == (0.1, 4)
    assert (model.sequence_encoder, model.num_layers) == ("bilstm", 0)
    with pytest.raises(UserError, match="Did you mean 'without_graph'"):
        make_mgnm("mgnm+without_grap", USERS, ITEMS)


def test_parameter_count():
    d, k, layers = 6, 3, 2
    model = make(embedding_dim=d, num_interests=k, num_layers=layers)
    lstm = 2 * 4 * (2 * d * d + d) + 2 * d * d
    tables = (USERS + 1 + ITEMS + 1) * d
    count = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert count == tables + d * d + 2 * k * d * d + lstm


def test_user_dropout_is_that_of_the_user_embedding():
    model = make(user_dropout=1.0)
    table = np.asarray(model.user_embedding.embeddings.value)
    out = np.asarray(model.user_embedding(np.array([4, 3]), training=True))
    np.testing.assert_allclose(out, table[[0, 0]])


def test_dropout_acts_on_every_level_in_training_alone():
    model = make(dropout=1.0, user_dropout=1.0)
    interests = model.encode(FEATURES, training=True)["interests"]
    assert not np.asarray(interests).any()
    assert np.asarray(model.encode(FEATURES)["interests"]).any()


def test_dropout_acts_on_what_the_history_encoder_reads():
    model = make(
        dropout=1.0, user_dropout=1.0, routing_noise=0.0, history_encoder="gru"
    )
    (gru,) = [w for w in model.encoder.weights if w.path.endswith("bias")]
    gru.assign(np.random.default_rng(0).normal(size=gru.shape))
    others = {**FEATURES, "history": np.where(FEATURES["history"], 6, 0)}
    interests = [
        np.asarray(model.encode(features, training=True)["interests"])
        for features in (FEATURES, others)
    ]
    assert interests[0].any()
    np.testing.assert_array_equal(*interests)
    assert np.abs(model(FEATURES) - model(others)).max() > 1e-3


def test_no_known_user_is_finite():
    model = MGNM(0, ITEMS, embedding_dim=4)
    features = {**FEATURES, "user": np.zeros(4, "int32")}
    assert np.isfinite(np.asarray(model(features))).all()


def squares(*arrays):
    return sum(float((np.asarray(a, "float64") ** 2).sum()) for a in arrays)


def test_regularization_per_positive():
    model = make(adjacency_l1=0.5, l2=0.25)
    model(FEATURES, training=True)
    table = np.asarray(model.item_embedding.embeddings.value).copy()
    table[0] = 0
    users = np.asarray(model.user_embedding(FEATURES["user"]))
    items = table[FEATURES["history"]]
    total = sum(
        oracle.adjacency(items[row][history != 0], users[row]).sum()
        for row, history in enumerate(FEATURES["history"])
    )
    dense = [w for w in model.trainable_weights if "embedding" not in w.path]
    read = squares(items, users, table[FEATURES["candidates"]])
    dense = squares(*(weight.value for weight in dense))
    expected = (0.5 * total + 0.25 * (read + dense)) / 4
    np.testing.assert_allclose(float(sum(model.losses)), expected, rtol=1e-5)


def test_regularization_of_whole_tables():
    model = make(adjacency_l1=0.0, l2=0.25, l2_scope="all")
    model(FEATURES, training=True)
    everything = squares(*(w.value for w in model.trainable_weights))
    np.testing.assert_allclose(
        float(sum(model.losses)), 0.25 * everything / 4, rtol=1e-5
    )


def test_no_regularization_at_inference():
    model = make()
    model(FEATURES)
    assert not model.losses


def test_pooled_supervision():
    model = make(level_supervision=False)
    assert model(FEATURES, training=True).shape == (4, 2)
    assert make()(FEATURES, training=True).shape == (4, 3, 2)


def test_interests_and_item_vectors_give_the_scores():
    model = make()
    interests = np.asarray(model.interests(FEATURES))
    vectors = np.asarray(model.item_vectors())
    assert interests.shape == (4, 9, 6)
    for row, candidates in enumerate(FEATURES["candidates"]):
        for column, item in enumerate(candidates):
            levels = [
                oracle.level_score(level, vectors[item])
                for level in interests[row].reshape(3, 3, 6)
            ]
            np.testing.assert_allclose(
                np.asarray(model(FEATURES))[row, column],
                max(levels),
                atol=1e-5,
            )


def test_users_change_scores_only_through_the_graph():
    other = {**FEATURES, "user": np.array([2, 3, 1, 4], "int32")}
    for options, changes in (
        ({}, True),
        ({"user_aware": False}, False),
        ({"num_layers": 0}, False),
    ):
        model = make(**options)
        difference = np.asarray(model(FEATURES)) - np.asarray(model(other))
        assert (np.abs(difference).max() > 1e-6) == changes
        assert (model.user_embedding is not None) == changes


def test_errors():
    long = {**FEATURES, "history": np.ones((4, 11), "int32")}
    with pytest.raises(ValueError, match="length 11, max_length=10"):
        make()(long)
    with pytest.raises(ValueError, match="Unknown interest_extractor"):
        make(interest_extractor="capsules")
    with pytest.raises(ValueError, match="`l2` must be between 0"):
        make(l2=-1.0)


@pytest.mark.parametrize(
    "options", [{}, {"routing_iterations": 1}], ids=["paper", "one_iteration"]
)
def test_history_attention_equals_the_equations(options):
    model = make(**options)
    attention = np.asarray(model.history_attention(FEATURES))
    interests = np.asarray(model.interests(FEATURES))
    assert attention.shape == (4, 9, 4)
    couplings = oracle.mgnm_interests(model, FEATURES, coupling=True)
    expected = oracle.mgnm_interests(model, FEATURES)
    labels = model.interest_labels()
    assert labels[:4] == [(0, 1), (0, 2), (0, 3), (1, 1)]
    for row, n in enumerate((4, 1, 3, 2)):
        for place, (level, number) in enumerate(labels):
            np.testing.assert_allclose(
                attention[row, place, :n],
                couplings[row][level][number - 1],
                rtol=1e-4,
            )
            np.testing.assert_allclose(
                interests[row, place],
                expected[row][level][number - 1],
                atol=1e-5,
            )
        assert not attention[row, :, n:].any()
    # Not alike for all items, but after one iteration without routing.
    assert (np.ptp(attention[0], axis=-1).max() > 1e-3) == (not options)


@pytest.mark.parametrize("recipe", RECIPES)
def test_labels_and_attention_of_every_recipe(recipe):
    model = make_mgnm(recipe, USERS, ITEMS, embedding_dim=4)
    if model.interest_extractor == "self_attention":
        with pytest.raises(AttributeError, match="has no interest labels"):
            model.interest_labels()
    else:
        mixes = "interest_distribution" in model.capabilities
        read = model.mixed_interests if mixes else model.interests
        count = read(FEATURES).shape[1]
        assert len(model.interest_labels()) == count
    if model.interest_extractor in ("self_attention", "bilstm"):
        with pytest.raises(AttributeError, match="has no history attention"):
            model.history_attention(FEATURES)
        return
    emptied = {
        **FEATURES,
        "history": FEATURES["history"] * [[1], [1], [0], [1]],
    }
    attention = np.asarray(model.history_attention(emptied))
    assert attention.shape == (4, count, 4)
    np.testing.assert_allclose(
        attention.sum(axis=-1),
        np.repeat([[1], [1], [0], [1]], count, 1),
        rtol=1e-5,
    )
    assert not attention[
        np.repeat(emptied["history"][:, None] == 0, count, 1)
    ].any()


def test_losses_of_keras_are_the_mean_over_the_levels():
    """Of as many rows as levels, which would be taken for each other."""
    model = make()
    scores = np.random.default_rng(0).normal(size=(3, 3, 2))
    labels = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    model.compile(loss="mse")
    found = model.compute_loss(
        FEATURES,
        keras.ops.convert_to_tensor(labels),
        keras.ops.convert_to_tensor(scores),
    )
    expected = np.mean((labels[:, None] - scores) ** 2)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
