"""What holds for the batches of any data: found with `hypothesis`.

Every event of a world has a time of its own, its position in the data, so
that a row of a batch tells which events it was made of.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from mgnm_tf.data.batches.batch_plan import plan_batches
from mgnm_tf.data.batches.batch_plan import resolve_widths
from mgnm_tf.data.batches.negatives import NegativeSampler
from mgnm_tf.data.batches.pipeline import EXCLUSIONS
from mgnm_tf.data.batches.pipeline import SAMPLINGS
from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.batches.pipeline import num_batches
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.parts import PARTS

REPRODUCIBLE = {"deadline": None, "derandomize": True, "database": None}
NOW = 1_500_000_000


@st.composite
def worlds(draw):
    """Sequences of repeated items, each cut into three parts in time."""
    num_items = draw(st.integers(2, 9))
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    # Each part has a target, and so has an epoch of more than one batch.
    lengths = [6, 5, *lengths]
    offsets = np.concatenate([[0, 0], np.cumsum(lengths)])
    size = int(offsets[-1])
    parts = np.zeros(size, np.int8)
    for number, length in enumerate(lengths, start=1):
        ends = sorted(draw(st.tuples(*[st.integers(0, length)] * 2)))
        if number <= 2:
            ends = [length - 2, length - 1]
        for end in ends:
            parts[offsets[number] + end : offsets[number + 1]] += 1
    items = st.lists(st.integers(1, num_items), min_size=size, max_size=size)
    return SequenceDataset(
        items=np.array(draw(items), np.int32),
        times=NOW + np.arange(size),
        parts=parts,
        sequences=np.repeat(np.arange(1, len(lengths) + 1), lengths).astype(
            np.int32
        ),
        offsets=offsets.astype(np.int64),
        user_ids=[f"user {n}" for n in range(len(lengths))],
        item_ids=[f"item {n}" for n in range(num_items)],
        num_users=draw(st.integers(0, len(lengths))),
    )


@st.composite
def pipelines(draw):
    """Arguments of `make_dataset` besides the data."""
    max_length = draw(st.integers(1, 7))
    widths = st.lists(st.integers(1, max_length), max_size=3)
    return {
        "batch_size": draw(st.integers(1, 8)),
        "max_length": max_length,
        "negatives": draw(st.integers(0, 5)),
        "shared_negatives": draw(st.integers(0, 4)),
        "sampling": draw(st.sampled_from(SAMPLINGS)),
        "exclude": draw(st.sampled_from(EXCLUSIONS)),
        "bucket_widths": draw(st.none() | widths),
        "seed": draw(st.integers(0, 2**31 - 1)),
        "features": ("history_time", "candidate_time"),
    }


def collect(dataset, count=None):
    """Returns [(features, labels)] with NumPy arrays."""
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def positions_of(batches):
    """Returns the positions of the positives, in their order."""
    times = [x["candidate_time"][:, 0] for x, _ in batches]
    return np.concatenate(times) - NOW


def targets_of(data, part):
    """Returns the positions with an earlier event of the same sequence."""
    number = PARTS.index(part)
    return [
        position
        for start, end in itertools.pairwise(data.offsets[1:])
        for position in range(start + 1, end)
        if data.parts[position] == number
    ]


def check_history(data, features, position, row, max_length):
    """The history is the last events before the target, padded at the end."""
    sequence = data.sequences[position]
    start = max(data.offsets[sequence], position - max_length)
    length = position - start
    history, times = features["history"][row], features["history_time"][row]
    assert history[:length].tolist() == data.items[start:position].tolist()
    assert times[:length].tolist() == list(range(NOW + start, NOW + position))
    assert not history[length:].any()
    assert not times[length:].any()
    known = sequence <= data.num_users
    assert features["user"][row] == (sequence if known else 0)


def check_candidates(data, part, exclude, features, labels, position, row):
    """The positive comes first; no negative is it, or what must not occur."""
    positive, *negatives = features["candidates"][row].tolist()
    count = 1 + len(negatives)
    assert positive == data.items[position]
    assert labels[row, 0] == 1
    assert set(negatives) <= set(range(1, data.num_items + 1)) - {positive}
    sequence = data.sequences == data.sequences[position]
    excluded = {
        "none": {positive},
        "history": {positive, *features["history"][row].tolist()} - {0},
        "user": {*data.items[sequence & (data.parts <= PARTS.index(part))]},
    }[exclude]
    if len(excluded) < data.num_items:
        assert not excluded & set(negatives)
        assert not labels[row, 1:count].any()
    else:
        expected = 0 if part == "train" else -1
        assert (labels[row, 1:count] == expected).all()
    if "shared_negatives" in features:
        shared = features["shared_negatives"]
        assert ((shared >= 1) & (shared <= data.num_items)).all()
        expected = np.where(shared == positive, -1, 0)
        np.testing.assert_array_equal(labels[row, count:], expected)


@settings(max_examples=8, **REPRODUCIBLE)
@given(data=worlds(), options=pipelines())
@pytest.mark.parametrize("part", PARTS)
def test_batches_hold_each_target_once_and_what_is_before_it(
    part, data, options
):
    batches = collect(make_dataset(data, part, **options))
    positions = positions_of(batches)
    assert sorted(positions) == targets_of(data, part)
    size = options["batch_size"]
    assert len(batches) == num_batches(data, part, batch_size=size)
    sizes = sorted(len(x["user"]) for x, _ in batches)
    assert sizes[1:] == [size] * (len(sizes) - 1) and 0 < sizes[0] <= size
    widths = resolve_widths(options["max_length"], options["bucket_widths"])
    assert {x["history"].shape[1] for x, _ in batches} <= set(widths)
    each = iter(positions)
    for features, labels in batches:
        for row in range(len(labels)):
            position = next(each)
            check_history(data, features, position, row, options["max_length"])
            check_candidates(
                data, part, options["exclude"], features, labels, position, row
            )


@settings(max_examples=8, **REPRODUCIBLE)
@given(data=worlds(), options=pipelines(), step=st.integers(0, 40))
def test_batches_are_a_function_of_seed_epoch_and_step(data, options, step):
    count = num_batches(data, batch_size=options["batch_size"])
    whole = collect(
        make_dataset(data, first_step=0, **options), step + 2 * count
    )
    rest = collect(make_dataset(data, first_step=step, **options), 2 * count)
    for (x, y), (other_x, other_y) in zip(whole[step:], rest, strict=True):
        assert x.keys() == other_x.keys()
        for key in x:
            np.testing.assert_array_equal(x[key], other_x[key], err_msg=key)
        np.testing.assert_array_equal(y, other_y)
    targets = targets_of(data, "train")
    for first in range(0, len(whole) - count + 1, count):
        assert sorted(positions_of(whole[first : first + count])) == targets


@settings(max_examples=60, **REPRODUCIBLE)
@given(data=worlds(), options=pipelines(), part=st.sampled_from(PARTS))
def test_a_plan_holds_each_target_in_the_bucket_of_its_length(
    data, options, part
):
    max_length = options["max_length"]
    plan = plan_batches(data, part, max_length, options["bucket_widths"])
    assert sorted(plan.positions) == targets_of(data, part)
    widths = resolve_widths(max_length, options["bucket_widths"])
    ends = [*plan.starts[1:], len(plan.positions)]
    assert plan.starts[0] == 0
    for start, end, size, width in zip(
        plan.starts, ends, plan.sizes, plan.widths, strict=True
    ):
        assert end - start == size > 0
        inside = plan.positions[start:end]
        assert (np.diff(inside) > 0).all()
        length = inside - data.offsets[data.sequences[inside]]
        below = [one for one in (0, *widths) if one < width]
        assert (np.minimum(length, max_length) <= width).all()
        assert (np.minimum(length, max_length) > below[-1]).all()


@st.composite
def draws(draw):
    """A sampler, its keys, what is excluded, and the positives."""
    num_items = draw(st.integers(2, 12))
    ids = st.integers(1, num_items)
    rows = draw(st.lists(st.lists(ids, min_size=5, max_size=5), min_size=1))
    weight = st.sampled_from([0.0, 1e-12, 0.5, 1.0, 3.0])
    weights = st.lists(
        weight, min_size=num_items + 1, max_size=num_items + 1
    ).filter(lambda values: sum(values[1:]) > 0)
    weights = draw(st.none() | weights)
    if weights is not None:
        weights = np.array(weights)
    keys = st.lists(
        st.integers(0, 2**64 - 1), min_size=len(rows), max_size=len(rows)
    )
    excluded = np.sort(np.pad(np.array(rows), [(0, 0), (1, 0)]), axis=1)
    positive = np.array([draw(st.sampled_from(row)) for row in rows])
    return NegativeSampler(num_items, weights), draw(keys), excluded, positive


@settings(max_examples=60, **REPRODUCIBLE)
@given(case=draws(), count=st.integers(1, 20))
def test_negatives_are_items_that_may_occur(case, count):
    sampler, keys, excluded, positive = case

    def of(rows, number):
        return sampler.draw_for(
            tf.constant([keys[row] for row in rows], tf.uint64),
            number,
            tf.constant(excluded[rows], tf.int32),
            tf.constant(positive[rows], tf.int32),
        ).numpy()

    every = list(range(len(keys)))
    found = of(every, count)
    assert found.shape == (len(keys), count)
    items = set(range(1, sampler.num_items + 1))
    for row in every:
        allowed = items - {*excluded[row].tolist()}
        assert set(found[row]) <= (allowed or items - {positive[row]})
    # A row's draws are a function of its key, and fewer the first of more.
    alone = of(every[-1:], max(1, count // 2))[0]
    np.testing.assert_array_equal(alone, found[-1, : len(alone)])
