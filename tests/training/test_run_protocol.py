"""What a run is tested by where nothing else is asked for."""

import json

import pytest

from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.runs.config import configure
from mgnm_tf.training.evaluate_run import evaluate_run
from mgnm_tf.training.fit import train
from mgnm_tf.training.run_protocol import protocol_of_run
from tests.training.worlds import small_data


@pytest.mark.parametrize(
    ("label", "settings", "negatives", "exclude"),
    [
        ("mgnm", {}, 1000, "history"),
        ("srgnn", {}, "all", "none"),
        ("mgnm+sessions", {}, "all", "none"),
        ("timirec:timirec_paper", {}, 1000, "user"),
        # Fewer in the validation save time, and make no test easier.
        ("mgnm", {"validation_negatives": 20}, 1000, "history"),
        ("mgnm", {"validation_negatives": "all"}, "all", "history"),
    ],
)
def test_it_is_the_task_that_chose_the_epoch(
    label, settings, negatives, exclude
):
    config = configure(label, max_length=7, k=(3, 5), **settings)
    assert protocol_of_run(config) == Protocol(
        negatives=negatives, exclude=exclude, max_length=7, k=(3, 5)
    )
    assert protocol_of_run(config, "validation").part == "validation"


def test_training_and_evaluation_follow_it(tmp_path):
    data = small_data()
    run = train(data, configure("sknn"), tmp_path / "run", verbose=0)
    trained = json.loads((run / "metrics.json").read_text())
    assert trained["protocol"]["negatives"] == "all"
    assert trained["protocol"]["exclude"] == "none"
    assert evaluate_run(run, data, verbose=0) == trained
