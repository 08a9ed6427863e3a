"""The picture of quality against speed."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks import quality_speed
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
            "ndcg@5": [0.2, 0.3, 0.4, 0.1],
            "positives_per_second": [10.0, 20.0, 90.0, 300.0],
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


def test_points_are_means_of_quality_and_medians_of_speed(tmp_path):
    write_ranks(tmp_path / "ranks.npz")
    rows = quality_speed.points(tmp_path / "ranks.npz")
    assert list(rows.index) == ["mgnm", "gru4rec"]
    first = rows.loc["mgnm"]
    assert first["quality"] == pytest.approx(0.3)
    assert (first["quality_least"], first["quality_most"]) == (0.2, 0.4)
    assert first["speed"] == 20.0
    assert (first["speed_least"], first["speed_most"]) == (10.0, 90.0)


def test_the_command_writes_the_same_picture_again(tmp_path):
    write_ranks(tmp_path / "ranks.npz")
    pictures = []
    for name in ("a.svg", "b.svg"):
        result = CliRunner().invoke(
            quality_speed.app,
            [str(tmp_path / "ranks.npz"), "--out", str(tmp_path / name)],
        )
        assert result.exit_code == 0, result.output
        pictures.append((tmp_path / name).read_text())
    assert pictures[0] == pictures[1]
    assert ">mgnm<" in pictures[0] and ">gru4rec<" in pictures[0]


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(UserError, match="x.npz holds no packed ranks"):
        quality_speed.points(tmp_path / "x.npz")
    write_ranks(tmp_path / "ranks.npz", positives_per_second=[np.nan] * 4)
    with pytest.raises(UserError, match="has no positives_per_second"):
        quality_speed.points(tmp_path / "ranks.npz")


def test_the_picture_of_readme_is_that_of_the_committed_results():
    ranks = ROOT / "studies/results/toys-leave-one-out/ranks.npz"
    rows = quality_speed.points(ranks)
    text = (ROOT / "docs/images/quality-speed.svg").read_text()
    for model in rows.index:
        assert f">{model}<" in text
    readme = (ROOT / "README.md").read_text()
    for model, quality in rows["quality"].items():
        assert f"{quality:.4f}" in readme, model
