"""The command that serves exports over HTTP."""

import importlib
import ipaddress
from pathlib import Path
from typing import Annotated

import typer

from mgnm_tf.cli.app import command
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes
from mgnm_tf.errors import UserError

_LIBRARIES = ("fastapi", "fastapi_offline", "prometheus_client", "uvicorn")


@command()
def serve(
    exports: Annotated[
        list[Path],
        typer.Argument(
            metavar="EXPORT...",
            help="Export folders of `mgnm export`; a model is named after its "
            "folder.",
        ),
    ],
    host: Annotated[
        str,
        typer.Option(help="Address to listen at; 0.0.0.0 for all of them."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port; 0 for any that is free.")
    ] = 8501,
    items: Annotated[
        Path | None,
        typer.Option(
            help="CSV, Parquet or JSON Lines file with item_id, title and, for "
            "pictures, picture (https://...)."
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            help="CSV, Parquet or JSON Lines file of events, with user_id, "
            "item_id and timestamp: the page offers to load these users."
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that callers must send.",
            show_default="environment variable MGNM_TOKEN, else none",
        ),
    ] = None,
    max_waiting: Annotated[
        int,
        typer.Option(help="Requests that may wait for a model; more get 503."),
    ] = 256,
    max_batch: Annotated[
        int, typer.Option(help="Requests that are answered together.")
    ] = 64,
    max_body: Annotated[
        int, typer.Option(help="Bytes of a request; more get 413.")
    ] = 4 << 20,
    timeout: Annotated[
        float, typer.Option(help="Seconds until a request gets 504.")
    ] = 10.0,
    check_every: Annotated[
        float,
        typer.Option(
            help="Seconds between looks for a new version of each export; 0 "
            "for never."
        ),
    ] = 5.0,
) -> None:
    """Serve exports over HTTP: recommendations, and a page to play with.

    Takes the requests of TensorFlow Serving's REST interface, too. An export
    that is replaced is loaded anew without losing a request.
    """
    _import_libraries()
    load_tensorflow()
    from mgnm_tf.serving.http import server
    from mgnm_tf.serving.http.settings import Settings

    settings = Settings(
        max_body=max_body,
        max_batch=max_batch,
        max_waiting=max_waiting,
        timeout=timeout,
        check_every=check_every,
        token=server.read_token(token_file),
    )
    if settings.token is None and not _is_local(host):
        notes.print(
            f"Warning: whoever reaches {host} can ask; see --token-file."
        )

    def ready(address):
        console.print(f"Serving at {address}/, paths at {address}/docs.")

    server.serve(exports, host, port, settings, items, history, ready)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _import_libraries() -> None:
    try:
        for name in _LIBRARIES:
            importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            "The server needs FastAPI, uvicorn and prometheus-client; install "
            f'them with: pip install "mgnm-tf[serve]" ({error}).'
        ) from error
