"""Recommendations over HTTP, and what a caller can do wrong."""

import json

import pytest

pytest.importorskip("fastapi_offline", reason="needs the extra [serve]")
pytest.importorskip("prometheus_client", reason="needs the extra [serve]")
pytest.importorskip("httpx2", reason="needs the extra [dev]")

from mgnm_tf.serving.http.friendly_paths import count_interests
from mgnm_tf.serving.http.item_list import Item
from tests.export.worlds import ITEMS
from tests.export.worlds import export_sums
from tests.serving.exports import export_interests
from tests.serving.exports import export_times
from tests.serving.http.worlds import refused
from tests.serving.http.worlds import served

TITLES = {
    "tea": Item("Green Tea", "https://pictures.example/tea.png"),
    "milk": Item("Oat milk"),
}
SMALL = {"max_history": 50, "max_items": 100, "max_listed": 60}


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    return [
        export_interests(folder / "interests"),
        export_sums(folder / "sums"),
        export_times(folder / "times"),
    ]


@pytest.fixture(scope="module")
def world(exports):
    limits = {"max_body": 1 << 20, **SMALL}
    with served(*exports, items=TITLES, **limits) as (client, models):
        yield client, models


@pytest.fixture
def client(world):
    return world[0]


def recommender_of(world, name):
    return world[1].get(name).current.recommender


def test_the_list_is_that_of_the_recommender(world):
    client, _ = world
    body = {"user": "ann", "history": ["tea", "é"], "k": 3}
    answer = client.post("/recommend", json=body).json()
    table = recommender_of(world, "interests").recommend(
        [["tea", "é"]], k=3, users=["ann"]
    )
    assert answer["model"] == "interests" and answer["version"] == 1
    assert [one["item"] for one in answer["items"]] == list(table["item_id"])
    scores = [one["score"] for one in answer["items"]]
    assert scores == pytest.approx(list(table["score"]), rel=1e-5)
    assert "level" not in answer["items"][0] and "heat_map" not in answer


def test_every_wish_at_once(client):
    body = {
        "model": "interests",
        "version": 1,
        "history": ["milk", "tea"],
        "k": 2,
        "exclude_seen": False,
        "allow": ["tea", "milk", "é"],
        "deny": ["milk"],
        "categories": [1, 2],
        "diversity": 0.5,
        "explain": True,
    }
    answer = client.post("/recommend", json=body).json()
    assert {one["item"] for one in answer["items"]} == {"tea", "é"}
    shown = {one["item"]: one["title"] for one in answer["items"]}
    assert shown == {"tea": "Green Tea", "é": "é"}
    for one in answer["items"]:
        assert one["level"] == 0 and one["interest"] in (1, 2)
        assert {source["item"] for source in one["sources"]} <= {"tea", "milk"}
    heat = answer["heat_map"]
    assert heat["history"] == ["milk", "tea"]
    assert heat["interests"] == [1, 2]
    assert [sum(row) for row in heat["attention"]] == pytest.approx([1, 1])


def test_numbers_are_ids_too(client):
    body = {"user": 7, "history": [1, "tea"], "deny": [2], "k": 2}
    assert client.post("/recommend", json=body).status_code == 200


def test_a_model_that_reads_times(world):
    client, _ = world
    body = {"model": "times", "history": ["tea", "milk"], "k": 3}
    sentence = refused(client.post("/recommend", json=body), 422)
    assert "give `times`" in sentence
    body |= {"times": [20, 10], "time": 30}
    answer = client.post("/recommend", json=body).json()
    assert len(answer["items"]) == 3
    body |= {"history": ["milk", "tea"], "times": [10, 20]}
    assert client.post("/recommend", json=body).json() == answer


def test_similar(client):
    answer = client.post("/similar", json={"item": "tea", "k": 3}).json()
    assert len(answer["items"]) == 3
    assert "tea" not in [one["item"] for one in answer["items"]]
    assert all(-1.001 <= one["score"] <= 1.001 for one in answer["items"])
    sentence = refused(client.post("/similar", json={"item": "gone"}), 422)
    assert "does not know the item 'gone'" in sentence
    body = {"item": "tea", "model": "sums"}
    assert "no item vectors" in refused(client.post("/similar", json=body), 422)


def test_search(client):
    def found(search, **more):
        query = {"search": search, **more}
        items = client.get("/items", params=query).json()["items"]
        return [one["item"] for one in items]

    assert found("") == ["milk", "x\u2028y", "tea", "[b]"] + found("")[4:]
    assert found("TEA green") == ["tea"]
    assert found("日") == ["日本"]
    assert found("[b]") == ["[b]"]
    assert found(".*") == found("nothing") == []
    assert found("", limit=2) == ["milk", "x\u2028y"]
    first = client.get("/items?search=green").json()["items"][0]
    assert first["picture"] == "https://pictures.example/tea.png"
    refused(client.get("/items", params={"search": "x" * 201}), 422)
    refused(client.get("/items", params={"limit": 0}), 422)
    refused(client.get("/items", params={"model": "gone"}), 404)


def test_what_models_there_are(client):
    answer = client.get("/models").json()
    names = [one["name"] for one in answer["models"]]
    assert names == ["interests", "sums", "times"]
    first, second, third = answer["models"]
    assert first["explains"] and first["has_vectors"] and first["version"] == 1
    assert first["has_categories"] and not first["reads_times"]
    assert first["num_interests"] == 2 and second["num_interests"] == 0
    assert not second["explains"] and not second["has_vectors"]
    assert third["reads_times"]
    reads_users = [one["reads_users"] for one in answer["models"]]
    assert reads_users == [False, True, True]


