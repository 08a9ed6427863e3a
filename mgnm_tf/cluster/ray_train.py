"""Training by workers that Ray starts, places and starts again."""

import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from mgnm_tf.cluster.ray_cluster import connected
from mgnm_tf.errors import UserError
from mgnm_tf.runs import run_folder
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.utils.cores import usable_cores
from mgnm_tf.utils.validation import check_positive_int

logger = logging.getLogger(__name__)

MOST_FAILURES = 5
"""How often the workers are started again when one of them is lost."""

_REFUSAL = "refusal.txt"
# How often Ray looks whether there is room for more workers.
_SECONDS_BETWEEN_LOOKS = 10


def train_by_ray(
    data: str | os.PathLike,
    config: TrainConfig,
    out: str | os.PathLike,
    *,
    workers: int | None = None,
    least_workers: int | None = None,
    address: str | None = None,
    verbose: int = 2,
    track: str | None = None,
) -> Path:
    """Trains a model by several processes, see `mgnm_tf.cluster.hosts.Hosts`.

    Where a worker is lost, Ray starts all of them again, and the training
    goes on after its last whole epoch. An interrupted call goes on likewise
    when it is made again, with as many workers as it then names.

    Args:
        data: the data folder, which every worker has under this path.
        config: what to train, see `configure`; a file of item features is one
            that every worker has under this path, too.
        out: the run folder to make; all workers see it under this path.
        workers: how many processes. `None` is one for each node of the
            cluster.
        least_workers: with how few the training goes on where there are no
            more; as soon as there are, it goes on with more again. `None` is
            as many as `workers`.
        address: where the head of a Ray cluster is. `None` starts one on this
            machine, whose cores the workers share.
        verbose: Keras's: 0 silent, 2 a line an epoch.
        track: see `mgnm_tf.training.fit.train`.

    Returns:
        The path of the run folder.

    Raises:
        UserError: Ray is not installed, there is no cluster at the address or
            it is too small, or what `train` refuses.
        ValueError: `workers` or `least_workers` is below 1.
    """
    if workers is not None:
        check_positive_int(workers, "workers")
    if least_workers is not None:
        check_positive_int(least_workers, "least_workers")
        if workers is None or least_workers > workers:
            raise UserError(
                "The least number of workers goes with a greater number of "
                f"workers. Received: least_workers={least_workers}, "
                f"workers={workers}"
            )
    data, out = Path(data).absolute(), Path(out).absolute()
    run_folder.check_free(out)
    if config.item_features:
        features = str(Path(config.item_features).absolute())
        config = config.model_copy(update={"item_features": features})
    variables = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": _search_path()}
    if address is None:
        share = max(1, len(usable_cores()) // (workers or 1))
        variables["TF_NUM_INTRAOP_THREADS"] = str(share)
    storage = out.with_name(out.name + ".ray")
    settings = {
        "data": str(data),
        "config": config.to_dict(),
        "out": str(out),
        "verbose": verbose,
        "track": track,
        "refusal": str(storage / _REFUSAL),
    }
    with connected(address, workers or 1, variables) as ray:
        count = workers or _nodes(ray)
        least = least_workers or count
        resources = _resources(ray, least)
        shutil.rmtree(storage, ignore_errors=True)
        storage.mkdir(parents=True)
        try:
            _run(ray, settings, (least, count), resources, storage)
        finally:
            shutil.rmtree(storage, ignore_errors=True)
    return out


def _search_path() -> str:
    """Returns `PYTHONPATH` with what this process finds modules in."""
    return os.pathsep.join(path or os.getcwd() for path in sys.path)


def _nodes(ray: Any) -> int:
    """Returns how many machines a cluster has."""
    return sum(bool(node["Alive"]) for node in ray.nodes())


def _resources(ray: Any, count: int) -> dict[str, float]:
    """Returns what each worker takes of a cluster: a CPU, and a GPU if any.

    Raises:
        UserError: there are fewer CPUs; Ray would wait for them.
    """
    there = ray.cluster_resources()
    cpus = int(there.get("CPU", 0))
    if cpus < count:
        raise UserError(
            f"The Ray cluster has {cpus} CPUs for {count} workers; give at "
            "least as many, or fewer workers."
        )
    gpu = 1 if there.get("GPU", 0) >= count else 0
    return {"CPU": 1, "GPU": gpu}


def _run(
    ray: Any,
    settings: dict[str, Any],
    counts: tuple[int, int],
    resources: dict[str, float],
    storage: Path,
) -> None:
    """Lets Ray train, and says in a sentence why it could not.

    Args:
        ray: the module.
        settings: what each worker is given.
        counts: the least and the greatest number of workers.
        resources: what each takes.
        storage: where Ray keeps its own state.
    """
    from ray.train import FailureConfig
    from ray.train import RunConfig
    from ray.train import ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    least, count = counts
    scaling: dict[str, Any] = {"num_workers": count}
    if least < count:
        scaling = {
            "num_workers": counts,
            "elastic_resize_monitor_interval_s": _SECONDS_BETWEEN_LOOKS,
        }
    try:
        config = ScalingConfig(
            **scaling,
            use_gpu=bool(resources["GPU"]),
            resources_per_worker=resources,
        )
    except TypeError as error:
        raise UserError(
            f"Ray {ray.__version__} cannot change the number of workers; "
            "expected 2.55 or later."
        ) from error
    trainer = TensorflowTrainer(
        train_on_worker,
        train_loop_config=settings,
        scaling_config=config,
        run_config=RunConfig(
            name="train",
            storage_path=str(storage),
            failure_config=FailureConfig(max_failures=MOST_FAILURES),
        ),
    )
    failure = None
    try:
        trainer.fit()
    except Exception as error:
        failure = error
    refusal = Path(settings["refusal"])
    if refusal.exists():
        raise UserError(refusal.read_text(encoding="utf-8")) from failure
    if failure is not None:
        last = str(failure).strip().splitlines()[-1]
        raise UserError(
            f"Ray could not train with {count} workers, after "
            f"{MOST_FAILURES} new starts: {last}"
        ) from failure


def train_on_worker(settings: dict[str, Any]) -> None:
    """Trains as one of the workers; Ray has set `TF_CONFIG`.

    Args:
        settings: what `train_by_ray` has put together.
    """
    refusal = Path(settings["refusal"])
    if refusal.exists() or Path(settings["out"]).exists():
        # Started again although there is nothing left to do.
        return
    from mgnm_tf.utils.quiet import load_tensorflow

    load_tensorflow()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from mgnm_tf.cluster.hosts import Hosts
    from mgnm_tf.cluster.hosts import LostWorkerError
    from mgnm_tf.training.fit import train

    own = logging.getLogger("mgnm_tf")
    own.propagate = False
    own.setLevel(logging.INFO)
    own.addHandler(logging.StreamHandler())
    try:
        workers = Hosts()
        if not workers.is_chief:
            own.setLevel(logging.ERROR)
        train(
            settings["data"],
            TrainConfig.from_dict(settings["config"]),
            settings["out"],
            verbose=settings["verbose"],
            track=settings["track"],
            workers=workers,
        )
    except LostWorkerError:
        raise
    except UserError as error:
        # Starting again would not help; see the first lines.
        refusal.write_text(str(error), encoding="utf-8")
        raise
