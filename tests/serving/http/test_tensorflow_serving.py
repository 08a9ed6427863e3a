"""The REST interface of TensorFlow Serving.

The forms are those of https://www.tensorflow.org/tfx/serving/api_rest.
"""

import base64
import json

import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("fastapi_offline", reason="needs the extra [serve]")
pytest.importorskip("prometheus_client", reason="needs the extra [serve]")
pytest.importorskip("httpx2", reason="needs the extra [dev]")

from tests.export.worlds import export_sums
from tests.serving.exports import export_interests
from tests.serving.exports import export_times
from tests.serving.http.worlds import refused
from tests.serving.http.worlds import served

HISTORY = [["tea", "é"], ["milk", ""]]
K = {"k": 3, "exclude_seen": True}


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    return {
        "interests": export_interests(folder / "interests"),
        "sums": export_sums(folder / "sums"),
        "times": export_times(folder / "times"),
    }


@pytest.fixture(scope="module")
def client(exports):
    limits = {"max_history": 50, "max_items": 100, "max_rows": 20}
    with served(*exports.values(), **limits) as (client, _):
        yield client


def direct(exports, name, signature, **inputs):
    """Calls the SavedModel as any process with TensorFlow does."""
    function = tf.saved_model.load(exports[name] / "1").signatures[signature]
    found = function(**{key: tf.constant(x) for key, x in inputs.items()})
    return {key: tensor.numpy() for key, tensor in found.items()}


def texts(array):
    return [[one.decode() for one in row] for row in array]


def post(client, body, path="sums", status=200):
    response = client.post(f"/v1/models/{path}:predict", json=body)
    assert response.status_code == status, response.text
    return response.json()


def test_columns(client, exports):
    inputs = {"user_id": ["ann", "x"], "history": HISTORY}
    expected = direct(exports, "sums", "recommend", **inputs, **K)
    for k, seen in ((3, True), ([3], [True]), ([3, 3], [True, True])):
        more = {"k": k, "exclude_seen": seen}
        found = post(client, {"inputs": {**inputs, **more}})
        assert list(found) == ["outputs"]
        assert found["outputs"]["item_ids"] == texts(expected["item_ids"])
        np.testing.assert_array_equal(
            found["outputs"]["scores"], expected["scores"]
        )
    path = "sums/versions/1"
    assert post(client, {"inputs": {**inputs, **K}}, path) == found
    named = {"signature_name": "recommend", "inputs": {**inputs, **K}}
    assert post(client, named) == found


def test_rows(client, exports):
    users = ["ann", "x"]
    expected = direct(
        exports, "sums", "recommend", user_id=users, history=HISTORY, **K
    )
    instances = [
        {"user_id": user, "history": history, **K}
        for user, history in zip(users, HISTORY)
    ]
    found = post(client, {"instances": instances})
    assert list(found) == ["predictions"]
    assert [one["item_ids"] for one in found["predictions"]] == texts(
        expected["item_ids"]
    )
    assert [one["scores"] for one in found["predictions"]] == expected[
        "scores"
    ].tolist()


def test_a_signature_with_one_output_gives_it_alone(client, exports):
    candidates = [["tea", "gone"], ["é", "milk"]]
    inputs = {
        "user_id": ["ann", "x"],
        "history": HISTORY,
        "candidates": candidates,
    }
    expected = direct(exports, "sums", "score", **inputs)["scores"]
    body = {"signature_name": "score", "inputs": inputs}
    answer = client.post("/v1/models/sums:predict", json=body)
    # As TensorFlow Serving writes what is not finite.
    assert "-Infinity" in answer.text
    np.testing.assert_array_equal(json.loads(answer.text)["outputs"], expected)
    instances = [
        {name: values[row] for name, values in inputs.items()} for row in (0, 1)
    ]
    found = post(client, {"signature_name": "score", "instances": instances})
    np.testing.assert_array_equal(found["predictions"], expected)


def test_every_signature(client, exports):
    inputs = {"user_id": ["ann", "x"], "history": HISTORY}
    expected = direct(exports, "interests", "interests", **inputs)
    body = {"signature_name": "interests", "inputs": inputs}
    found = post(client, body, "interests")["outputs"]
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(np.float32(found[name]), values)
    vectors = np.eye(4, dtype="float32")[:3]
    expected = direct(
        exports, "interests", "score_vectors", **inputs, vectors=vectors
    )
    inputs = {**inputs, "vectors": vectors.tolist()}
    body = {"signature_name": "score_vectors", "inputs": inputs}
    found = post(client, body, "interests")["outputs"]
    np.testing.assert_array_equal(np.float32(found), expected["scores"])
    times = {"history_time": [[1, 2], [3, 0]], "time": [4, 5]}
    inputs = {"user_id": ["ann", "x"], "history": HISTORY, **times, **K}
    expected = direct(
        exports,
        "times",
        "recommend",
        **{**inputs, **{key: np.int64(x) for key, x in times.items()}},
    )
    found = post(client, {"inputs": inputs}, "times")["outputs"]
    assert found["item_ids"] == texts(expected["item_ids"])


