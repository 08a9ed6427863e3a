"""Servers in this process, over small exports."""

from contextlib import contextmanager

from starlette.testclient import TestClient

from mgnm_tf.serving.http.application import create_application
from mgnm_tf.serving.http.served_models import ServedModels
from mgnm_tf.serving.http.settings import Settings


@contextmanager
def served(*paths, items=None, **settings):
    """Gives a client of a server, and its models."""
    # The machine may be busy.
    settings = Settings(**{"check_every": 0.0, "timeout": 300.0, **settings})
    models = ServedModels(paths, settings, items)
    app = create_application(models)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client, models


def refused(response, status):
    """Checks that a request ended in one sentence, and returns it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    sentence = body["error"]
    assert "\n" not in sentence and "Traceback" not in sentence
    assert sentence.endswith(".") or "Received: " in sentence, sentence
    assert len(sentence) <= 500
    return sentence
