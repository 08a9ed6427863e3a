"""The page without a browser: what it may fetch, and that it runs."""

import base64
import hashlib
import re

import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")
pytest.importorskip("httpx2", reason="needs the extra [dev]")

from fastapi import FastAPI
from starlette.testclient import TestClient

from mgnm_tf.serving.http.page_path import page_path


@pytest.fixture(scope="module")
def answer():
    app = FastAPI()
    app.include_router(page_path())
    return TestClient(app).get("/")


def test_nothing_is_fetched_from_elsewhere(answer):
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", answer.text)
    assert "//" not in re.sub(r"//(?= )", "", answer.text)
    assert "@import" not in answer.text and "url(" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_its_policy_lets_its_own_script_and_style_work(answer):
    policy = answer.headers["content-security-policy"]
    for element in ("script", "style"):
        begin = answer.text.index(f"<{element}>") + len(element) + 2
        content = answer.text[begin : answer.text.index(f"</{element}>")]
        digest = hashlib.sha256(content.encode()).digest()
        allowed = f"'sha256-{base64.b64encode(digest).decode()}'"
        assert f"{element}-src {allowed};" in policy
    assert " style=" not in answer.text and not re.search(
        r"<[^>]* on\w+=", answer.text
    )


def test_text_of_others_is_never_read_as_html(answer):
    for name in ("innerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert name not in answer.text
