"""What stands in front of the paths: size, token, counting."""

import hmac
import json
import time
from typing import Any

from starlette.types import ASGIApp
from starlette.types import Message
from starlette.types import Receive
from starlette.types import Scope
from starlette.types import Send

from mgnm_tf.serving.http.event_log import log_event
from mgnm_tf.serving.http.metrics import Metrics

OPEN_PATHS = ("/", "/healthz", "/readyz", "/docs", "/openapi.json")
"""What needs no token: it holds nothing of the models."""
OPEN_FOLDER = "/static-offline-docs/"


class SizeLimit:
    """Refuses bodies that are too large, before they are read whole.

    Args:
        app: what comes behind it.
        max_body: bytes.
    """

    def __init__(self, app: ASGIApp, max_body: int):
        self._app = app
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._max_body:
            await self._refuse(send)
            return
        # The body is small enough to be held, so that it is read once.
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # The caller has gone.
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > self._max_body:
                await self._refuse(send)
                return
        body: Message | None = {
            "type": "http.request",
            "body": b"".join(parts),
            "more_body": False,
        }

        async def once() -> Message:
            nonlocal body
            if body is None:
                return await receive()
            message, body = body, None
            return message

        await self._app(scope, once, send)

    async def _refuse(self, send):
        sentence = f"The body must have at most {self._max_body:,} bytes."
        # What is still on its way is not read.
        await _answer(send, 413, sentence, [(b"connection", b"close")])


class TokenGuard:
    """Asks for a bearer token.

    Args:
        app: what comes behind it.
        token: what a caller must send.
    """

    def __init__(self, app: ASGIApp, token: str):
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send):
        if scope["type"] == "http" and not _is_open(scope["path"]):
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                await _answer(
                    send,
                    401,
                    "Give the token of this server as `Authorization: Bearer`.",
                    [(b"www-authenticate", b"Bearer")],
                )
                return
        await self._app(scope, receive, send)


class Watch:
    """Counts, times and logs each request, by its path as it is declared.

    Args:
        app: what comes behind it.
        metrics: what is counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begin = 499, time.perf_counter()  # 499: the caller has gone.

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            status = 500
            raise
        finally:
            seconds = time.perf_counter() - begin
            path = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(path, status).inc()
            self._metrics.seconds.labels(path).observe(seconds)
            log_event(
                "request",
                method=scope["method"],
                path=path,
                status=status,
                ms=round(1000 * seconds, 2),
            )


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


async def _answer(send: Send, status: int, sentence: str, headers: Any) -> None:
    body = json.dumps({"error": sentence}).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
