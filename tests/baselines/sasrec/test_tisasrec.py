"""TiSASRec against its formulas in NumPy, and its intervals."""

import logging

import keras
import numpy as np
import pandas as pd
import pytest

from baselines.sasrec.sasrec import SASRec
from baselines.sasrec.tisasrec import TiSASRec
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.models.registry import create_model
from tests.reference.numpy_tisasrec import interval_transformer
from tests.reference.numpy_tisasrec import intervals_of
from tests.reference.numpy_transformer import layer_norm

NORMALIZATION = {"paper": "before", "code": "query", "rechorus": "after"}
NOW = 1_500_000_000
HISTORY = np.array([[4, 5, 4, 6], [7, 8, 0, 0], [0, 0, 0, 0], [3, 2, 1, 0]])
TIMES = NOW + np.array(
    [[0, 60, 90, 400], [0, 5, 0, 0], [0, 0, 0, 0], [0, 7, 10, 0]]
)
FEATURES = {
    "user": np.array([1, 2, 1, 0]),
    "history": HISTORY,
    "history_time": np.where(HISTORY > 0, TIMES, 0),
    "candidates": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 2, 3]]),
}
GAPS = np.array([0, 25, 2], "int32")
# User 0 is unknown: its smallest gap is the one in sight.
EXPECTED_GAPS = [25, 2, 25, 3]


def make(gaps=GAPS, seed=0, **options):
    """Returns a model whose weights are random, so that no bias is 0."""
    options = {
        "embedding_dim": 6,
        "max_interval": 9,
        "max_length": 7,
        **options,
    }
    model = TiSASRec(2, 9, **options)
    if model.required_tables:
        model.load_tables({"smallest_gaps": gaps})
    random = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(random.normal(scale=0.5, size=weight.shape))
    return model


def at(times, **changes):
    """Returns the batch with other times, `times` at the items."""
    times = np.where(HISTORY > 0, times, 0)
    return {**FEATURES, "history_time": times, **changes}


def weights_of(layer):
    return {
        "/".join(weight.path.split("/")[-2:]): np.asarray(weight.value)
        for weight in layer.weights
    }


@pytest.mark.parametrize("variant", NORMALIZATION)
@pytest.mark.parametrize(("num_layers", "num_heads"), [(1, 1), (2, 1), (3, 2)])
def test_equals_numpy(variant, num_layers, num_heads):
    model = make(num_layers=num_layers, num_heads=num_heads, variant=variant)
    table = model.item_embedding.get_weights()[0]
    places, tables = (
        [getattr(model, f"{kind}_{end}").get_weights()[0] for end in ENDS]
        for kind in ("place", "interval")
    )
    scores = np.asarray(model(FEATURES))
    for row, history in enumerate(HISTORY):
        items = history[history > 0]
        n, vector = len(items), np.zeros(6)
        if n:
            states = table[items] * (1 if variant == "rechorus" else 6**0.5)
            intervals = intervals_of(TIMES[row, :n], EXPECTED_GAPS[row], 9)
            for block in model.blocks:
                states = interval_transformer(
                    states,
                    weights_of(block),
                    [vectors[:n][::-1] for vectors in places],
                    intervals,
                    tables,
                    num_heads=num_heads,
                    normalization=NORMALIZATION[variant],
                )
            vector = states[-1]
            if variant != "rechorus":
                vector = layer_norm(vector, *model.output_norm.get_weights())
        expected = table[FEATURES["candidates"][row]] @ vector
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-4)


ENDS = ("keys", "values")


def test_intervals_are_counted_in_gaps_of_the_user():
    # By hand: 60 / 25, 90 / 25, 400 / 25 and 30 / 25, clipped at 9.
    model = make()
    mask = HISTORY > 0
    gaps = model._gaps(FEATURES["user"], TIMES, mask)
    assert np.asarray(gaps).tolist() == EXPECTED_GAPS
    intervals = np.asarray(model._intervals(TIMES, TIMES, gaps))
    assert intervals[0].tolist() == [
        [0, 2, 3, 9],
        [2, 0, 1, 9],
        [3, 1, 0, 9],
        [9, 9, 9, 0],
    ]
    assert intervals[3, :3, :3].tolist() == [[0, 2, 3], [2, 0, 1], [3, 1, 0]]


