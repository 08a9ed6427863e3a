"""The temporal graph against a slow loop."""

import dataclasses

import numpy as np
import pytest

from mgnm_tf.data.tables.temporal_graph import temporal_graph
from mgnm_tf.errors import DataError
from tests.data.toy import toy_data


def slow_lists(data):
    """Returns, for each node, its (time, neighbour), oldest first."""
    size = 1 + data.num_users + data.num_items
    lists = [[] for _ in range(size)]
    for event in range(len(data.items)):
        if data.parts[event] == 0:
            user = int(data.sequences[event])
            item = data.num_users + int(data.items[event])
            time = int(data.times[event])
            lists[user].append((time, item))
            lists[item].append((time, user))
    return [sorted(events, key=lambda event: event[0]) for events in lists]


def with_ties(data):
    """Rounds the times, so that many events share theirs."""
    return dataclasses.replace(data, times=data.times // 500 * 500)


def side_by_side(data):
    """Lets all users begin at the same time, so that items are shared."""
    begin = data.times[np.minimum(data.offsets, len(data.times) - 1)]
    return dataclasses.replace(
        data, times=data.times - begin[data.sequences] + 1_500_000_000
    )


@pytest.mark.parametrize("change", [side_by_side, with_ties])
def test_equals_a_loop(change):
    data = change(toy_data())
    graph = temporal_graph(data)
    lists = slow_lists(data)
    assert graph["offsets"].shape == (len(lists) + 1,)
    first = min(time for events in lists for time, _ in events)
    assert graph["origin"] == first
    for node, events in enumerate(lists):
        row = slice(*graph["offsets"][node : node + 2])
        times = graph["times"][row].astype(np.int64) + graph["origin"]
        assert list(zip(times, graph["neighbors"][row])) == events


def test_types_and_sizes():
    data = toy_data()
    graph = temporal_graph(data)
    count = 2 * np.count_nonzero(data.parts == 0)
    assert {name: (x.dtype, x.shape) for name, x in graph.items()} == {
        "offsets": ("int32", (data.num_users + data.num_items + 2,)),
        "neighbors": ("int32", (count,)),
        "times": ("int32", (count,)),
        "origin": ("int64", ()),
    }


def test_later_parts_are_not_read():
    data = toy_data()
    later = data.parts > 0
    changed = dataclasses.replace(
        data,
        items=np.where(later, 1, data.items),
        times=np.where(later, 0, data.times),
    )
    for name, array in temporal_graph(changed).items():
        np.testing.assert_array_equal(array, temporal_graph(data)[name])


def test_no_training_events():
    data = toy_data(num_users=0)
    data = dataclasses.replace(data, parts=np.full_like(data.parts, 2))
    graph = temporal_graph(data)
    assert not graph["offsets"].any()
    assert graph["times"].shape == (0,)
    assert graph["origin"] == 0


def test_milliseconds_are_refused():
    data = toy_data()
    data = dataclasses.replace(data, times=data.times * 1_000_000)
    with pytest.raises(DataError, match="the times must be seconds"):
        temporal_graph(data)
