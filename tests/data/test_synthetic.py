"""The planted structure is there, and the same every time."""

import errno

import numpy as np
import pandas as pd
import pyarrow.csv
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.data.synthetic import write_world
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError


@pytest.fixture(scope="module")
def world():
    return make_world(
        300, 1200, num_events=30_000, seed=3, noise=0.2, truth=True
    )


def test_columns_counts_and_order(world):
    assert list(world.columns) == [
        "user_id",
        "item_id",
        "timestamp",
        "category",
        "interest",
        "fine",
        "topic",
    ]
    assert len(world) == 30_000
    assert set(world["user_id"]) == set(range(1, 301))
    assert world["item_id"].between(1, 1200).all()
    assert world["item_id"].nunique() > 1150
    assert world["timestamp"].is_monotonic_increasing
    gaps = world.groupby("user_id")["timestamp"].diff().dropna()
    assert gaps.min() >= 1
    assert world.groupby("user_id").size().min() >= 3


def test_same_seed_same_world(world):
    arguments = {"num_events": 30_000, "noise": 0.2, "truth": True}
    again = make_world(300, 1200, seed=3, **arguments)
    pd.testing.assert_frame_equal(world, again)
    other = make_world(300, 1200, seed=4, **arguments)
    assert (world["item_id"] != other["item_id"]).mean() > 0.9


def test_an_item_has_one_topic_and_a_topic_one_category(world):
    assert world.groupby("item_id")["topic"].nunique().max() == 1
    assert world.groupby("topic")["category"].nunique().max() == 1
    assert world["category"].nunique() == 10
    assert world["topic"].nunique() == 100


def test_interests(world):
    assert np.isclose((world["interest"] < 0).mean(), 0.2, atol=0.01)
    chosen = world[world["interest"] >= 0]
    by_interest = chosen.groupby(["user_id", "interest"])
    # One category an interest, another for each interest of a user.
    assert by_interest["category"].nunique().max() == 1
    categories = by_interest["category"].first()
    assert (
        categories.groupby("user_id")
        .nunique()
        .equals(categories.groupby("user_id").size())
    )
    # Two fine ones of one topic, two coarse ones of many.
    assert by_interest["fine"].nunique().max() == 1
    fine = by_interest["fine"].first().groupby("user_id").sum()
    sizes = by_interest["fine"].first().groupby("user_id").size()
    assert (fine[sizes == 4] == 2).all()
    topics = by_interest["topic"].nunique()
    is_fine = by_interest["fine"].first()
    assert topics[is_fine].max() == 1
    assert topics[~is_fine & (by_interest.size() > 30)].min() >= 5


def test_interests_go_by_turns(world):
    chosen = world[world["interest"] >= 0]
    last = chosen.groupby("user_id")["interest"].shift()
    stays = (last == chosen["interest"])[last.notna()].mean()
    # With equal weights 1 in 4; unequal ones stay a bit more often.
    assert 0.25 < stays < 0.45


def test_a_fine_interest_has_two_next_items(world):
    fine = world[(world["interest"] >= 0) & world["fine"]]
    next_item = fine.groupby(["user_id", "interest"])["item_id"].shift(-1)
    followers = next_item.groupby(fine["item_id"]).nunique()
    assert followers.max() == 2
    assert (next_item != fine["item_id"]).all()


def test_a_coarse_interest_stays_or_goes_to_the_next_topic(world):
    coarse = world[(world["interest"] >= 0) & ~world["fine"]]
    by_interest = coarse.groupby(["user_id", "interest"])["topic"]
    step = (by_interest.shift(-1) - coarse["topic"]).dropna() % 10
    assert set(step) == {0, 1}
    assert np.isclose(step.mean(), 0.5, atol=0.03)


def test_raw_ids_tell_nothing(world):
    pairs = world.drop_duplicates("item_id")[["item_id", "topic"]]
    assert abs(pairs.corr().iloc[0, 1]) < 0.1


def test_truth_is_optional():
    world = make_world(9, 480, seed=0)
    assert list(world.columns) == [
        "user_id",
        "item_id",
        "timestamp",
        "category",
    ]
    assert len(world) == 450


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((9, 479), UserError, "must be at least 480 for 4 interests"),
        ((0, 480), ValueError, "`num_users` must be at least 1"),
        ((9, 480.0), TypeError, "`num_items` must be an integer"),
    ],
)
def test_wrong_counts(arguments, error, message):
    with pytest.raises(error, match=message):
        make_world(*arguments, seed=0)


def test_too_few_events():
    with pytest.raises(UserError, match="at least 3 a user, 27"):
        make_world(9, 480, seed=0, num_events=26)


@pytest.mark.parametrize("name", ["world.csv", "world.csv.gz"])
def test_write_world(tmp_path, name):
    path = tmp_path / "new" / name
    write_world(path, 9, 480, seed=0)
    expected = make_world(9, 480, seed=0)
    pd.testing.assert_frame_equal(
        pd.read_csv(path, dtype=expected.dtypes.to_dict()), expected
    )
    assert len(read_log(path, category_column="category")) == len(expected)
    with pytest.raises(OutputExistsError, match="exists already"):
        write_world(path, 9, 480, seed=0)


def test_disk_full_leaves_nothing(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pyarrow.csv, "write_csv", full)
    with pytest.raises(UserError, match="world.csv could not be written"):
        write_world(tmp_path / "world.csv", 9, 480, seed=0)
    assert list(tmp_path.iterdir()) == []