def test_no_two_times_in_sight():
    # Whatever the gap of such a user is, all intervals are 0.
    model = make(gaps=np.zeros(3, "int32"))
    same = at(np.full(HISTORY.shape, NOW))
    gaps = model._gaps(same["user"], same["history_time"], HISTORY > 0)
    assert np.asarray(gaps).min() > 10**9
    unlike = make(gaps=np.array([0, 1, 7], "int32"))
    np.testing.assert_array_equal(model(same), unlike(same))


def test_legacy_gap_is_the_longest_there_is():
    days = at(NOW + 86400 * np.arange(0, 40, 10))
    gaps = np.array([0, 86400, 86400], "int32")
    model = make(gaps, legacy_min_gap=65535, max_interval=60)
    found = model._gaps(days["user"], days["history_time"], HISTORY > 0)
    assert np.asarray(found).tolist() == [65535] * 4
    short = model._gaps(FEATURES["user"], TIMES, HISTORY > 0)
    assert np.asarray(short)[3] == 3
    expected = make(np.array([65535] * 3, "int32"), max_interval=60)
    np.testing.assert_allclose(model(days), expected(days), rtol=1e-5)
    # Ten days are 13 units of 65535 seconds.
    exact = np.asarray(make(gaps, max_interval=60)(days))
    assert np.abs(exact - np.asarray(model(days)))[0].max() > 1e-4


def test_the_unit_of_time_does_not_matter():
    # Gaps that divide exactly.
    times = NOW + 5 * np.array([0, 2, 3, 8])
    first = make(gaps=np.array([0, 5, 10], "int32"))
    second = make(gaps=np.array([0, 35, 70], "int32"))
    np.testing.assert_array_equal(first(at(times)), second(at(7 * times)))


def test_times_at_padding_are_not_read():
    other = {**FEATURES, "history_time": np.where(HISTORY > 0, TIMES, 99)}
    model = make()
    np.testing.assert_array_equal(model(FEATURES), model(other))


@pytest.mark.parametrize("key", ["user", "history_time", "max_interval"])
def test_what_is_read_changes_scores(key):
    model = make()
    before = np.asarray(model(FEATURES))
    if key == "user":
        after = model({**FEATURES, "user": np.array([2, 1, 0, 1])})
    elif key == "history_time":
        after = model(at(TIMES - np.array([0, 0, 0, 200])))
        np.testing.assert_array_equal(after[1:], before[1:])
        assert np.abs(after[0] - before[0]).max() > 1e-4
        return
    else:
        after = make(max_interval=2, seed=0)(FEATURES)
    assert np.abs(np.asarray(after) - before)[[0, 1, 3]].max() > 1e-4


def test_without_vectors_of_place_and_time_it_is_sasrec_without_places():
    model = make(variant="rechorus", num_layers=2)
    plain = SASRec(
        2, 9, embedding_dim=6, num_layers=2, variant="rechorus", max_length=7
    )
    for end in ENDS:
        for kind in ("place", "interval"):
            table = getattr(model, f"{kind}_{end}")
            table.set_weights([np.zeros_like(table.get_weights()[0])])
    copy_weights(model, plain)
    table = plain.position_embedding
    table.set_weights([np.zeros_like(table.get_weights()[0])])
    np.testing.assert_allclose(
        model(FEATURES), plain(FEATURES), rtol=1e-4, atol=1e-5
    )


def copy_weights(model, other):
    """Gives `other` the weights of `model` that have the same paths."""
    values = {weight.path: weight for weight in model.trainable_weights}
    for weight in other.trainable_weights:
        if weight.path in values:
            weight.assign(values[weight.path])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 2 max_length d + 2 (T + 1) d + num_layers (5 (d^2 + d) + 4 d) + 2 d
        ({}, 3200 + 2 * 257 * 16 + 2 * (5 * 272 + 64) + 32),
        (
            {
                "embedding_dim": 64,
                "num_layers": 1,
                "variant": "rechorus",
                "max_interval": 512,
                "max_length": 20,
            },
            2 * 20 * 64 + 2 * 513 * 64 + 5 * (64**2 + 64) + 4 * 64,
        ),
        ({"use_time": False}, 1600 + 2 * (5 * 272 + 64) + 32),
    ],
)
def test_parameter_count(options, expected):
    model = TiSASRec(2, 9, **options)
    weights = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    assert weights == expected + 10 * model.embedding_dim


