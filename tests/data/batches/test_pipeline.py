"""The batches: contents, order, determinism, and what they must not see."""

import dataclasses
import itertools

import numpy as np
import pytest

from mgnm_tf.data.batches.pipeline import FEATURES
from mgnm_tf.data.batches.pipeline import evaluation_order
from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.batches.pipeline import num_batches
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from tests.data.batches import splitmix
from tests.data.toy import toy_data
from tests.data.worlds import log_of


def collect(dataset, limit=None):
    """Returns [(features, labels)] with NumPy arrays."""
    return list(itertools.islice(dataset.as_numpy_iterator(), limit))


def assert_same(left, right):
    """Asserts that two lists of batches are equal, bit for bit."""
    assert len(left) == len(right)
    for (x, y), (other_x, other_y) in zip(left, right):
        assert x.keys() == other_x.keys()
        for key in x:
            np.testing.assert_array_equal(x[key], other_x[key], err_msg=key)
        np.testing.assert_array_equal(y, other_y)


def rows(batches, key):
    """Returns the rows of a feature over all batches, without padding."""
    return [
        tuple(int(value) for value in row if value)
        for features, _ in batches
        for row in features[key]
    ]


def samples(batches):
    """Returns (user, history, positive) of all rows, sorted."""
    users = [int(user) for x, _ in batches for user in x["user"]]
    positives = [int(row[0]) for x, _ in batches for row in x["candidates"]]
    return sorted(zip(users, rows(batches, "history"), positives))


def expected_samples(data, part, max_length):
    """Returns what `samples` should find, from plain slices."""
    result = []
    for position in data.positions(part):
        sequence = int(data.sequences[position])
        start = max(int(data.offsets[sequence]), int(position) - max_length)
        user = sequence if sequence <= data.num_users else 0
        history = tuple(data.items[start:position].tolist())
        result.append((user, history, int(data.items[position])))
    return sorted(result)


def five_events():
    """Returns one user's events 3 1 4 1 5; the last two are not trained."""
    return SequenceDataset(
        items=np.array([3, 1, 4, 1, 5], np.int32),
        times=np.array([10, 20, 30, 40, 50], np.int64),
        parts=np.array([0, 0, 0, 1, 2], np.int8),
        sequences=np.ones(5, np.int32),
        offsets=np.array([0, 0, 5], np.int64),
        user_ids=["u"],
        item_ids=list("abcde"),
        num_users=1,
        item_categories=np.array([0, 7, 7, 8, 9, 9], np.int32),
    )


def test_literal_test_batch():
    dataset = make_dataset(
        five_events(),
        "test",
        max_length=3,
        bucket_widths=(),
        negatives=2,
        features=FEATURES,
    )
    ((x, y),) = collect(dataset)
    assert x["user"].tolist() == [1]
    assert x["history"].tolist() == [[1, 4, 1]]
    assert x["history_time"].tolist() == [[20, 30, 40]]
    assert x["history_category"].tolist() == [[7, 9, 7]]
    assert x["candidates"][0, 0] == 5
    assert set(x["candidates"][0, 1:]) <= {2, 3}
    assert x["candidate_time"].tolist() == [[50, 50, 50]]
    assert x["candidate_category"][0, 0] == 9
    assert sorted({*x["excluded"][0].tolist()}) == [0, 1, 4, 5]
    assert y.tolist() == [[1.0, 0.0, 0.0]]


def test_padding_stands_behind_the_oldest_first_history():
    dataset = make_dataset(
        five_events(),
        max_length=5,
        features=("history_time",),
        bucket_widths=(4,),
    )
    ((x, _),) = collect(dataset)
    assert sorted(x["history"].tolist()) == [[3, 0, 0, 0], [3, 1, 0, 0]]
    assert sorted(x["history_time"].tolist()) == [
        [10, 0, 0, 0],
        [10, 20, 0, 0],
    ]


