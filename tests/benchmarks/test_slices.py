"""The study of runs that go on, on a tiny synthetic log."""

import pytest

from benchmarks.studies.slices import run_study
from mgnm_tf.data.synthetic import make_world


@pytest.mark.large
@pytest.mark.usefixtures("eagerly")
def test_a_row_a_training(tmp_path):
    log = make_world(
        40, 80, seed=1, num_events=600, items_per_topic=4, topics_per_category=5
    )
    first = {"batch_size": 128, "validation_negatives": 20, "epochs": 1}
    seen = []
    rows = run_study(
        log,
        tmp_path,
        "youtube_dnn",
        2,
        {"epochs": 1},
        {**first, "options": {"embedding_dim": 4}, "max_length": 10},
        keep=seen.append,
    )
    assert rows == seen
    assert [(row["slice"], row["how"]) for row in rows] == [
        (1, "start"),
        (2, "continued"),
        (2, "start"),
    ]
    before, more, everything = (row["samples"] for row in rows)
    assert before + more == everything
    assert rows[1]["epochs"] == 1
    assert all(row["cpu_seconds"] > 0 for row in rows)
