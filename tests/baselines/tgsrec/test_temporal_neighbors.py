"""Temporal neighbours against a loop over the list of a node."""

import keras
import numpy as np
import pytest

from baselines.tgsrec.temporal_neighbors import TemporalNeighbors
from mgnm_tf.data.tables.temporal_graph import temporal_graph
from tests.data.toy import toy_data
from tests.testing import check_config

DATA = toy_data(num_sequences=9, num_items=7, mean_length=9)
GRAPH = temporal_graph(DATA)
NODES = 1 + DATA.num_users + DATA.num_items
EVENTS = len(GRAPH["times"]) // 2


def make(size=4, graph=GRAPH, **options):
    events = len(graph["times"]) // 2
    layer = TemporalNeighbors(NODES, events, size, **options)
    layer.assign(graph)
    return layer


def earlier(node, time):
    """Returns the (neighbour, time) of a node before a time."""
    row = range(GRAPH["offsets"][node], GRAPH["offsets"][node + 1])
    return [
        (int(GRAPH["neighbors"][k]), int(GRAPH["times"][k]))
        for k in row
        if GRAPH["times"][k] < time
    ]


def queries():
    """Every node at the time of every event, a second around it, and more."""
    times = np.unique(GRAPH["times"])
    times = np.concatenate([[-5, 0], times - 1, times, times + 1, [10**9]])
    nodes, times = np.meshgrid(np.arange(NODES), times, indexing="ij")
    return nodes.astype("int32"), times.astype("int32")


def results(layer, nodes, times, **options):
    found = layer(nodes, times, **options)
    return [np.asarray(tensor) for tensor in found]