def test_text_may_be_base64(client):
    def coded(text):
        return {"b64": base64.b64encode(text.encode()).decode()}

    plain = {"user_id": ["ann"], "history": [["é", "tea"]], **K}
    inputs = {
        **plain,
        "user_id": [coded("ann")],
        "history": [[coded("é"), "tea"]],
    }
    assert post(client, {"inputs": inputs}) == post(client, {"inputs": plain})


def test_the_state_of_a_model(client):
    expected = {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    assert client.get("/v1/models/sums").json() == expected
    assert client.get("/v1/models/sums/versions/1").json() == expected
    for path in ("gone", "sums/versions/2", "sums/versions/x"):
        refused(client.get(f"/v1/models/{path}"), 404)
        refused(client.get(f"/v1/models/{path}/metadata"), 404)
        body = {"instances": []}
        refused(client.post(f"/v1/models/{path}:predict", json=body), 404)


def test_metadata(client):
    found = client.get("/v1/models/sums/metadata").json()
    assert found["model_spec"] == {
        "name": "sums",
        "signature_name": "",
        "version": "1",
    }
    signatures = found["metadata"]["signature_def"]["signature_def"]
    assert {"recommend", "score", "serving_default"} <= set(signatures)
    recommend = signatures["recommend"]
    assert recommend["method_name"] == "tensorflow/serving/predict"
    history = recommend["inputs"]["history"]
    assert history["dtype"] == "DT_STRING"
    assert history["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}] * 2,
        "unknown_rank": False,
    }
    assert recommend["inputs"]["k"]["tensor_shape"]["unknown_rank"]
    assert recommend["inputs"]["k"]["dtype"] == "DT_INT32"
    assert recommend["outputs"]["scores"]["dtype"] == "DT_FLOAT"
    path = "/v1/models/sums/versions/1/metadata"
    assert client.get(path).json() == found


ONE = {"user_id": ["ann"], "history": [["tea"]], **K}
ROW = {"user_id": "ann", "history": ["tea"], **K}


@pytest.mark.parametrize(
    "body, sentence",
    [
        ([], "must be a JSON object"),
        ({}, "either `instances` or `inputs`"),
        ({"instances": [ROW], "inputs": ONE}, "either"),
        ({"instances": []}, "must be a list with an entry"),
        ({"instances": ROW}, "must be a list with an entry"),
        ({"instances": ["ann"]}, "Entry 0 of `instances` must be an object"),
        ({"instances": [ROW, {"user_id": "b"}]}, "Entry 1 of `instances`"),
        ({"instances": [{**ROW, "hidden": 1}]}, "signature has not; it takes"),
        (
            {"instances": [ROW, {**ROW, "history": ["a", "b"]}]},
            "The rows of `history` must have the same length; fill short",
        ),
        ({"instances": [ROW, {**ROW, "k": 2}]}, "`k` must be one value"),
        ({"inputs": {**ONE, "k": [1, 2]}}, "`k` must be one value"),
        ({"inputs": {**ONE, "k": 0}}, "`k` must be at least 1"),
        ({"inputs": {**ONE, "k": 1_000_000}}, "`k` must be at most 100"),
        ({"inputs": {**ONE, "k": 1 << 40}}, "`k` must hold values of the"),
        ({"inputs": {**ONE, "k": "3"}}, "`k` must hold values of the type int"),
        ({"inputs": {**ONE, "k": True}}, "`k` must hold values of the type"),
        ({"inputs": {**ONE, "exclude_seen": 1}}, "of the type bool"),
        ({"inputs": {**ONE, "history": [[1]]}}, "of the type string"),
        ({"inputs": {**ONE, "history": [[{"b64": "?"}]]}}, "of the type str"),
        ({"inputs": {**ONE, "history": ["tea"]}}, "the shape (any, any)"),
        ({"inputs": {**ONE, "user_id": ["a", "b"]}}, "same number of rows"),
        ({"inputs": {**ONE, "history": [["a"] * 51]}}, "at most 50 items"),
        ({"instances": [ROW] * 21}, "at most 20 users. Received: 21"),
        ({"inputs": {"user_id": ["ann"]}}, "`inputs` must have `exclude_seen`"),
        ({"inputs": ONE, "signature_name": "gone"}, "no such signature"),
        ({"inputs": ONE, "signature_name": ["x"]}, "no such signature"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(client, body, sentence):
    response = client.post("/v1/models/sums:predict", json=body)
    assert sentence in refused(response, 400)
    assert "hidden" not in response.text


def test_what_is_no_json(client):
    for content in ("{", "", b"\xff", "[" * 100_000):
        response = client.post("/v1/models/sums:predict", content=content)
        assert "not JSON" in refused(response, 400)
    content = '{"inputs": {"history": [["\\ud800"]]}}'
    response = client.post("/v1/models/sums:predict", content=content)
    refused(response, 400)


def test_outputs_without_rows_are_no_predictions(client):
    row = {"user_id": "ann", "history": ["tea"]}
    body = {"signature_name": "interests", "instances": [row]}
    response = client.post("/v1/models/interests:predict", json=body)
    assert "must be asked by `inputs`" in refused(response, 400)
