"""Runs a server until it is told to stop."""

import os
import signal
import socket
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from threadpoolctl import threadpool_limits

from mgnm_tf.errors import UserError
from mgnm_tf.serving.http.application import create_application
from mgnm_tf.serving.http.event_log import log_event
from mgnm_tf.serving.http.event_log import log_to_stderr
from mgnm_tf.serving.http.item_list import read_items
from mgnm_tf.serving.http.served_models import ServedModels
from mgnm_tf.serving.http.settings import Settings
from mgnm_tf.serving.http.user_histories import UserHistories
from mgnm_tf.serving.requests.history_table import read_history

TOKEN_VARIABLE = "MGNM_TOKEN"
"""The environment variable of the token."""
_PATIENCE = 5
"""Seconds more than the time limit that open requests have at the end."""


def serve(
    exports: Sequence[Path],
    host: str,
    port: int,
    settings: Settings,
    items: Path | None = None,
    histories: Path | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serves exports over HTTP until SIGINT or SIGTERM.

    Then no request is taken any more, and those that were are answered.
    Meanwhile NumPy multiplies with one thread: between the small products of
    a few users its others would spin, and keep the cores from the requests.

    Args:
        exports: the export folders.
        host: the address to listen at.
        port: the port; 0 for any that is free.
        settings: the limits.
        items: the file of titles and pictures. Defaults to `None`.
        histories: the file of events of users that the page offers. Defaults
            to `None`.
        ready: is given the address before requests are taken. Defaults to
            `None`.

    Raises:
        UserError: an export or the file cannot be used, or the port is taken.
    """
    listener = _bind(host, port)  # Before the models, which take long.
    with listener, threadpool_limits(1, user_api="blas"):
        shown = read_items(items) if items else None
        models = ServedModels(exports, settings, shown)
        try:
            users = read_users(histories, models) if histories else None
        except BaseException:
            models.close()
            raise
        log_to_stderr()
        config = uvicorn.Config(
            create_application(models, users),
            log_config=None,
            access_log=False,  # It would hold what is searched for.
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(settings.timeout) + _PATIENCE,
        )
        try:
            listener.listen(config.backlog)
        except OSError as error:  # Another one has been faster.
            models.close()
            raise _taken(host, port, error) from error
        if ready is not None:
            address, found = listener.getsockname()[:2]
            address = f"[{address}]" if ":" in address else address
            ready(f"http://{address}:{found}")
        for name in models.names:
            log_event("serving", model=name)
        # uvicorn raises the signal anew when all is answered.
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, before)
        log_event("stopped")


def read_users(path: Path, models: ServedModels) -> UserHistories:
    """Reads histories, with times where one of the models reads them.

    Args:
        path: CSV or Parquet, see `read_history`.
        models: the models.

    Raises:
        DataError: the file cannot be used.
    """
    reads_times = any(
        models.get(name).current.recommender.metadata["reads_times"]
        for name in models.names
    )
    return UserHistories(read_history(path, reads_times))


def read_token(path: Path | None) -> str | None:
    """Returns the token of a server.

    Args:
        path: the file that holds it; `None` is for that of the environment
            variable `MGNM_TOKEN`, if there is one.

    Raises:
        UserError: the file cannot be read, or the token is empty or no
            printable ASCII.
    """
    if path is None:
        token = os.environ.get(TOKEN_VARIABLE)
        where = f"The environment variable {TOKEN_VARIABLE}"
        if token is None:
            return None
    else:
        where = str(path)
        try:
            token = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise UserError(f"{path} cannot be read: {reason}.") from error
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise UserError(
            f"{where} must hold a token: printable ASCII, not empty."
        )
    return token


def _bind(host: str, port: int) -> socket.socket:
    """Takes the port, and does not listen yet."""
    if not 0 <= port < 1 << 16:
        raise UserError(f"--port must be from 0 to 65535. Received: {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UserError(
            f"--host must be an address of this machine. Received: {host!r}"
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _taken(host, port, error) from error
    return listener


def _taken(host: str, port: int, error: OSError) -> UserError:
    reason = error.strerror or str(error)
    return UserError(
        f"Port {port} of {host} cannot be used: {reason}; give another one by "
        "--port, or 0 for any that is free."
    )
