"""Ranks of many runs in one small file."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.studies.packed_ranks import PackedRanks

PROTOCOL = Protocol(negatives=50)


def evaluation(ranks, negatives=50, protocol=PROTOCOL):
    count = len(ranks)
    return Evaluation(
        protocol,
        pd.DataFrame(
            {
                "user_id": [f"user {number % 3}" for number in range(count)],
                "item_id": "item",
                "position": np.arange(count),
                "rank": np.asarray(ranks, np.float32),
                "num_negatives": negatives,
            }
        ),
    )


def rows(*runs):
    table = pd.DataFrame(runs, columns=["model", "seed"])
    return table.assign(folder="/somewhere/secret", **{"hit@5": 0.0})


@pytest.fixture
def packed():
    first, second = evaluation([0, 2.5, 9, 30]), evaluation([4, 5, 0, 0])
    later = np.array([True, False, True, True])
    return PackedRanks.pack(rows(("a", 0), ("b", 0)), [first, second], later)


def test_a_file_gives_the_ranks_back(packed, tmp_path):
    packed.save(tmp_path / "ranks.npz")
    table, found = PackedRanks.load(tmp_path / "ranks.npz").evaluations()
    assert table["model"].tolist() == ["a", "b"]
    assert found["a"][0].samples["rank"].tolist() == [0, 2.5, 9, 30]
    expected = evaluation([4, 5, 0, 0]).metrics()
    assert found["b"][0].metrics() == pytest.approx(expected)


def test_no_id_of_the_data_is_written(packed, tmp_path):
    packed.save(tmp_path / "ranks.npz")
    with np.load(tmp_path / "ranks.npz", allow_pickle=False) as file:
        assert file["users"].dtype == np.int32
        texts = "".join(str(file[name]) for name in file.files)
    assert "user 1" not in texts and "secret" not in texts


def test_only_later_records(packed):
    table, found = packed.evaluations(later_only=True)
    assert found["a"][0].samples["rank"].tolist() == [0, 9, 30]
    assert found["a"][0].protocol.later_only
    assert table["hit@5"].tolist() == pytest.approx([1 / 3, 1])
    with pytest.raises(UserError, match="is not known"):
        dataclasses.replace(packed, later=None).evaluations(later_only=True)


def test_lengths_are_kept_where_there_are_some(packed, tmp_path):
    lengths = np.array([1, 5, 2, 70_000])
    one = PackedRanks.pack(
        rows(("a", 0)), [evaluation([0, 2.5, 9, 30])], None, lengths
    )
    one.save(tmp_path / "ranks.npz")
    found = PackedRanks.load(tmp_path / "ranks.npz")
    assert found.lengths.tolist() == lengths.tolist()
    assert packed.lengths is None
    packed.save(tmp_path / "ranks.npz")
    assert PackedRanks.load(tmp_path / "ranks.npz").lengths is None
    other = dataclasses.replace(packed.select([("b", 0)]), later=None)
    assert other.joined(one).lengths.tolist() == lengths.tolist()


def test_runs_are_selected_and_joined(packed):
    one, other = packed.select([("b", 0)]), packed.select([("a", 0)])
    together = one.joined(other)
    assert together.runs == [("b", 0), ("a", 0)]
    _, found = together.evaluations()
    assert found["a"][0].samples["rank"].tolist() == [0, 2.5, 9, 30]


def test_runs_that_do_not_fit_are_refused(packed):
    other = PackedRanks.pack(
        rows(("c", 0)), [evaluation([1, 2, 3, 4], negatives=49)], None
    )
    with pytest.raises(UserError, match="ranked other records"):
        packed.joined(other)
    protocol = Protocol(negatives=40)
    other = PackedRanks.pack(
        rows(("c", 0)), [evaluation([1, 2, 3, 4], 50, protocol)], None
    )
    with pytest.raises(UserError, match="negatives is 40, was 50"):
        packed.joined(other)
    pair = [evaluation([1, 2]), evaluation([1, 2, 3])]
    with pytest.raises(UserError, match="c, seed 1, ranked other records"):
        PackedRanks.pack(rows(("c", 0), ("c", 1)), pair, None)


def test_ranks_of_a_large_catalogue_are_kept(tmp_path):
    wide = evaluation([40_000.5, 1], negatives=300_000)
    packed = PackedRanks.pack(rows(("a", 0)), [wide], None)
    packed.save(tmp_path / "ranks.npz")
    _, found = PackedRanks.load(tmp_path / "ranks.npz").evaluations()
    samples = found["a"][0].samples
    assert samples["rank"][0] == 40_000.5
    assert set(samples["num_negatives"]) == {300_000}


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.npz").write_text("no ranks")
    with pytest.raises(UserError, match="a.npz holds no packed ranks"):
        PackedRanks.load(tmp_path / "a.npz")
