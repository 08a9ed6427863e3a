"""Several runs at a time."""

import os

import pytest

from mgnm_tf.studies.compare import compare
from mgnm_tf.studies.workers import in_workers
from mgnm_tf.studies.workers import share_cores
from tests.training.worlds import small_data


def test_cores_are_shared_without_rest(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3, 5, 7, 9})
    assert share_cores(2) == [{2, 5, 9}, {3, 7}]
    assert share_cores(5) == [{2}, {3}, {5}, {7}, {9}]
    assert share_cores(7)[5:] == [{2}, {3}]


def test_runs_side_by_side_are_those_of_one_after_the_other(tmp_path):
    small_data().save(tmp_path / "data")
    models = ["popularity", "item_knn", "youtube_dnn"]
    settings = {"epochs": 1, "validation_negatives": 20, "batch_size": 64}
    found = [
        compare(
            tmp_path / "data",
            models,
            [0],
            tmp_path / f"jobs-{jobs}",
            settings=settings,
            options={"item_knn": {"shrinkage": "1"}},
            jobs=jobs,
        )
        for jobs in (1, 2)
    ]
    for model in models:
        one, other = (summary["models"][model] for summary in found)
        assert one["test"] == pytest.approx(other["test"], abs=1e-6)
    assert found[1]["failed"] == []


def test_an_error_in_a_worker_is_told(tmp_path):
    ((task, error),) = in_workers([(str(tmp_path),)], "os:remove", 1)
    assert task == (str(tmp_path),)
    assert "directory" in error[0] and "Traceback" in error[1]


def test_a_worker_that_is_killed_costs_a_sentence(tmp_path):
    ((_, error),) = in_workers([(9,)], "os:_exit", 1)
    assert "perhaps for lack of memory" in error[0]
