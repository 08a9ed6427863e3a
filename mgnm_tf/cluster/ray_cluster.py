"""A Ray cluster: one of its own for a command, or one that runs already."""

import logging
import os
import socket
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from mgnm_tf.errors import UserError

_PATIENCE = 10.0
"""Seconds to wait for an answer."""

_SETTINGS = {
    # Otherwise it tells its makers of each cluster.
    "RAY_USAGE_STATS_ENABLED": "0",
    # It calls an error what is none.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    # What a cluster without a dashboard says every second.
    "RAY_DEDUP_LOGS_SKIP_REGEX": "Failed to query Ray Train Controller",
}


def import_ray() -> Any:
    """Returns the module `ray`.

    Raises:
        UserError: it is not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        return import_module("ray")
    except ImportError as error:
        raise UserError(
            "Several workers are run by Ray, which is not installed: "
            f'pip install "mgnm_tf[cluster]" ({error}).'
        ) from error


def check_address(address: str) -> None:
    """Makes sure that something listens at the address of a cluster.

    Ray itself tries for minutes.

    Args:
        address: `host:port` or `ray://host:port`; `"auto"` is for Ray to
            find.

    Raises:
        UserError: nothing does, or it is no such address.
    """
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UserError(
            "The address of a Ray cluster is host:port or ray://host:port. "
            f"Received: {address!r}"
        )
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> UserError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(
        f"There is no Ray cluster at {address} ({reason}). Start one with "
        "`ray start --head`, and give the address that it prints."
    )


@contextmanager
def connected(
    address: str | None, cpus: int, variables: Mapping[str, str], **further: Any
) -> Iterator[Any]:
    """Connects to a cluster, and leaves it at the end.

    Args:
        address: `host:port` of the head, or `ray://host:port`; `None` starts
            a cluster on this machine that ends with the block.
        cpus: how many workers of one CPU the cluster on this machine takes.
        variables: environment of the workers.
        **further: arguments of `ray.init`.

    Returns:
        A context manager over the module `ray`.

    Raises:
        UserError: Ray is not installed, or no cluster is at the address.
    """
    ray = import_ray()
    options: dict[str, Any] = {
        "runtime_env": {"env_vars": dict(variables)},
        "logging_level": logging.WARNING,
    }
    if address is None:
        # Without "local" Ray takes a cluster that RAY_ADDRESS or a file names.
        options.update(address="local", num_cpus=cpus, include_dashboard=False)
    else:
        check_address(address)
        options.update(address=address)
    try:
        ray.init(**{**options, **further})
    except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
        if address is None:
            raise
        raise _no_cluster(address, error) from error
    try:
        yield ray
    finally:
        ray.shutdown()
