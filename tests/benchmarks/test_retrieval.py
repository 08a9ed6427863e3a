"""The phases of retrieval and serving, and the vectors they are made with."""

import asyncio
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks import http_callers
from benchmarks import indexes
from benchmarks import retrieval
from benchmarks import serving
from benchmarks.__main__ import app
from benchmarks.plots import save_plots
from benchmarks.settings import Settings
from benchmarks.vectors import made_interests
from benchmarks.vectors import made_items

pytest.importorskip("faiss", reason="needs the extra [retrieval]")
pytest.importorskip("fastapi", reason="needs the extra [serve]")
pytest.importorskip("aiohttp", reason="needs the extra [dev]")

TINY = ["--quick", "--max-length", "4", "--windows", "1", "--seconds", "0.01"]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "tiny.json"
    served, measured = serving.measure_http, []  # One server will do.

    def measure_http(*arguments):
        if not measured:
            measured.append(served(*arguments))
        return measured[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "measure_http", measure_http)
        patch.setattr(retrieval, "QUICK_SIZES", (300, 900))
        patch.setattr(retrieval, "QUICK_USERS", 5)
        patch.setattr(serving, "QUICK_ITEMS", 900)
        patch.setattr(serving, "BATCH", 3)
        done = CliRunner().invoke(
            app,
            [
                *("retrieval", "serving", *TINY),
                *("--models", "comirec_sa", "--out", str(out)),
            ],
        )
    assert done.exit_code == 0, done.output
    return json.loads(out.read_text())


def test_every_kind_has_recall_and_time(report):
    found = report["results"]["retrieval"]
    assert {row["kind"] for row in found.values()} == {"flat", "ivf", "hnsw"}
    for row in found.values():
        assert 0 <= row["recall"] <= 1 and 0 < row["search_ms"]["median"]
        assert row["chosen"] == (row["kind"] == "flat")
        assert row["candidates"] <= 50 * row["interests"]
    exact = found["flat, 900 items, 16 interests, effort 1"]
    assert exact["recall"] == 1.0
    assert exact["recall_attention"] > 0.9
    # Only the largest size has a curve.
    efforts = {
        (row["items"], row["effort"])
        for row in found.values()
        if row["kind"] == "hnsw"
    }
    assert efforts == {(300, 1.0), (900, 1.0), (900, 0.25)}


def test_the_curve_is_drawn(report, tmp_path):
    (path,) = save_plots(report, tmp_path / "tiny")
    assert path.name == "tiny-retrieval.svg"
    assert "recall of the 20 best" in path.read_text()


def test_serving_has_latency_and_no_errors(report):
    found = report["results"]["serving"]
    assert list(found) == [
        "comirec_sa",
        "comirec_sa, exact, history 20",
        "comirec_sa, index, history 20",
    ]
    assert found["comirec_sa"]["items"] == 900
    for row in list(found.values())[1:]:
        assert row["errors"] == 0
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert 0 < row["http_p50_ms"] <= row["http_p99_ms"]
        assert 0 < row["callers_p50_ms"] <= row["callers_p99_ms"]
        assert row["callers_per_second"] > 0
        assert row["users_per_second"]["median"] > 0


def test_the_index_is_compared_with_the_exact_answers(report):
    found = report["results"]["serving"]
    assert found["comirec_sa, index, history 20"]["recall"] == 1.0  # Flat.
    assert "recall" not in found["comirec_sa, exact, history 20"]
    exact = pd.DataFrame({"user_id": [0, 0, 1, 1], "item_id": list("abab")})
    other = pd.DataFrame({"user_id": [0, 0, 1, 1], "item_id": list("bcab")})
    assert serving.recall(other, exact) == 0.75


def test_wrong_answers_of_callers_are_counted():
    # Nobody listens at this port.
    found = http_callers.call_for("http://127.0.0.1:9", {"u": ["a"]}, 2, 0.01)
    found = asyncio.run(found)
    assert found["errors"] >= 2 and found["p50_ms"] > 0


def test_made_items_have_clusters_and_norms_that_follow_popularity():
    vectors, counts = made_items(5000, 16)
    assert vectors.dtype == np.float32 and counts.shape == (5000,)
    norms = np.linalg.norm(vectors, axis=1)
    assert 0.3 < np.corrcoef(np.log1p(counts), norms)[0, 1] < 0.8
    assert np.quantile(norms, 0.95) > 2 * np.quantile(norms, 0.05)
    directions = vectors / norms[:, None]
    cosines = directions[:200] @ directions.T
    cosines[np.arange(200), np.arange(200)] = -1
    assert 0.8 < np.median(cosines.max(axis=1)) < 0.95
    again, _ = made_items(5000, 16)
    np.testing.assert_array_equal(again, vectors)


def test_made_interests_point_to_items():
    vectors, counts = made_items(5000, 16)
    made = made_interests(vectors, counts, 7, 4, 3)
    assert made.shape == (7, 4, 3, 16) and made.dtype == np.float32
    norms = np.linalg.norm(made, axis=-1, keepdims=True)
    assert 3 < np.median(norms) < 6
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (made / norms) @ directions.T
    assert np.median(cosines.max(axis=-1)) > 0.7


def test_the_scores_of_the_models_by_hand():
    products = np.array([[[2.0], [0.0]], [[1.0], [1.5]]])  # 2 levels, K = 2
    assert retrieval.largest_product(products).tolist() == [2.0]
    first = 2 * np.exp(2) / (np.exp(2) + 1)
    second = (np.exp(1) + 1.5 * np.exp(1.5)) / (np.exp(1) + np.exp(1.5))
    found = retrieval.attention(products)
    np.testing.assert_allclose(found, [max(first, second)])


def test_ways_to_find_the_best_have_recall_time_and_memory(monkeypatch):
    monkeypatch.setattr(indexes, "QUICK_ITEMS", 600)
    found = indexes.run(Settings(quick=True))
    ways = {name.split(",")[0] for name in found}
    assert ways == {"flat", "bound", "lists", "4-bit fast scan", "graph"}
    assert found["flat, all"]["recall"] == found["bound, exact"]["recall"] == 1
    bound, flat = found["bound, exact"], found["flat, all"]
    assert bound["candidates"] < flat["candidates"]
    for row in found.values():
        assert 0 < row["recall"] <= 1 and row["memory_mib"] > 0
        assert row["one_ms"] > 0 and row["batch_ms"] > 0


def test_an_mgnm_gives_interests_like_trained_ones(monkeypatch):
    monkeypatch.setattr(serving, "USERS", 5)
    vectors, counts = made_items(200, 8)
    model = serving.made_model("mgnm:paper", vectors, counts)
    np.testing.assert_array_equal(model.item_vectors()[1:], vectors)
    features = {"user": np.array([3, 3]), "history": np.array([[1, 2], [7, 0]])}
    encoded = model.encode(features)["interests"]
    made = made_interests(vectors, counts, 6, *encoded.shape[1:3])[3]
    np.testing.assert_array_equal(encoded, [made, made])
    norms = np.linalg.norm(model.interests(features), axis=-1)
    assert 2 < norms.min() < norms.max() < 10
    # What the encoder finds is a part of it, so that no step is left out.
    monkeypatch.setattr(model, "_given", np.zeros_like(model._given))
    first, second = np.array(model.encode(features)["interests"]) * 1e20
    assert np.abs(first - second).max() > 1e-4