def test_keys_shapes_and_types():
    dataset = make_dataset(
        toy_data(),
        batch_size=16,
        max_length=20,
        negatives=3,
        shared_negatives=7,
        logq_correction=True,
        features=FEATURES,
        bucket_widths=(4, 8, 16),
    )
    expected = {
        "user": ((16,), "int32"),
        "history": ((16, None), "int32"),
        "candidates": ((16, 4), "int32"),
        "shared_negatives": ((7,), "int32"),
        "log_sampling_probability": ((16, 11), "float32"),
        "history_time": ((16, None), "int64"),
        "candidate_time": ((16, 4), "int64"),
        "history_category": ((16, None), "int32"),
        "candidate_category": ((16, 4), "int32"),
        "excluded": ((16, 22), "int32"),
    }
    for x, y in collect(dataset, 3):
        width = x["history"].shape[1]
        assert width in (4, 8, 16, 20)
        assert x.keys() == expected.keys()
        assert y.shape == (16, 11)
        assert y.dtype == "float32"
        for key, (shape, dtype) in expected.items():
            if key != "excluded":
                shape = tuple(width if n is None else n for n in shape)
                assert x[key].shape == shape, key
            assert x[key].dtype == dtype, key
    assert dataset.element_spec[0]["candidates"].shape[1] == 4


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("batch_size", [1, 32, 1000])
def test_every_target_once_with_its_history(part, batch_size):
    data = toy_data(num_users=35)
    dataset = make_dataset(
        data, part, batch_size=batch_size, max_length=10, negatives=1
    )
    batches = collect(dataset)
    assert samples(batches) == expected_samples(data, part, 10)
    count = num_batches(data, part, batch_size=batch_size)
    assert len(batches) == count == dataset.cardinality().numpy()
    assert sum(len(y) < batch_size for _, y in batches) <= 1


def test_width_is_that_of_the_longest_history():
    dataset = make_dataset(toy_data(), batch_size=16, max_length=20)
    for x, _ in collect(dataset):
        longest = (x["history"] > 0).sum(axis=1).max()
        assert x["history"].shape[1] // 2 < max(longest, 3)


