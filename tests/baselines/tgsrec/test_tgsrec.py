"""TGSRec against a recursion over one node at a time in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from baselines.tgsrec.tgsrec import TGSRec
from mgnm_tf.data.tables.make_tables import make_tables
from mgnm_tf.losses import get_loss
from tests.data.toy import toy_data
from tests.reference import numpy_tgsrec as oracle

DATA = toy_data(num_sequences=8, num_items=9, mean_length=6)
TABLES = make_tables(DATA, ["temporal_graph"])
GRAPH = TABLES["temporal_graph"]
USERS, ITEMS, EVENTS = 8, 9, len(GRAPH["times"]) // 2
NOW = int(np.quantile(DATA.times, 0.7))


def history_times(gaps):
    """Returns times at `gaps` seconds before NOW, 0 on padding (-1)."""
    gaps = np.array(gaps)
    return np.where(gaps >= 0, NOW - gaps, 0)


FEATURES = {
    "user": np.array([1, 2, 0, 3]),
    "history": np.array(
        [
            [4, 5, 4, 6, 9, 1],
            [7, 8, 0, 0, 0, 0],
            [2, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0],
        ]
    ),
    "history_time": history_times(
        [
            [900, 800, 650, 200, 50, 0],
            [300, 7, -1, -1, -1, -1],
            [60, -1, -1, -1, -1, -1],
            [-1, -1, -1, -1, -1, -1],
        ]
    ),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 5, 9]]),
    "candidate_time": np.full((4, 3), NOW),
}


def make(tables=TABLES, **options):
    """Returns a model with random weights, so that no bias is 0."""
    options = {
        "embedding_dim": 4,
        "time_dim": 2,
        "num_neighbors": 3,
        "time_scale": 500.0,
        "num_events": EVENTS,
        "seed": 1,
        **options,
    }
    model = TGSRec(USERS, ITEMS, **options)
    model.load_tables(tables)
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(random.normal(scale=0.7, size=weight.shape))
    return model


def scores_of(model, features=FEATURES, **options):
    return np.asarray(model(features, **options))


def spread(past, size):
    if len(past) <= size:
        return past
    return [past[(k + 1) * len(past) // size - 1] for k in range(size)]


def pick_from_graph(size):
    """Returns (node, time) -> the neighbours that inference reads."""

    def pick(node, now):
        row = range(GRAPH["offsets"][node], GRAPH["offsets"][node + 1])
        past = [
            (GRAPH["neighbors"][k], GRAPH["times"][k] + int(GRAPH["origin"]))
            for k in row
            if GRAPH["times"][k] + int(GRAPH["origin"]) < now
        ]
        return spread(past, size)

    return pick


def expected_score(model, row, column):
    """Scores one candidate of one row of `FEATURES`."""
    size, levels = model.num_neighbors, model.num_layers
    graph = pick_from_graph(size)
    history = FEATURES["history"][row]
    count = np.count_nonzero(history)
    visible = spread(
        list(
            zip(
                USERS + history[:count],
                FEATURES["history_time"][row][:count],
            )
        ),
        size,
    )

    def pick(node, now):
        return visible if (node, now) == ("user", NOW) else graph(node, now)

    # The row's user is a node of its own, whose past is the visible history.
    user = infer_user(model, pick, levels, FEATURES["user"][row])
    item = USERS + FEATURES["candidates"][row, column]
    item = oracle.infer(model, graph, levels, item, NOW)
    return oracle.affinity(model, user, item)


def infer_user(model, pick, level, user):
    if level == 0:
        return oracle.infer(model, pick, 0, user, NOW)
    past = pick("user", NOW)
    coder = oracle.named_weights(model.time_encoding)
    return oracle.attention(
        oracle.named_weights(model.attention_layers[level - 1]),
        infer_user(model, pick, level - 1, user),
        oracle.time_code(coder, 0, model.time_scale),
        np.array([oracle.infer(model, pick, level - 1, *one) for one in past]),
        np.array(
            [
                oracle.time_code(coder, NOW - t, model.time_scale)
                for _, t in past
            ]
        ),
    )


@pytest.mark.parametrize("num_layers", [0, 1, 2, 3])
@pytest.mark.parametrize("head", ["mlp", "dot"])
def test_equals_numpy(head, num_layers):
    model = make(head=head, num_layers=num_layers)
    scores = scores_of(model)
    for row, column in np.ndindex(scores.shape):
        np.testing.assert_allclose(
            scores[row, column],
            expected_score(model, row, column),
            rtol=1e-3,
            atol=1e-4,
        )


def test_more_neighbours_than_a_past_has():
    model = make(num_neighbors=30)
    scores = scores_of(model)
    for row in range(3):
        np.testing.assert_allclose(
            scores[row, 0], expected_score(model, row, 0), rtol=1e-3, atol=1e-4
        )


def test_without_layers_a_node_is_its_vector():
    model = make(num_layers=0, head="dot")
    table = np.asarray(model.node_embedding.embeddings)
    user, item = table[FEATURES["user"]], table[USERS + FEATURES["candidates"]]
    expected = np.einsum("bd,bcd->bc", user, item)
    expected[2] = 0  # nobody
    np.testing.assert_allclose(scores_of(model), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 11_073),
        ({"head": "dot"}, 10_528),
        ({"embedding_dim": 40, "time_dim": 40}, 68_001),
        ({"embedding_dim": 40, "time_dim": 40, "head": "dot"}, 64_720),
        ({"num_layers": 0, "head": "dot"}, 0),
    ],
)
def test_parameter_count(options, expected):
    model = TGSRec(USERS, ITEMS, num_events=5, **options)
    table = (USERS + ITEMS + 1) * model.embedding_dim
    count = sum(weight.value.numpy().size for weight in model.trainable_weights)
    assert count == expected + table


def shifted(tables, seconds):
    graph = tables["temporal_graph"]
    return {"temporal_graph": {**graph, "origin": graph["origin"] + seconds}}


@pytest.mark.parametrize("training", [False, True])
def test_a_shift_of_all_times_changes_nothing(training):
    seconds = 12_345_678
    later = dict(FEATURES)
    for key in ("history_time", "candidate_time"):
        later[key] = FEATURES[key] + seconds * (FEATURES[key] > 0)
    np.testing.assert_array_equal(
        scores_of(make(shifted(TABLES, seconds)), later, training=training),
        scores_of(make(), training=training),
    )


@pytest.mark.parametrize("sampling", ["uniform", "recent"])
@pytest.mark.parametrize("training", [False, True])
def test_the_future_is_not_seen(sampling, training):
    """Events of the graph at NOW or later may be with anyone at any time."""
    graph = dict(GRAPH)
    now = NOW - int(GRAPH["origin"])
    later = GRAPH["times"] >= now
    assert 0.1 < later.mean() < 0.9
    random = np.random.default_rng(4)
    users = np.arange(len(later)) >= GRAPH["offsets"][USERS + 1]
    others = np.where(
        users,
        random.integers(1, USERS + 1, later.size),
        random.integers(USERS + 1, USERS + ITEMS + 1, later.size),
    )
    graph["neighbors"] = np.where(later, others, GRAPH["neighbors"])
    graph["times"] = np.where(later, now, GRAPH["times"])
    np.testing.assert_array_equal(
        scores_of(
            make({"temporal_graph": graph}, sampling=sampling),
            training=training,
        ),
        scores_of(make(sampling=sampling), training=training),
    )


def test_the_past_is_seen():
    graph = {**GRAPH, "neighbors": np.roll(GRAPH["neighbors"], 1)}
    changed = scores_of(make({"temporal_graph": graph}))
    assert np.abs(changed - scores_of(make())).max(axis=1).min() > 1e-4


def test_the_history_after_now_is_not_seen():
    early = {**FEATURES, "candidate_time": np.full((4, 3), NOW - 100)}
    cut = {
        **early,
        "history": np.where(
            FEATURES["history_time"] <= NOW - 100, FEATURES["history"], 0
        ),
    }
    assert (cut["history"] != FEATURES["history"]).any()
    model = make()
    np.testing.assert_array_equal(
        scores_of(model, cut), scores_of(model, early)
    )


@pytest.mark.parametrize("key", ["user", "history", "history_time", "now"])
def test_what_is_read(key):
    changed = dict(FEATURES)
    if key == "user":
        changed["user"] = FEATURES["user"] + 1
    elif key == "history":
        changed["history"] = np.where(
            FEATURES["history"], FEATURES["history"] % ITEMS + 1, 0
        )
    elif key == "history_time":
        changed[key] = FEATURES[key] - 200 * (FEATURES["history"] > 0)
    else:
        changed["candidate_time"] = FEATURES["candidate_time"] + 5000
    model = make()
    difference = np.abs(scores_of(model, changed) - scores_of(model))
    assert difference[:2].max(axis=1).min() > 1e-4


def test_an_unknown_user_is_read_by_its_history():
    model = make()
    nobody = {**FEATURES, "user": np.zeros(4, int)}
    scores = scores_of(model, {**nobody, "candidates": np.ones((4, 1), int)})
    assert np.unique(scores[:3].round(4)).size == 3


def test_padding_scores_0():
    model = make()
    padded = {**FEATURES, "candidates": np.array([[0, 1, 0]] * 4)}
    np.testing.assert_array_equal(
        scores_of(model, padded) == 0, padded["candidates"] == 0
    )


def test_one_history_one_candidate_one_event():
    model = make()
    single = {key: value[2:3] for key, value in FEATURES.items()}
    for key in ("history", "history_time", "candidates", "candidate_time"):
        single[key] = single[key][:, :1]
    np.testing.assert_allclose(
        scores_of(model, single), scores_of(model)[2:3, :1], rtol=1e-5
    )


@pytest.mark.parametrize("training", [False, True])
def test_the_same_item_again_and_again(training):
    same = {**FEATURES, "history": np.full((4, 6), 3)}
    same["history_time"] = np.full((4, 6), NOW - 10)
    model = make()
    assert np.isfinite(scores_of(model, same, training=training)).all()


def test_nobody_is_not_trained():
    model = make()
    model.compile(loss=get_loss("bce"))
    with tf.GradientTape() as tape:
        scores = model(FEATURES, training=True)
        loss = model.compute_loss(FEATURES, np.eye(4, 3), scores)
    table = model.node_embedding.embeddings.value
    gradient = tf.convert_to_tensor(tape.gradient(loss, table)).numpy()
    assert not gradient[0].any()
    assert gradient[1:].any(axis=1).sum() > 10
    assert np.isfinite(gradient).all()


def test_inference_is_the_same_again_and_training_draws():
    model = make(dropout=0.0)
    np.testing.assert_array_equal(scores_of(model), scores_of(model))
    first = scores_of(model, training=True)
    assert np.abs(scores_of(model, training=True) - first).max() > 1e-3


def test_recent_neighbours_are_not_drawn():
    model = make(dropout=0.0, sampling="recent")
    np.testing.assert_array_equal(
        scores_of(model), scores_of(model, training=True)
    )
    assert np.abs(scores_of(model) - scores_of(make())).max() > 1e-3


def test_graph_is_saved(tmp_path):
    model = make()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(scores_of(loaded), scores_of(model))
    for name, array in GRAPH.items():
        weight = getattr(loaded.temporal_neighbors, name)
        np.testing.assert_array_equal(np.asarray(weight), array)


def test_memory_bounds_the_pairs():
    assert TGSRec(2, 9).max_pairs == 2**26 // (400 * 32)
    assert TGSRec(2, 9, num_layers=1).max_pairs == 2**26 // (20 * 32)
    assert TGSRec(2, 9, num_layers=5).max_pairs == 1


def test_a_graph_of_other_data():
    with pytest.raises(ValueError, match="num_events=3. Received: shape"):
        make(num_events=3)


def test_no_graph():
    with pytest.raises(ValueError, match="reads the table 'temporal_graph'"):
        make({})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 4}, "Received: width 6, num_heads=4"),
        ({"head": "cosine"}, "Unknown head 'cosine'"),
        ({"sampling": "oldest"}, "Unknown sampling 'oldest'"),
        ({"num_layers": -1}, "`num_layers` must be at least 0"),
        ({"embedding_dim": 0}, "`embedding_dim` must be at least 1"),
        ({"num_neighbors": 0}, "`num_neighbors` must be at least 1"),
        ({"time_scale": 0.0}, "`time_scale` must be above 0"),
        ({"num_events": -1}, "`num_events` must be at least 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_model_without_its_graph_does_not_train():
    model = TGSRec(3, 5, num_events=4)
    assert not model.has_tables()
    with pytest.raises(ValueError, match="TGSRec reads tables of the data"):
        model.fit({}, np.zeros((1, 1)))