def spread(past, size):
    if len(past) <= size:
        return past
    # The newest is the last; the gaps between places differ by 1 at most.
    return [past[(k + 1) * len(past) // size - 1] for k in range(size)]


def newest(past, size):
    return past[-size:]


@pytest.mark.parametrize("size", [1, 4, 20])
@pytest.mark.parametrize(
    ("sampling", "pick"), [("uniform", spread), ("recent", newest)]
)
def test_inference_equals_a_loop(size, sampling, pick):
    layer = make(size, sampling=sampling)
    nodes, times = queries()
    neighbors, gaps, valid = results(layer, nodes, times)
    assert neighbors.shape == (*nodes.shape, size)
    for place in np.ndindex(nodes.shape):
        expected = pick(earlier(nodes[place], times[place]), size)
        count = len(expected)
        found = list(zip(neighbors[place], times[place] - gaps[place]))
        assert found[:count] == expected
        assert valid[place].tolist() == [True] * count + [False] * (
            size - count
        )
    assert not neighbors[~valid].any()
    assert not gaps[~valid].any()
    assert gaps[valid].min() > 0


def test_training_draws_any_earlier_event_alike():
    layer = make(2000, seed=3)
    node = int(np.argmax(np.diff(GRAPH["offsets"])))
    time = int(np.max(GRAPH["times"])) + 1
    past = earlier(node, time)
    assert len(past) > 4
    neighbors, gaps, valid = results(
        layer, np.array([node]), np.array([time]), training=True
    )
    assert valid.all()
    found = list(zip(neighbors[0], time - gaps[0]))
    assert set(found) == set(past)
    shares = [found.count(event) / len(found) for event in past]
    np.testing.assert_allclose(shares, 1 / len(past), atol=0.04)


def test_training_draws_nothing_from_no_past():
    nodes = np.arange(NODES)
    found = results(make(), nodes, np.zeros(NODES, int), training=True)
    assert not any(array.any() for array in found)


def test_a_node_with_one_earlier_event_gets_it():
    node = 1
    first, second = GRAPH["times"][GRAPH["offsets"][node] :][:2]
    for training in (False, True):
        neighbors, gaps, valid = results(
            make(), np.array([node]), np.array([second]), training=training
        )
        assert valid[0, 0]
        assert set(neighbors[valid]) == {earlier(node, second)[0][0]}
        assert set(gaps[valid]) == {second - first}


def test_draws_follow_the_seed_and_change():
    nodes, times = queries()
    layer, again = make(seed=1), make(seed=1)
    first = results(layer, nodes, times, training=True)
    for one, two in zip(first, results(again, nodes, times, training=True)):
        np.testing.assert_array_equal(one, two)
    second = results(layer, nodes, times, training=True)
    assert (first[0] != second[0]).any()


@pytest.mark.parametrize("sampling", ["uniform", "recent"])
@pytest.mark.parametrize("training", [False, True])
def test_the_future_is_not_seen(sampling, training):
    """Events at the time of the query or later may be anything."""
    now = int(np.median(GRAPH["times"]))
    random = np.random.default_rng(4)
    graph = dict(GRAPH)
    later = GRAPH["times"] >= now
    graph["neighbors"] = np.where(
        later, random.integers(1, NODES, later.size), GRAPH["neighbors"]
    )
    graph["times"] = np.where(
        later, now + random.integers(0, 9**9, later.size), GRAPH["times"]
    )
    for node in range(NODES):
        row = slice(*GRAPH["offsets"][node : node + 2])
        graph["times"][row] = np.sort(graph["times"][row])
    nodes = np.arange(NODES)
    times = np.full(NODES, now)
    options = {"sampling": sampling, "seed": 1}
    before = results(make(**options), nodes, times, training=training)
    after = results(
        make(graph=graph, **options), nodes, times, training=training
    )
    assert before[2].any()
    for one, two in zip(before, after):
        np.testing.assert_array_equal(one, two)


def test_large_counts_do_not_overflow():
    layer = TemporalNeighbors(2, 0, num_neighbors=50)
    count = 10**9
    places, valid = map(np.asarray, layer.sample(np.array([count], "int32")))
    assert valid.all()
    assert places[0, -1] == count - 1
    assert np.ptp(np.diff(places[0])) <= 1
    drawn, _ = layer.sample(np.array([count], "int32"), training=True)
    assert 0 <= np.min(drawn) <= np.max(drawn) < count


def test_relative_time():
    times = np.array([GRAPH["origin"] + 5, 0], "int64")
    relative = np.asarray(make().relative(times))
    assert relative.tolist() == [5, -GRAPH["origin"]]


def test_without_events():
    found = results(
        TemporalNeighbors(3, 0, 2), np.array([0, 2]), np.array([5, 5])
    )
    assert not any(array.any() for array in found)


def test_contract():
    layer = check_config(
        TemporalNeighbors,
        {"num_nodes": 5, "num_events": 2, "num_neighbors": 3, "seed": 1},
    )
    assert not layer.trainable_weights
    nodes = keras.KerasTensor((None, 7), dtype="int32")
    found = layer(nodes, nodes)
    assert [tensor.shape for tensor in found] == [(None, 7, 3)] * 3
    assert [tensor.dtype for tensor in found] == ["int64", "int64", "bool"]


def test_keeps_its_dtypes_under_a_policy():
    layer = make(dtype="mixed_float16")
    nodes, times = queries()
    for one, two in zip(
        results(layer, nodes, times), results(make(), nodes, times)
    ):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": GRAPH["times"][1:]}, "`times` of the temporal graph must"),
        ({"offsets": GRAPH["offsets"][1:]}, "`offsets` of the temporal graph"),
        ({"origin": GRAPH["times"]}, "`origin` of the temporal graph must"),
    ],
)
def test_a_graph_of_another_size(change, message):
    with pytest.raises(ValueError, match=message):
        make().assign({**GRAPH, **change})


def test_an_incomplete_graph():
    graph = {name: GRAPH[name] for name in ("offsets", "neighbors", "times")}
    with pytest.raises(ValueError, match="The temporal graph lacks 'origin'"):
        make().assign(graph)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_nodes": 0}, "`num_nodes` must be at least 1"),
        ({"num_events": -1}, "`num_events` must be at least 0"),
        ({"num_neighbors": 0}, "`num_neighbors` must be at least 1"),
        ({"sampling": "newest"}, "Unknown sampling 'newest'"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        TemporalNeighbors(**{"num_nodes": 3, "num_events": 1, **options})