@pytest.mark.parametrize("sampling", ["uniform", "popularity"])
@pytest.mark.parametrize("exclude", ["history", "user", "none"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_negatives_avoid_what_they_should(part, exclude, sampling):
    data = toy_data(num_items=70)
    dataset = make_dataset(
        data,
        part,
        max_length=10,
        negatives=40,
        exclude=exclude,
        sampling=sampling,
    )
    hits = 0
    for x, _ in collect(dataset):
        for user, history, (positive, *negatives) in zip(
            x["user"], x["history"].tolist(), x["candidates"].tolist()
        ):
            start, end = data.offsets[user], data.offsets[user + 1]
            last = 0 if part == "train" else 2
            events = data.items[start:end][data.parts[start:end] <= last]
            avoided = {
                "none": {positive},
                "history": {positive, *history},
                "user": set(events.tolist()),
            }[exclude]
            assert not avoided & set(negatives)
            assert min(negatives) >= 1
            assert max(negatives) <= 70
            hits += len(set(history) & set(negatives))
    assert (hits > 0) == (exclude == "none")


def test_training_does_not_avoid_what_comes_later():
    # A model could learn that held-out items are never negatives.
    data = five_events()
    dataset = make_dataset(data, negatives=200, exclude="user")
    drawn = {
        int(item)
        for x, _ in collect(dataset)
        for item in x["candidates"][:, 1:].ravel()
    }
    assert drawn == {2, 5}


def test_test_negatives_equal_the_oracle():
    data = toy_data()
    dataset = make_dataset(
        data, "test", max_length=10, negatives=6, seed=3, batch_size=7
    )
    found = np.concatenate([x["candidates"] for x, _ in collect(dataset)])
    order = evaluation_order(data, "test", max_length=10)
    for position, (positive, *negatives) in zip(order, found.tolist()):
        start = max(data.offsets[data.sequences[position]], position - 10)
        seen = set(data.items[start : position + 1].tolist())
        assert positive == data.items[position]
        shares = dict.fromkeys(set(range(1, 61)) - seen, 1)
        key = splitmix.key_of(3, -1, int(position))
        assert negatives == splitmix.choose(key, 6, shares)


def test_training_negatives_equal_the_oracle():
    data = toy_data()
    batches = collect(
        make_dataset(data, negatives=4, seed=5, first_step=0),
        2 * num_batches(data),
    )
    expected = {}
    for epoch, position in itertools.product(range(2), data.positions("train")):
        sequence = data.sequences[position]
        seen = data.items[data.offsets[sequence] : position + 1].tolist()
        shares = dict.fromkeys(set(range(1, 61)) - set(seen), 1)
        key = splitmix.key_of(5, epoch, int(position))
        negatives = splitmix.choose(key, 4, shares)
        row = (seen[-1], *negatives)
        expected.setdefault((epoch, int(sequence)), []).append(row)
    found = {}
    for step, (x, _) in enumerate(batches):
        epoch = step // num_batches(data)
        for user, row in zip(x["user"], x["candidates"].tolist()):
            found.setdefault((epoch, int(user)), []).append(tuple(row))
    assert {key: sorted(value) for key, value in found.items()} == {
        key: sorted(value) for key, value in expected.items()
    }


def test_test_negatives_do_not_depend_on_batches_or_buckets():
    data = toy_data()

    def by_position(negatives=9, **options):
        dataset = make_dataset(data, "test", negatives=negatives, **options)
        found = np.concatenate([x["candidates"] for x, _ in collect(dataset)])
        options.pop("batch_size", None)
        order = evaluation_order(data, "test", **options)
        return found[np.argsort(order)]

    expected = by_position()
    for options in (
        {"batch_size": 3},
        {"bucket_widths": ()},
        {"bucket_widths": (5, 6, 7), "batch_size": 11},
        {"max_length": 500},
    ):
        np.testing.assert_array_equal(by_position(**options), expected)
    np.testing.assert_array_equal(by_position(4), expected[:, :5])


def test_same_seed_same_batches_and_another_seed_others():
    data = toy_data()
    for options in ({}, {"part": "test"}, {"first_step": 2}):
        first = collect(make_dataset(data, **options, batch_size=50), 6)
        assert_same(
            first, collect(make_dataset(data, **options, batch_size=50), 6)
        )
        other = collect(make_dataset(data, **options, batch_size=50, seed=1), 6)
        assert any(
            (x["candidates"] != z["candidates"]).any()
            for (x, _), (z, _) in zip(first, other)
            if x["candidates"].shape == z["candidates"].shape
        )


def test_each_iteration_is_a_new_epoch():
    dataset = make_dataset(toy_data(), batch_size=50)
    first, second = collect(dataset), collect(dataset)
    assert samples(first) == samples(second)
    assert rows(first, "history") != rows(second, "history")
    assert sorted(rows(first, "candidates")) != sorted(
        rows(second, "candidates")
    )


def test_test_batches_are_the_same_at_each_iteration():
    dataset = make_dataset(toy_data(), "test")
    assert_same(collect(dataset), collect(dataset))


@pytest.mark.parametrize("step", [1, 10, 25])
def test_stream_goes_on_at_any_step(step):
    data = toy_data()
    options = {"batch_size": 50, "shared_negatives": 4, "negatives": 2}
    whole = collect(make_dataset(data, first_step=0, **options), step + 12)
    rest = collect(make_dataset(data, first_step=step, **options), 12)
    assert_same(whole[step:], rest)


def test_epochs_of_the_stream_are_complete():
    data = toy_data()
    count = num_batches(data, batch_size=50)
    stream = make_dataset(data, first_step=count, batch_size=50)
    batches = collect(stream, 2 * count)
    assert samples(batches[:count]) == expected_samples(data, "train", 100)
    assert samples(batches[count:]) == expected_samples(data, "train", 100)
    assert rows(batches[:count], "history") != rows(batches[count:], "history")


def test_order_is_shuffled_inside_a_bucket_and_over_batches():
    data = toy_data(num_sequences=300)
    batches = collect(make_dataset(data, batch_size=64, negatives=0))
    widths = [x["history"].shape[1] for x, _ in batches]
    assert widths != sorted(widths)
    # In the order of the data, users ascend inside a batch.
    steps = np.concatenate([np.diff(x["user"]) for x, _ in batches])
    assert 0.4 < (steps < 0).mean() < 0.6


def test_events_after_a_target_change_nothing_in_its_row():
    data = toy_data()
    position = int(data.positions("train")[25])
    items, times = data.items.copy(), data.times.copy()
    sequence = data.sequences[position]
    later = slice(position + 1, data.offsets[sequence + 1])
    assert data.parts[later].max() == 2
    items[later] = 61 - items[later]
    times[later] += 1_000_000
    changed = dataclasses.replace(data, items=items, times=times)
    features = tuple(key for key in FEATURES if key != "excluded")
    options = {"first_step": 0, "features": features, "batch_size": 1}

    def row(source):
        start = data.offsets[sequence]
        for x, y in make_dataset(source, **options).as_numpy_iterator():
            known = (x["history"] > 0).sum()
            if x["user"] == sequence and known == position - start:
                return [(x, y)]

    assert_same(row(data), row(changed))


def test_shared_negatives_ignore_the_positive():
    data = toy_data(num_items=30)
    dataset = make_dataset(data, shared_negatives=50, negatives=2, first_step=0)
    seen = set()
    for x, y in collect(dataset, 4):
        shared = x["shared_negatives"]
        same = shared[None, :] == x["candidates"][:, :1]
        assert same.any()
        np.testing.assert_array_equal(y[:, 3:], np.where(same, -1, 0))
        np.testing.assert_array_equal(y[:, :3], [[1, 0, 0]] * len(y))
        assert shared.min() >= 1
        seen.add(shared.tobytes())
    assert len(seen) == 4


def test_popularity_counts_training_events_only():
    data = toy_data(num_sequences=400, num_items=8)
    items = data.items.copy()
    items[(data.parts == 0) & (items == 2)] = 1
    items[data.parts == 2] = 2
    data = dataclasses.replace(data, items=items)
    dataset = make_dataset(
        data,
        shared_negatives=1000,
        negatives=0,
        sampling="popularity",
        popularity_exponent=1.0,
        logq_correction=True,
        batch_size=512,
        first_step=0,
    )
    batches = collect(dataset, 8)
    drawn = np.concatenate([x["shared_negatives"] for x, _ in batches])
    trained = np.bincount(items[data.parts == 0], minlength=9)
    expected = trained / trained.sum()
    found = np.bincount(drawn, minlength=9) / len(drawn)
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert 2 not in drawn
    (x, _) = batches[0]
    ids = np.concatenate([x["candidates"][5], x["shared_negatives"]])
    np.testing.assert_allclose(
        x["log_sampling_probability"][5],
        np.log(1000 * expected[ids]),
        rtol=1e-5,
    )


def test_correction_of_uniform_sampling_is_constant():
    dataset = make_dataset(toy_data(), negatives=6, logq_correction=True)
    ((x, _),) = collect(dataset, 1)
    np.testing.assert_allclose(
        x["log_sampling_probability"], np.log(6 / 60), rtol=1e-6
    )


def test_a_catalogue_that_a_user_has_seen_whole():
    data = toy_data(num_items=3)
    batches = collect(make_dataset(data, negatives=4))
    assert samples(batches) == expected_samples(data, "train", 100)
    for x, _ in batches:
        assert x["candidates"].min() >= 1
        assert (x["candidates"][:, 1:] != x["candidates"][:, :1]).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"part": "tset"}, ValueError, "Did you mean 'test'"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"max_length": 0}, ValueError, "max_length"),
        ({"negatives": -1}, ValueError, "negatives"),
        ({"shared_negatives": -1}, ValueError, "shared_negatives"),
        ({"sampling": "popular"}, ValueError, "mean 'popularity'"),
        ({"exclude": "users"}, ValueError, "mean 'user'"),
        ({"features": ("histor_time",)}, ValueError, "'history_time'"),
        ({"seed": -1}, ValueError, "seed"),
        ({"first_step": -1}, ValueError, "first_step"),
        ({"first_step": 1, "part": "test"}, ValueError, "one order"),
        ({"negatives": 0, "logq_correction": True}, ValueError, "negatives"),
    ],
)
def test_wrong_argument(options, error, message):
    with pytest.raises(error, match=message):
        make_dataset(toy_data(), **options)


