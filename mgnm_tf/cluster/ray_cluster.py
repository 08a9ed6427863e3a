"""A Ray cluster: one of its own for a command, or one that runs already."""

import logging
import os
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from mgnm_tf.errors import UserError

_SETTINGS = {
    # Otherwise it tells its makers of each cluster.
    "RAY_USAGE_STATS_ENABLED": "0",
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


@contextmanager
def connected(
    address: str | None, cpus: int, variables: Mapping[str, str]
) -> Iterator[Any]:
    """Connects to a cluster, and leaves it at the end.

    Args:
        address: `host:port` of the head, or `ray://host:port`; `None` starts
            a cluster on this machine that ends with the block.
        cpus: how many workers of one CPU the cluster on this machine takes.
        variables: environment of the workers.

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
        options.update(num_cpus=cpus, include_dashboard=False)
    else:
        options.update(address=address)
    try:
        ray.init(**options)
    except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
        if address is None:
            raise
        first = str(error).strip().splitlines()[0]
        raise UserError(
            f"There is no Ray cluster at {address}: {first} Start one with "
            "`ray start --head`, and give the address that it prints."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()