def test_a_later_item_changes_no_earlier_state():
    # The history of four without its newest item is one of three.
    model = make(num_layers=2)
    block, states = model.blocks[0], []
    for items in ([4, 5, 4, 6], [4, 5, 4, 9]):
        features = at(TIMES, history=np.array([items] * 4))
        valid_mask = features["history"] > 0
        places = np.arange(4)[::-1][None].repeat(4, 0)
        (further, _) = model._for_blocks(features, valid_mask, places)
        vectors = model.item_embedding(features["history"])
        states.append(np.asarray(block(vectors, *further)))
    np.testing.assert_array_equal(states[0][:, :3], states[1][:, :3])
    assert np.abs(states[0] - states[1])[:, 3].max() > 1e-4


def test_dropout_acts_in_training_only():
    model = make()
    quiet = np.asarray(model(FEATURES))
    keras.utils.set_random_seed(3)
    noisy = np.asarray(model(FEATURES, training=True))
    assert not np.allclose(quiet, noisy)
    np.testing.assert_array_equal(quiet, np.asarray(model(FEATURES)))


def test_the_gaps_are_not_trained():
    model = make()
    model.compile()
    model.fit(FEATURES, np.eye(4, 3, dtype="float32"), verbose=0)
    np.testing.assert_array_equal(model.smallest_gaps, GAPS)


# === Data ===


def log_of(times):
    users, items = np.divmod(np.arange(12), 4)
    return read_log(
        pd.DataFrame(
            {
                "user_id": users,
                "item_id": (users + items) % 3,
                "timestamp": times,
            }
        )
    )


def test_gaps_come_from_the_training_events(caplog):
    times = NOW + np.array([0, 90, 100, 101, 0, 0, 7, 9, 0, 0, 0, 50])
    data = split_log(log_of(times))
    with caplog.at_level(logging.WARNING):
        model = TiSASRec.from_data(data, embedding_dim=4)
    assert model.use_time
    assert not caplog.messages
    # All but the last two events are of training; the seconds 100, 101, 7, 9
    # and 50 are later.
    assert np.asarray(model.smallest_gaps).tolist() == [0, 90, 0, 0]


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (np.tile(np.arange(4), 3), "the data have no timestamps"),
        (np.full(12, NOW), "no user has training events of different times"),
    ],
)
def test_data_without_times_get_sasrec(times, reason, caplog):
    data = split_log(log_of(times))
    with caplog.at_level(logging.WARNING):
        model = TiSASRec.from_data(data, embedding_dim=6, max_length=7)
    assert caplog.messages == [
        f"TiSASRec reads times, but {reason}: it is SASRec here."
    ]
    assert model.required_features == model.required_tables == ()
    assert "history_time" not in model.input_signature()
    plain = SASRec(3, 3, embedding_dim=6, max_length=7)
    for one, other in zip(plain.weights, model.weights, strict=True):
        one.assign(other)
    features = {
        "user": FEATURES["user"],
        "history": HISTORY % 4,
        "candidates": FEATURES["candidates"] % 4,
    }
    features["history"][0] = [1, 2, 3, 1]
    features["history"][1] = [1, 2, 0, 0]
    np.testing.assert_array_equal(model(features), plain(features))


def test_fit_asks_for_the_gaps():
    model = TiSASRec(2, 9)
    with pytest.raises(ValueError, match="TiSASRec reads tables of the data"):
        model.fit(FEATURES, np.eye(4, 3, dtype="float32"))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "reads the table 'smallest_gaps'. Received: none"),
        ({"smallest_gaps": GAPS[:2]}, "for each of num_users=2"),
        ({"smallest_gaps": -GAPS}, "must not be negative. Received: -25 of us"),
    ],
)
def test_wrong_tables(tables, message):
    with pytest.raises(ValueError, match=message):
        TiSASRec(2, 9).load_tables(tables)


def test_times_that_run_backwards():
    message = (
        "`history_time` must not run backwards: the items of a history stand "
        "oldest first. Received: 3 after 5 at row 0, column 2"
    )
    with pytest.raises(ValueError, match=message):
        make()(at(np.array([0, 5, 3, 9])))


def test_recipe_of_the_timirec_paper():
    model = create_model("tisasrec:timirec_paper", 2, 9, {}, max_length=20)
    assert (model.variant, model.num_layers, model.dropout) == (
        "rechorus",
        1,
        0,
    )
    assert (model.max_interval, model.legacy_min_gap) == (512, 65535)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_interval": 0}, "`max_interval` must be at least 1"),
        ({"legacy_min_gap": 0}, "`legacy_min_gap` must be at least 1"),
        ({"num_heads": 3}, "divisible by `num_heads`"),
        ({"variant": "papre"}, "Did you mean 'paper'"),
        ({"max_length": 0}, "`max_length` must be at least 1"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        TiSASRec(2, 9, **options)