def test_interests_of_a_mixture_are_those_that_it_mixes():
    def outputs(*names):
        return {"outputs": {name: {"shape": [4]} for name in names}}

    plain = {"interests": outputs("interests")}
    assert count_interests({"signatures": {}}) == 0
    assert count_interests({"signatures": plain}) == 0
    mixed = {**plain, "interest_distribution": outputs("level")}
    assert count_interests({"signatures": mixed}) == 4
    several = {"interests": outputs("interests", "level")}
    assert count_interests({"signatures": several}) == 4


def test_health_and_counters(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    assert ready["versions"] == {"interests": 1, "sums": 1, "times": 1}
    client.post("/recommend", json={"history": ["secret-item"], "k": 1})
    client.get("/items?search=secret-search")
    text = client.get("/metrics").text
    assert 'mgnm_requests_total{path="/recommend",status="200"}' in text
    assert 'mgnm_model_version{model="sums"} 1.0' in text
    assert "mgnm_batch_requests_bucket" in text
    assert "secret" not in text


def test_the_page_of_paths_fetches_nothing_from_elsewhere(client):
    page = client.get("/docs").text
    assert "https://" not in page and "//cdn" not in page
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/recommend", "/similar", "/items", "/healthz"} <= set(paths)
    script = client.get("/static-offline-docs/swagger-ui-bundle.js")
    assert script.status_code == 200


WRONG = [
    ("{", 400, "The body is not JSON"),
    ("", 422, "Field required"),
    ("[1]", 422, "The body"),
    ("[" * 100_000, 400, "not JSON"),
    (b"\xff\xfe", 400, "not JSON"),
    ({}, 422, "`history`: Field required"),
    ({"history": "tea"}, 422, "`history`"),
    ({"history": [["tea"]]}, 422, "`history.0`"),
    ({"history": [True]}, 422, "`history.0`"),
    ({"history": [1.5]}, 422, "`history.0`"),
    ({"history": ["x" * 900_000]}, 422, "at most 4096 characters"),
    ({"history": [], "user": "x" * 5000}, 422, "`user`"),
    ({"history": ["tea"] * 51}, 422, "at most 50 items. Received: 51"),
    ({"history": [], "deny": ["a"] * 61}, 422, "`deny` must have at most 60"),
    ({"history": [], "allow": ["a"] * 61}, 422, "`allow` must have at most"),
    ({"history": [], "k": 0}, 422, "`k`: Input should be greater than"),
    ({"history": [], "k": -1}, 422, "`k`"),
    ({"history": [], "k": "2"}, 422, "`k`"),
    ({"history": [], "k": True}, 422, "`k`"),
    ({"history": [], "k": 1_000_000}, 422, "at most 100. Received: k=1000000"),
    ({"history": [], "k": 10**30}, 422, "`k` must be at most 100"),
    ({"history": [], "exclude_seen": 1}, 422, "`exclude_seen`"),
    ({"history": [], "diversity": -1}, 422, "`diversity`"),
    ('{"history": [], "diversity": NaN}', 422, "`diversity`"),
    ({"history": [], "categories": [0]}, 422, "`categories.0`"),
    ({"history": ["tea"], "times": [1, 2]}, 422, "Received: 2 times, 1 items"),
    ({"history": [], "time": 1 << 70}, 422, "`time`"),
    ({"history": [], "hystory": []}, 422, "`hystory`: Extra inputs"),
    ({"history": [], "model": "gone"}, 404, "known: interests, sums, times."),
    ({"history": [], "model": "../../etc/passwd"}, 404, "no such model"),
    ({"history": [], "version": 2}, 404, "no such version of interests"),
    (
        {"history": [], "model": "sums", "categories": [1]},
        422,
        "the export has none",
    ),
]


@pytest.mark.parametrize("body, status, sentence", WRONG)
def test_what_is_wrong_is_said_in_a_sentence(client, body, status, sentence):
    if isinstance(body, dict):
        body = json.dumps(body)
    response = client.post(
        "/recommend",
        content=body,
        headers={"content-type": "application/json"},
    )
    assert sentence in refused(response, status)
    right = client.post("/recommend", json={"history": ["tea"], "k": 1})
    assert right.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        '{"history": ["\\ud800"]}',
        '{"history": [], "user": "\\udfff"}',
        '{"history": [], "\\ud800": 1}',
    ],
)
def test_half_a_character_is_no_text(client, body):
    headers = {"content-type": "application/json"}
    response = client.post("/recommend", content=body, headers=headers)
    refused(response, 422)


def test_no_path_leads_to_a_file(client):
    for path in (
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/static-offline-docs/../application.py",
        "/static-offline-docs/%2e%2e/__init__.py",
        "/static-offline-docs//etc/passwd",
        "/export.json",
    ):
        assert client.get(path).status_code == 404, path
    assert "no such path" in refused(client.get("/nothing"), 404)
    assert "does not take GET" in refused(client.get("/recommend"), 405)


def test_every_item_of_the_vocabulary_comes_back(client):
    body = {"history": [], "k": 100}
    answer = client.post("/recommend", json=body).json()
    assert {one["item"] for one in answer["items"]} == set(ITEMS)
