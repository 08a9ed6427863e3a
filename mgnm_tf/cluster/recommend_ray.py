"""Recommendations for a folder by workers that Ray starts."""

import logging
import os
import socket
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from mgnm_tf.cluster.ray_cluster import connected
from mgnm_tf.cluster.ray_cluster import import_ray
from mgnm_tf.errors import UserError
from mgnm_tf.serving.bulk.history_parts import Part
from mgnm_tf.serving.bulk.recommend_file import ListOptions
from mgnm_tf.serving.bulk.recommend_folder import Engine
from mgnm_tf.serving.bulk.recommend_folder import PartDone
from mgnm_tf.serving.bulk.recommend_folder import PartWorker
from mgnm_tf.utils.cores import usable_cores
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.version import __version__

logger = logging.getLogger(__name__)

_BLOCKS = 2000
"""Into how many blocks Ray divides the parts, at most."""
_STORE = 200 << 20
"""Bytes of Ray's store of objects: nothing but names goes through it."""


def on_ray(
    export: str | os.PathLike,
    workers: int | None = None,
    address: str | None = None,
) -> Engine:
    """Returns the engine of `recommend_folder` that divides parts by Ray.

    Workers are actors of Ray Data. Each loads the model once and does one part
    after the other; those of a worker that dies are done again by another.

    Args:
        export: the export folder, which every worker can read.
        workers: how many, each with a core of its own. Defaults to `None`:
            as many as the cluster has cores, less one.
        address: a cluster of Ray that is there: `HOST:PORT`, or `auto` for
            that of this machine. Export, histories and output must be on
            folders that its machines share. Defaults to `None`: workers on
            this machine, started for this and stopped at its end.

    Raises:
        UserError: Ray is not installed, or `workers` is not positive, or
            missing without an address. From the engine: there is no cluster
            at the address, or a worker cannot do its work.
    """
    ray = import_ray()
    import_module("ray.data")
    if workers is None and address is None:
        raise UserError(
            "Give a number of workers, or the address of a cluster."
        )
    if workers is not None:
        check_workers(workers)
    export = str(Path(export).absolute())

    def run(parts: Sequence[Part], options: ListOptions):
        with _session(ray, workers, address):
            count = _actors(ray, workers, len(parts))
            data = ray.data.from_items(
                [asdict(part) for part in parts],
                override_num_blocks=min(len(parts), _BLOCKS),
            ).map(
                _Worker,
                fn_constructor_args=(export, options, __version__),
                compute=ray.data.ActorPoolStrategy(size=count),
                num_cpus=1,
            )
            out = {part.name: part.out for part in parts}
            try:
                for row in data.iter_rows():
                    yield _checked(PartDone(**row), out)
            except ray.exceptions.RayError as error:
                raise UserError(
                    f"Ray ended the work: {_last_line(error)}. Give the same "
                    "command again to continue."
                ) from error

    return run


def check_workers(workers: Any) -> None:
    """Checks a number of workers.

    Raises:
        UserError: it is no positive whole number.
    """
    try:
        check_positive_int(workers, "workers")
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from error


class _Worker:
    """A `PartWorker` that takes and gives rows of Ray Data."""

    def __init__(self, export: str, options: ListOptions, version: str):
        self._export, self._version = export, version
        self._work = PartWorker(export, options)
        self._host = socket.gethostname()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        part = Part(**row)
        done = self._strange(part) or self._work(part)
        if done.of_all:
            problem = f"The worker on {self._host}: {done.problem}"
            done = PartDone(part.name, problem=problem, of_all=True)
        return asdict(done)

    def _strange(self, part: Part) -> PartDone | None:
        """Returns what is not on this machine as on the one that asks."""
        problem = ""
        if self._version != __version__:
            problem = (
                f"it has mgnm_tf {__version__}, and {self._version} is on the "
                "machine that asks; install the same version on all."
            )
        for path in (self._export, part.history):
            if not os.path.exists(path):
                problem = (
                    f"it does not see {path}; give folders that all machines "
                    "share, under the same name."
                )
        if not problem:
            return None
        return PartDone(part.name, problem=problem, of_all=True)


def _checked(done: PartDone, out: dict[str, str]) -> PartDone:
    """Looks whether what a worker has written can be seen from here."""
    path = out[done.name]
    if not done.problem and not os.path.exists(path):
        raise UserError(
            f"A worker has written {path}, which is not on this machine: the "
            "folder is not shared; give one that all machines share."
        )
    return done


@contextmanager
def _session(
    ray: ModuleType, workers: int | None, address: str | None
) -> Iterator[None]:
    """Connects to a cluster, or starts one on this machine, and leaves it."""
    if ray.is_initialized():
        yield
        return
    cores = len(usable_cores())
    threads = 1 if address else max(1, cores // (workers or 1))
    options: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if address is None:
        options["object_store_memory"] = _STORE
    # One core more than actors: a pool that takes every core starves what
    # feeds it, and hangs.
    with connected(address, (workers or 1) + 1, _threads(threads), **options):
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield


def _threads(count: int) -> dict[str, str]:
    """Returns what makes TensorFlow take so many cores, unless it is told."""
    names = (
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "OMP_NUM_THREADS",
    )
    found = {name: os.environ.get(name, str(count)) for name in names}
    return {"TF_CPP_MIN_LOG_LEVEL": "3", **found}


def _actors(ray: ModuleType, workers: int | None, parts: int) -> int:
    """Returns how many actors are started: not more than there are parts."""
    cores = int(ray.cluster_resources().get("CPU", 1))
    if workers is None:
        workers = max(1, cores - 1)
    elif workers > cores:
        logger.warning(
            f"The cluster has {cores:,} cores now; {workers:,} workers wait "
            "for more."
        )
    return min(workers, parts)


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip().rstrip(".") if lines else type(error).__name__
