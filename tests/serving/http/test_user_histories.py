import numpy as np
import pytest

pytest.importorskip("fastapi_offline", reason="needs the extra [serve]")
pytest.importorskip("prometheus_client", reason="needs the extra [serve]")
pytest.importorskip("httpx2", reason="needs the extra [dev]")

from starlette.testclient import TestClient

from mgnm_tf.serving.http.application import create_application
from mgnm_tf.serving.http.item_list import Item
from mgnm_tf.serving.http.served_models import ServedModels
from mgnm_tf.serving.http.settings import Settings
from mgnm_tf.serving.http.user_histories import UserHistories
from mgnm_tf.serving.requests.request_blocks import Requests
from tests.export.worlds import export_sums
from tests.serving.http.worlds import refused


def made(times=None):
    users = np.array(["bob", "ann", "anna"], object)
    items = np.array(["tea", "milk", "é", "tea", "gone"], object)
    offsets = np.array([0, 1, 4, 5])
    return UserHistories(Requests(users, users, items, offsets, times))


def test_users_by_the_beginning_of_their_ids():
    histories = made()
    assert histories.search("", 9) == ["ann", "anna", "bob"]
    assert histories.search("ann", 9) == ["ann", "anna"]
    assert histories.search("", 2) == ["ann", "anna"]
    assert histories.search("c", 9) == histories.search("annab", 9) == []


def test_the_newest_items_with_their_times():
    assert made().of("ann", 2) == (["é", "tea"], None)
    timed = made(np.arange(5))
    assert timed.of("ann", 9) == (["milk", "é", "tea"], [1, 2, 3])
    assert timed.of("ann", 2) == (["é", "tea"], [2, 3])
    assert timed.of("bob", 9) == (["tea"], [0])
    assert timed.of("gone", 9) is None


def test_over_http(tmp_path):
    path = export_sums(tmp_path / "sums")
    titles = {"tea": Item("Green Tea")}
    models = ServedModels([path], Settings(check_every=0.0), titles)
    with TestClient(create_application(models, made())) as client:
        users = client.get("/users", params={"search": "an", "limit": 1})
        assert users.json() == {"users": ["ann"]}
        found = client.get("/history", params={"user": "bob"}).json()
        assert found["items"] == [
            {"item": "tea", "title": "Green Tea", "time": None}
        ]
        answer = client.get("/history", params={"user": "hidden"})
        assert "no history of such a user" in refused(answer, 404)
        assert client.get("/models").json()["has_users"]
        refused(client.get("/history"), 422)
    models = ServedModels([path], Settings(check_every=0.0))
    with TestClient(create_application(models)) as client:
        assert client.get("/users").status_code == 404
        assert not client.get("/models").json()["has_users"]
