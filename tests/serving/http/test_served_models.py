"""Versions come and go, queues fill up, time runs out."""

import gc
import shutil
import threading
import time
import weakref

import pytest

pytest.importorskip("fastapi_offline", reason="needs the extra [serve]")
pytest.importorskip("prometheus_client", reason="needs the extra [serve]")
pytest.importorskip("httpx2", reason="needs the extra [dev]")

from mgnm_tf.errors import UserError
from mgnm_tf.serving.http.served_models import ServedModels
from tests.export.worlds import export_sums
from tests.serving.exports import export_interests
from tests.serving.http.worlds import refused
from tests.serving.http.worlds import served

BODY = {"history": ["tea", "é"], "k": 3}


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Two exports that recommend differently."""
    folder = tmp_path_factory.mktemp("versions")
    return [export_sums(folder / "sums"), export_interests(folder / "two")]


@pytest.fixture
def place(versions, tmp_path):
    """Where the export stands that is served."""
    return shutil.copytree(versions[0], tmp_path / "shop")


def put(version, place):
    """Puts another version in the place of one, as by two renames."""
    new = shutil.copytree(version, place.with_name("new"))
    place.rename(place.with_name(f"old-{time.monotonic_ns()}"))
    new.rename(place)


def test_a_new_version_is_loaded_without_losing_a_request(versions, place):
    with served(place) as (client, models):
        found, failed, stop = [], [], threading.Event()

        def ask():
            while not stop.is_set():
                answer = client.post("/recommend", json=BODY)
                if answer.status_code == 200:
                    found.append(answer.json())
                else:
                    failed.append(answer.text)

        callers = [threading.Thread(target=ask) for _ in range(3)]
        for one in callers:
            one.start()
        try:
            before = client.post("/recommend", json=BODY).json()
            put(versions[1], place)
            models.look_for_new()
            after = client.post("/recommend", json=BODY).json()
        finally:
            stop.set()
            for one in callers:
                one.join(30)
        assert failed == []
        assert (before["version"], after["version"]) == (1, 2)
        assert before["items"] != after["items"]
        assert {one["version"]: one for one in found + [before, after]} == {
            1: before,
            2: after,
        }
        state = client.get("/v1/models/shop").json()["model_version_status"]
        assert [one["version"] for one in state] == ["2"]
        refused(client.get("/v1/models/shop/versions/1"), 404)
        refused(client.post("/recommend", json={**BODY, "version": 1}), 404)
        assert client.get("/readyz").json()["versions"] == {"shop": 2}
        models.look_for_new()  # Nothing is new.
        assert client.get("/readyz").json()["versions"] == {"shop": 2}
        text = client.get("/metrics").text
        loaded = 'mgnm_reloads_total{model="shop",result="loaded"} 1.0'
        assert loaded in text
        assert 'mgnm_model_version{model="shop"} 2.0' in text


@pytest.mark.parametrize("damage", ["header", "model", "words", "gone"])
def test_the_old_version_goes_on_when_the_new_one_is_broken(
    versions, place, damage, tmp_path, caplog
):
    broken = shutil.copytree(versions[1], tmp_path / "broken")
    if damage == "header":
        (broken / "export.json").write_text("{")
    elif damage == "model":
        (broken / "1" / "saved_model.pb").write_bytes(b"none")
    elif damage == "words":
        (broken / "vocabulary" / "items.txt").unlink()
    with served(place) as (client, models):
        before = client.post("/recommend", json=BODY).json()
        if damage == "gone":
            place.rename(tmp_path / "elsewhere")
        else:
            put(broken, place)
        models.look_for_new()
        models.look_for_new()
        assert client.post("/recommend", json=BODY).json() == before
        said = [one for one in caplog.records if one.msg == "version broken"]
        text = client.get("/metrics").text
        count = 0 if damage == "gone" else 1
        assert len(said) == count
        counted = f'reloads_total{{model="shop",result="broken"}} {count}.0'
        assert counted in text
        if damage == "gone":
            (tmp_path / "elsewhere").rename(place)
        put(versions[1], place)  # Mended.
        models.look_for_new()
        assert client.post("/recommend", json=BODY).json()["version"] == 2


def test_collection_passes_over_a_version_until_the_next_one(versions, place):
    models = ServedModels([place])
    try:
        old = models.get("shop").current
        assert gc.is_tracked(old.answers) and not collected(old.answers)
        assert gc.get_freeze_count() > 10_000
        there = weakref.ref(old.recommender)
        old.recommender.itself = old.recommender  # As graphs have.
        del old
        put(versions[1], place)
        models.look_for_new()
        assert there() is None
        assert not collected(models.get("shop").current.answers)
    finally:
        models.close()
    assert gc.get_freeze_count() == 0


def collected(thing):
    """Whether the collection looks at a thing."""
    return any(one is thing for one in gc.get_objects())


def test_the_look_is_taken_by_itself(versions, place):
    with served(place, check_every=0.05) as (client, _):
        put(versions[1], place)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if client.get("/readyz").json()["versions"] == {"shop": 2}:
                break
            time.sleep(0.05)
        assert client.get("/readyz").json()["versions"] == {"shop": 2}


def hold(model):
    """Holds a model in an answer; returns what lets it go."""
    taken, gate = threading.Event(), threading.Event()

    def wait(version):
        taken.set()
        gate.wait(30)

    model.submit(wait)
    assert taken.wait(30)
    return gate


def test_who_comes_when_too_many_wait_is_told_to_come_again(versions):
    with served(versions[0], max_waiting=2) as (client, models):
        model = models.get(None)
        gate = hold(model)
        waiting = [model.submit(lambda version: version.number) for _ in "ab"]
        response = client.post("/recommend", json=BODY)
        assert "more requests than" in refused(response, 503)
        assert response.headers["retry-after"] == "1"
        refused(client.get("/readyz"), 503)
        assert client.get("/healthz").status_code == 200
        gate.set()
        assert [one.result(30) for one in waiting] == [1, 1]
        assert client.post("/recommend", json=BODY).status_code == 200
        assert client.get("/readyz").status_code == 200


def test_who_waits_too_long_is_told_so(versions):
    with served(versions[0], timeout=0.2) as (client, models):
        gate = hold(models.get(None))
        response = client.post("/recommend", json=BODY)
        assert "within 0.2 seconds" in refused(response, 504)
        gate.set()
        assert client.get("/readyz").status_code == 200


def test_names_are_those_of_folders(versions, tmp_path):
    other = shutil.copytree(versions[0], tmp_path / "other" / "sums")
    with pytest.raises(UserError, match="Two exports are named 'sums'"):
        ServedModels([versions[0], other])
    with pytest.raises(UserError, match="There is no export folder"):
        ServedModels([versions[0], tmp_path / "none"])
