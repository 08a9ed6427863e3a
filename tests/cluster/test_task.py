import json

import pytest

from mgnm_tf.cluster.task import read_task
from mgnm_tf.errors import UserError


def config(*addresses, kind="worker", index=0, job="worker"):
    return json.dumps(
        {
            "cluster": {job: list(addresses)},
            "task": {"type": kind, "index": index},
        }
    )


def test_the_place_of_a_process_is_read(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config("a:1", "b:2", index=1))
    task = read_task()
    assert (task.index, task.count) == (1, 2)
    assert task.name() == "worker 1 of 2 (b:2)"
    assert task.name(0) == "worker 0 of 2 (a:1)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "TF_CONFIG is not set, which says who the workers are"),
        ("{", r"cannot be used: received '{', expected the JSON"),
        ("[]", "cannot be used"),
        (config(), "cannot be used"),
        (config("a:1", job="ps"), "cannot be used"),
        (
            config("a:1", index=1),
            "the task worker 1, but there are the workers",
        ),
        (config("a:1", kind="evaluator"), "the task evaluator 0, but"),
    ],
)
def test_what_is_no_place_is_refused(monkeypatch, text, message):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=message):
        read_task()