@pytest.mark.parametrize("key", ["history_category", "candidate_category"])
def test_a_feature_that_the_data_lack(key):
    data = dataclasses.replace(toy_data(), item_categories=None)
    with pytest.raises(DataError, match=f"`{key}`.*category column"):
        make_dataset(data, features=(key,))


def test_a_single_item_has_no_negatives():
    data = toy_data(num_items=1)
    with pytest.raises(UserError, match="single item"):
        make_dataset(data)
    assert len(collect(make_dataset(data, negatives=0), 1)) == 1


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_what_is_drawn_for_a_user_of_everything_is_no_negative(part):
    """Evaluation ignores it; training has nothing better."""
    events = [("u", item, time) for time, item in enumerate("abcabca")]
    events += [("v", item, time) for time, item in enumerate("ababab")]
    data = split_log(log_of(events), "leave_one_out")
    (features, labels), *_ = make_dataset(
        data, part, negatives=2, exclude="user", batch_size=9
    )
    ignored = (np.asarray(labels)[:, 1:] == -1).all(axis=1)
    assert (np.asarray(labels)[:, 0] == 1).all()
    kept = np.asarray(labels)[~ignored, 1:]
    assert (kept == 0).all() and len(kept)
    everything = np.asarray(features["user"]) == 1
    expected = everything if part != "train" else np.zeros_like(everything)
    np.testing.assert_array_equal(ignored, expected)


