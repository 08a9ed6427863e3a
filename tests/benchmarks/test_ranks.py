"""Ranks of a comparison in one file."""

import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.studies import ranks
from mgnm_tf.evaluation.evaluate import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.experiments.compare import compare
from mgnm_tf.experiments.summary import summary_of
from tests.training.worlds import small_data


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    small_data().save(folder / "data")
    summary = compare(
        folder / "data",
        ["popularity", "item_knn"],
        [0, 1],
        folder / "runs",
        protocol=Protocol(negatives=50),
    )
    return folder / "runs", summary


def run(*arguments):
    return CliRunner().invoke(ranks.app, [str(one) for one in arguments])


def test_packed_ranks_give_the_same_summary(comparison, tmp_path):
    folder, summary = comparison
    out = tmp_path / "new" / "ranks.npz"
    out.parent.mkdir()
    ranks.pack(folder, out)
    again = summary_of(*ranks.unpack(out), [])
    assert again["best"] == summary["best"]
    for label, entry in summary["models"].items():
        for key in ("test", "std", "pvalues"):
            assert again["models"][label][key] == pytest.approx(entry[key])
    # The figures of the table are those of the ranks.
    _, evaluations = ranks.unpack(out)
    metrics = [one.metrics() for one in evaluations["item_knn"]]
    for name, value in summary["models"]["item_knn"]["test"].items():
        found = np.mean([one[name] for one in metrics])
        assert found == pytest.approx(value, abs=1e-6)


def test_no_id_of_the_data_is_written(comparison, tmp_path):
    folder, _ = comparison
    ranks.pack(folder, tmp_path / "ranks.npz")
    with np.load(tmp_path / "ranks.npz") as file:
        assert set(file.files) == {
            *("results", "protocol", "users", "negatives", "ranks")
        }
        users = file["users"]
        assert users.dtype == np.int32 and users.min() == 0
        assert file["ranks"].shape == (4, len(users))
        assert str(folder) not in str(file["results"])


def test_the_command_prints_the_table(comparison, tmp_path):
    folder, summary = comparison
    out = tmp_path / "ranks.npz"
    packed = run(folder, "--out", out)
    assert packed.exit_code == 0, packed.output
    printed = run(out)
    assert printed.output == packed.output
    lines = printed.output.splitlines()
    assert lines[0].startswith("| Model | GAUC | NDCG@5 |")
    gauc = summary["models"]["popularity"]["test"]["gauc"]
    assert lines[2].startswith(f"| `popularity` | <u>{gauc:.4f} ± 0.0000")
    assert "| `item_knn` | **0." in lines[3]


def test_wrong_input(comparison, tmp_path):
    folder, _ = comparison
    done = run(folder)
    assert done.exit_code == 1 and "and --out" in done.output
    done = run(tmp_path, "--out", tmp_path / "ranks.npz")
    assert done.exit_code == 1 and "is no comparison" in done.output
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    path = other / "item_knn" / "seed-1" / "test_ranks.parquet"
    found = Evaluation.load(path)
    fewer = Evaluation(found.protocol, found.samples[1:])
    fewer.save(path, overwrite=True)
    done = run(other, "--out", tmp_path / "ranks.npz")
    assert done.exit_code == 1 and "ranked other records" in done.output
    assert not (tmp_path / "ranks.npz").exists()
