"""Ranks of a comparison in one file."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.studies import ranks
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.studies.compare import compare
from mgnm_tf.studies.summary import summary_of
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
    ranks.pack([folder], out)
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
    ranks.pack([folder], tmp_path / "ranks.npz")
    with np.load(tmp_path / "ranks.npz") as file:
        assert set(file.files) == {
            *("results", "protocol", "users", "negatives", "ranks", "later")
        }
        assert file["later"].dtype == bool
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
    for sources in ([folder], [tmp_path / "a", tmp_path / "b"]):
        done = run(*sources)
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


def means_by_hand(folder, data):
    """Returns label -> mean hit@5 of the later records of its runs."""
    results = pd.read_csv(folder / "results.csv")
    found = {}
    for row in results.itertuples():
        samples = Evaluation.load(
            folder / row.folder / "test_ranks.parquet"
        ).samples
        positions = samples["position"]
        later = data.times[positions] > data.times[positions - 1]
        hits = samples["rank"][later] < 5
        found.setdefault(row.model, []).append(hits.mean())
    return {label: np.mean(values) for label, values in found.items()}


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """Returns a comparison on data whose times are often the same."""
    folder = tmp_path_factory.mktemp("days")
    data = small_data()
    data = dataclasses.replace(data, times=data.times // 400_000 * 400_000)
    data.save(folder / "data")
    for name, models in (("a", ["popularity"]), ("b", ["item_knn"])):
        compare(
            *(folder / "data", models, [0, 1, 2], folder / name),
            protocol=Protocol(negatives=50),
        )
    return folder, data


def test_only_later_records(days, tmp_path):
    folder, data = days
    out = tmp_path / "ranks.npz"
    done = run(folder / "a", "--out", out, "--later-only")
    assert done.exit_code == 0, done.output
    expected = means_by_hand(folder / "a", data)["popularity"]
    _, evaluations = ranks.unpack(out)
    plain = evaluations["popularity"][0].metrics()["hit@5"]
    assert abs(plain - expected) > 1e-4
    assert f"{expected:.4f} ±" in done.output
    assert run(out, "--later-only").output == done.output
    assert f"{expected:.4f} ±" not in run(out).output
    _, evaluations = ranks.unpack(out, later_only=True)
    assert evaluations["popularity"][0].protocol.later_only


def test_several_comparisons_are_one_table(days, tmp_path):
    folder, data = days
    out = tmp_path / "ranks.npz"
    done = run(folder / "a", folder / "b", "--out", out)
    assert done.exit_code == 0, done.output
    assert "`popularity`" in done.output and "`item_knn`" in done.output
    together = summary_of(*ranks.unpack(out), [])
    assert together["models"]["popularity"]["pvalues"]
    expected = means_by_hand(folder / "b", data)["item_knn"]
    later = run(out, "--later-only").output
    assert f"{expected:.4f} ±" in later


def test_comparisons_that_do_not_fit(days, comparison, tmp_path):
    folder, data = days
    out = tmp_path / "ranks.npz"
    done = run(folder / "a", folder / "a", "--out", out)
    assert done.exit_code == 1 and "popularity with seed 0 is" in done.output
    compare(
        *(folder / "data", ["popularity"], [3], tmp_path / "k"),
        protocol=Protocol(negatives=50, k=10),
    )
    done = run(folder / "a", tmp_path / "k", "--out", out)
    assert done.exit_code == 1 and "k is 10, was 5" in done.output
    done = run(
        folder / "a", "--out", out, "--data", comparison[0].parent / "data"
    )
    assert done.exit_code == 1 and "fingerprints" in done.output
    assert not out.exists()


def test_without_the_data_nothing_is_known_of_times(days, tmp_path):
    folder, _ = days
    moved = shutil.copytree(folder / "data", tmp_path / "moved")
    copy = shutil.copytree(folder / "a", tmp_path / "a")
    for path in copy.glob("*/*/environment.json"):
        environment = json.loads(path.read_text())
        environment["data"]["path"] = str(tmp_path / "gone")
        path.write_text(json.dumps(environment))
    out = tmp_path / "ranks.npz"
    done = run(copy, "--out", out)
    assert done.exit_code == 0 and "--data names" in done.stderr
    assert "later" not in np.load(out).files
    assert run(out).exit_code == 0
    done = run(out, "--later-only")
    assert done.exit_code == 1 and "without the times" in done.output
    assert run(copy, "--out", out, "--data", moved).exit_code == 0
    assert run(out, "--later-only").exit_code == 0


def test_ranks_of_a_large_catalogue_are_kept(comparison, tmp_path):
    folder, _ = comparison
    copy = shutil.copytree(folder, tmp_path / "copy")
    for path in copy.glob("*/*/test_ranks.parquet"):
        found = Evaluation.load(path)
        samples = found.samples.assign(num_negatives=300_000)
        samples.loc[0, "rank"] = 40_000.5
        Evaluation(found.protocol, samples).save(path, overwrite=True)
    ranks.pack([copy], tmp_path / "ranks.npz")
    _, evaluations = ranks.unpack(tmp_path / "ranks.npz")
    samples = evaluations["item_knn"][0].samples
    assert samples["rank"][0] == 40_000.5
    assert set(samples["num_negatives"]) == {300_000}