def avoided(data, features, row, part, exclude):
    """Returns what a sample excludes, the positive among it, as a set."""
    positive = int(features["candidates"][row, 0])
    if exclude == "none" or part == "train":
        return {positive}
    if exclude == "history":
        return {positive, *features["history"][row].tolist()} - {0}
    user = features["user"][row]
    start, end = data.offsets[user], data.offsets[user + 1]
    known = data.parts[start:end] <= ("train", "validation", "test").index(part)
    return set(data.items[start:end][known].tolist())


@pytest.mark.parametrize("exclude", ["history", "user", "none"])
@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_all_items_are_candidates_once(part, exclude):
    data = toy_data()
    options = {"max_length": 10, "batch_size": 16, "exclude": exclude}
    dataset = make_dataset(data, part, negatives="all", **options)
    batches = collect(dataset)
    assert samples(batches) == expected_samples(data, part, 10)
    for x, y in batches:
        rows_of_batch = len(y)
        assert x["candidates"].shape == (rows_of_batch, 1)
        assert x["shared_negatives"].tolist() == list(range(1, 61))
        assert x["shared_negatives"].dtype == "int32"
        assert y.shape == (rows_of_batch, 61) and y.dtype == "float32"
        np.testing.assert_array_equal(y[:, 0], 1.0)
        for row in range(rows_of_batch):
            ignored = set((np.flatnonzero(y[row, 1:] == -1) + 1).tolist())
            assert ignored == avoided(data, x, row, part, exclude)
        assert set(np.unique(y[:, 1:])) == {-1.0, 0.0}
    assert dataset.element_spec[1].shape[1] == 61


def test_order_and_histories_are_those_of_drawn_negatives():
    data = toy_data()
    drawn = collect(make_dataset(data, first_step=0, batch_size=50), 20)
    every = make_dataset(data, first_step=0, batch_size=50, negatives="all")
    for (x, _), (z, _) in zip(drawn, collect(every, 20)):
        for key in ("user", "history"):
            np.testing.assert_array_equal(x[key], z[key])
        np.testing.assert_array_equal(x["candidates"][:, :1], z["candidates"])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"shared_negatives": 3}, "needs shared_negatives=0. Received: .*=3"),
        ({"sampling": "popularity"}, "needs sampling='uniform'"),
        ({"logq_correction": True}, "needs logq_correction=False"),
    ],
)
def test_nothing_is_drawn_where_all_are_candidates(options, message):
    with pytest.raises(ValueError, match=f"draws nothing, so it {message}"):
        make_dataset(toy_data(), negatives="all", **options)


def test_negatives_are_a_number_or_all():
    with pytest.raises(ValueError, match="must be a number or 'all'"):
        make_dataset(toy_data(), negatives="every")
    with pytest.raises(UserError, match="single item"):
        make_dataset(toy_data(num_items=1), negatives="all")


@pytest.mark.parametrize("part", ["train", "test"])
def test_no_stream_starts_the_tuner_whose_sleep_delays_its_end(part):
    options = make_dataset(toy_data(), part).options()
    assert options.autotune.enabled is False
