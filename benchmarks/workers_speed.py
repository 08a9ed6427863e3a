"""How fast two processes train, against one, each on a core of its own."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.measure import significant
from benchmarks.workers import make_data
from benchmarks.workers import train_by
from mgnm_tf.runs import run_folder
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json


def run(
    labels: list[str],
    steps: int,
    batch_size: int,
    rounds: int,
    folder: Path,
    out: Path | None,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Trains each recipe by one and by two processes, by turns.

    Args:
        labels: keys of `benchmarks.workers.CASES`.
        steps: about how many steps, in two epochs.
        batch_size: of all processes together.
        rounds: how often each is trained.
        folder: where data and runs are written.
        out: JSON file of the results.
        progress: takes the name of what is begun.

    Returns:
        `results`: label -> positives a second of one and of two processes,
        in the second epoch, each the median of the rounds, and `speedup`, the
        median of the ratios of each round, with the least and the most.
    """
    make_data(folder / "data", steps, batch_size)
    found: dict[str, Any] = {"machine": describe_machine(), "results": {}}
    found["batch_size"] = batch_size
    for label in labels:
        speeds: dict[int, list[float]] = {1: [], 2: []}
        for number in range(rounds):
            for count in (1, 2):
                progress(f"{label}, {count} of 2, round {number + 1}")
                run = folder / f"{label}-{count}-{number}".replace(":", "-")
                train_by(
                    label,
                    folder / "data",
                    run,
                    count,
                    batch_size=batch_size,
                    pinned=True,
                )
                timing = read_json(run / run_folder.TIMING)["epochs"][-1]
                speeds[count].append(
                    timing["steady_positives"] / timing["steady_seconds"]
                )
        ratios = [two / one for one, two in zip(*speeds.values(), strict=True)]
        found["results"][label] = {
            "one_per_second": significant(statistics.median(speeds[1])),
            "two_per_second": significant(statistics.median(speeds[2])),
            "speedup": {
                "median": significant(statistics.median(ratios)),
                "least": significant(min(ratios)),
                "most": significant(max(ratios)),
            },
        }
        if out is not None:
            write_json(out, found)
    return found
