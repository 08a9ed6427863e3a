"""Size, token, log: what stands in front of the paths."""

import json
import logging

import pytest

pytest.importorskip("fastapi_offline", reason="needs the extra [serve]")
pytest.importorskip("prometheus_client", reason="needs the extra [serve]")
pytest.importorskip("httpx2", reason="needs the extra [dev]")

from mgnm_tf.serving.http.event_log import JsonLines
from tests.export.worlds import export_sums
from tests.serving.http.worlds import refused
from tests.serving.http.worlds import served

LIMIT = 2000
RIGHT = {"history": ["tea"], "k": 1}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return export_sums(tmp_path_factory.mktemp("guards") / "sums")


@pytest.fixture(scope="module")
def client(path):
    with served(path, max_body=LIMIT, token="s3cret") as (client, _):
        yield client


WITH = {"authorization": "Bearer s3cret"}


def test_large_bodies_are_refused(client):
    right = json.dumps({**RIGHT, "user": "x"})
    filled = right + " " * (LIMIT - len(right))
    headers = {**WITH, "content-type": "application/json"}
    answer = client.post("/recommend", content=filled, headers=headers)
    assert answer.status_code == 200
    answer = client.post("/recommend", content=filled + " ", headers=headers)
    assert "at most 2,000 bytes" in refused(answer, 413)

    def parts():  # Without a length in the header.
        yield filled.encode()
        yield b" " * 10

    answer = client.post("/recommend", content=parts(), headers=headers)
    assert "at most 2,000 bytes" in refused(answer, 413)
    headers["content-length"] = "many"
    answer = client.post("/recommend", content=filled, headers=headers)
    refused(answer, 413)


@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", "s3cret", "Bearer s3cret2", "Bearer \xff"]
)
def test_without_the_token_nothing_is_told(client, given):
    headers = {} if given is None else {"authorization": given.encode("latin1")}
    for method, path in (
        ("POST", "/recommend"),
        ("GET", "/models"),
        ("GET", "/items"),
        ("GET", "/metrics"),
        ("GET", "/nothing"),
        ("GET", "/v1/models/sums"),
    ):
        answer = client.request(method, path, headers=headers)
        assert "token" in refused(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_with_the_token_and_where_none_is_needed(client):
    answer = client.post("/recommend", json=RIGHT, headers=WITH)
    assert answer.status_code == 200
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200, path


def test_the_log_has_no_user_data(client, caplog):
    with caplog.at_level(logging.INFO, "mgnm_tf"):
        body = {"history": ["hidden-item"], "user": "hidden-user", "k": 1}
        client.post("/recommend", json=body, headers=WITH)
        client.get("/items?search=hidden-word", headers=WITH)
        client.get("/hidden-path", headers=WITH)
    lines = [json.loads(JsonLines().format(one)) for one in caplog.records]
    assert "hidden" not in json.dumps(lines)
    requests = [one for one in lines if one["event"] == "request"]
    assert [
        (one["method"], one["path"], one["status"]) for one in requests
    ] == [
        ("POST", "/recommend", 200),
        ("GET", "/items", 200),
        ("GET", "other", 404),
    ]
    assert all(one["ms"] > 0 for one in requests)


def test_an_error_is_logged_by_its_kind_and_place(caplog):
    try:
        raise KeyError("hidden-item")
    except KeyError:
        logging.getLogger("mgnm_tf").error("error", exc_info=True)
    line = JsonLines().format(caplog.records[-1])
    assert "hidden" not in line
    assert json.loads(line)["error"] == "KeyError"
    assert "test_guards.py:" in json.loads(line)["at"]


def test_what_was_not_foreseen_is_one_sentence(path):
    with served(path) as (client, models):
        model = models.get(None)
        model.current.answers.of = lambda queries: 1 / 0
        answer = client.post("/recommend", json=RIGHT)
        assert "could not answer" in refused(answer, 500)
        text = client.get("/metrics").text
        assert 'mgnm_requests_total{path="/recommend",status="500"} 1' in text
