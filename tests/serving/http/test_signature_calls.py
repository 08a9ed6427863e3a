"""Calls that wait together are one, and each gets what it would get alone."""

import json

import numpy as np
import pytest

pytest.importorskip("fastapi_offline", reason="needs the extra [serve]")
pytest.importorskip("prometheus_client", reason="needs the extra [serve]")

from mgnm_tf.serving import Recommender
from mgnm_tf.serving.http import signature_calls as module
from mgnm_tf.serving.http.refusals import Refusal
from mgnm_tf.serving.http.settings import Settings
from mgnm_tf.serving.http.signature_calls import SignatureCall
from mgnm_tf.serving.http.signature_calls import answer_calls
from tests.export.worlds import export_sums
from tests.serving.exports import export_times


def inputs(history, k=3, exclude_seen=True, **more):
    users = [""] * len(history)
    given = {"user_id": users, "history": history, "k": k}
    return {"inputs": {**given, "exclude_seen": exclude_seen, **more}}


BODIES = [
    inputs([["tea", "é"], ["milk", ""]]),
    {
        "signature_name": "recommend",
        "instances": [
            {"user_id": "", "history": [x], "k": 3, "exclude_seen": True}
            for x in ("tea", "nothing known")
        ],
    },
    inputs([["", "milk", "tea", "tea", "é"]], k=[3]),
    inputs([["tea"]], exclude_seen=False),
    inputs([[]], k=2),
    inputs([["tea"]], k=50),
]
WRONG = [
    inputs([["tea"]], k=0),
    inputs([["tea"], ["milk"]], user_id=[""]),
    {"inputs": {"user_id": [""]}},
    {"signature_name": "none", "inputs": {}},
]
SCORE = {
    "signature_name": "score",
    "inputs": {"user_id": [""], "history": [["tea"]], "candidates": [["é"]]},
}


def calls(*bodies):
    return [SignatureCall(body, Settings(max_items=100)) for body in bodies]


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    folder = export_sums(tmp_path_factory.mktemp("calls") / "sums")
    return Recommender.load(folder)


def test_together_is_as_alone_and_nobody_pays_for_another(
    recommender, monkeypatch
):
    bodies = [*BODIES, *WRONG, SCORE]
    alone = [answer_calls(recommender, calls(body))[0] for body in bodies]
    asked = []
    original = recommender.rank

    def rank(requests, *options):
        asked.append((len(requests), *options))
        return original(requests, *options)

    monkeypatch.setattr(recommender, "rank", rank)
    together = answer_calls(recommender, calls(*bodies))
    assert asked == [(5, 3, True), (1, 3, False), (1, 2, True), (1, 50, True)]
    for mine, expected in zip(together, alone, strict=True):
        if isinstance(expected, Refusal):
            assert isinstance(mine, Refusal) and str(mine) == str(expected)
        else:
            assert json.loads(mine) == json.loads(expected)
    wrong = [isinstance(one, Refusal) for one in alone]
    assert wrong == [False] * len(BODIES) + [True] * len(WRONG) + [False]


def test_histories_that_would_be_too_large_are_not_joined(
    recommender, monkeypatch
):
    alone = [answer_calls(recommender, calls(body))[0] for body in BODIES]
    monkeypatch.setattr(module, "_CELLS", 10)
    asked = []
    original = recommender.rank
    monkeypatch.setattr(
        recommender,
        "rank",
        lambda *given: (asked.append(len(given[0])), original(*given))[1],
    )
    assert answer_calls(recommender, calls(*BODIES)) == alone
    assert asked[:2] == [4, 1]


def test_of_an_export_with_an_index_the_signature_answers(
    recommender, monkeypatch
):
    expected = answer_calls(recommender, calls(*BODIES))

    class Indexed(Recommender):
        index = object()
        rank = None

    monkeypatch.setattr(recommender, "__class__", Indexed)
    for mine, other in zip(
        answer_calls(recommender, calls(*BODIES)), expected, strict=True
    ):
        assert json.loads(mine) == json.loads(other)


def test_models_that_read_times(tmp_path):
    recommender = Recommender.load(export_times(tmp_path / "times"))
    items = [str(one) for one in recommender.item_ids[:3]]
    bodies = [
        inputs([items], history_time=[[10, 20, 30]], time=[40]),
        inputs([items[:1]], history_time=[[5]], time=[90_000]),
    ]
    alone = [answer_calls(recommender, calls(body))[0] for body in bodies]
    together = answer_calls(recommender, calls(*bodies))
    for mine, expected in zip(together, alone, strict=True):
        mine, expected = (json.loads(x)["outputs"] for x in (mine, expected))
        assert mine["item_ids"] == expected["item_ids"]
        np.testing.assert_allclose(
            mine["scores"], expected["scores"], rtol=1e-5
        )
