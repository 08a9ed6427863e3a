"""The picture of quality against time."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks import quality_time
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.studies.packed_ranks import PackedRanks
from tests.docs.pages import ROOT


def write_ranks(path, **columns):
    """Writes packed ranks of two models, one with three seeds."""
    table = pd.DataFrame(
        {
            "model": ["mgnm", "mgnm", "mgnm", "gru4rec"],
            "seed": [0, 1, 2, 0],
            "ndcg@10": [0.2, 0.3, 0.4, 0.1],
            "seconds": [60.0, 120.0, 540.0, 30.0],
            **columns,
        }
    )
    PackedRanks(
        table,
        Protocol(),
        users=np.zeros(1, np.int32),
        negatives=np.ones(1, np.uint16),
        ranks=np.zeros((4, 1), np.uint16),
        later=None,
    ).save(path)


def test_points_are_means_of_quality_and_medians_of_time(tmp_path):
    write_ranks(tmp_path / "a.npz")
    write_ranks(tmp_path / "b.npz", model=["mgnm", "mgnm", "sasrec", "gru4rec"])
    one, other = tmp_path / "a.npz", tmp_path / "b.npz"
    rows = quality_time.points(one, one, "ndcg@10")
    assert list(rows.index) == ["mgnm", "gru4rec"]
    first = rows.loc["mgnm"]
    assert first["quality"] == pytest.approx(0.3)
    assert (first["quality_least"], first["quality_most"]) == (0.2, 0.4)
    assert first["minutes"] == 2.0
    assert (first["minutes_least"], first["minutes_most"]) == (1.0, 9.0)
    # Quality of one study, times of another one.
    rows = quality_time.points(other, one, "ndcg@10")
    assert list(rows.index) == ["mgnm", "gru4rec"]
    assert rows.loc["mgnm", "quality"] == pytest.approx(0.25)
    assert rows.loc["mgnm", "minutes"] == 2.0


def test_the_command_writes_the_same_picture_again(tmp_path):
    write_ranks(tmp_path / "ranks.npz")
    pictures = []
    for name in ("a.svg", "b.svg"):
        ranks = str(tmp_path / "ranks.npz")
        result = CliRunner().invoke(
            quality_time.app,
            [ranks, ranks, "--out", str(tmp_path / name)],
        )
        assert result.exit_code == 0, result.output
        pictures.append((tmp_path / name).read_text())
    assert pictures[0] == pictures[1]
    assert ">mgnm<" in pictures[0] and ">gru4rec<" in pictures[0]
    assert ">NDCG@10 of the test part<" in pictures[0]


def test_what_is_missing_is_said(tmp_path):
    ranks = tmp_path / "ranks.npz"
    with pytest.raises(UserError, match="x.npz holds no packed ranks"):
        quality_time.points(tmp_path / "x.npz", ranks, "ndcg@10")
    write_ranks(ranks, seconds=[np.nan] * 4)
    with pytest.raises(UserError, match="has no seconds"):
        quality_time.points(ranks, ranks, "ndcg@10")
    with pytest.raises(UserError, match="has no ndcg@5"):
        quality_time.points(ranks, ranks, "ndcg@5")


def test_the_picture_of_readme_is_that_of_the_committed_results():
    results = ROOT / "studies/results"
    rows = quality_time.points(
        results / "toys-catalogue/ranks.npz",
        results / "toys-leave-one-out/ranks.npz",
        "ndcg@10",
    )
    drawn = quality_time.draw(rows, "ndcg@10")
    assert (ROOT / "docs/images/quality-time.svg").read_text() == drawn
