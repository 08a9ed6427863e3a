"""The curves of a run, as Keras's `CSVLogger` writes them."""

import csv
import math
import os
from pathlib import Path

from mgnm_tf.utils.files import atomic_write


def read_history(path: str | os.PathLike) -> list[dict[str, float]]:
    """Reads `history.csv`.

    Args:
        path: the file; one that is not there is an empty history.

    Returns:
        One dict an epoch, from column to value.
    """
    path = Path(path)
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {name: float(value) for name, value in row.items() if value != "NA"}
            for row in csv.DictReader(file)
        ]


def cut_history(path: str | os.PathLike, epochs: int) -> None:
    """Keeps the first `epochs` rows of `history.csv`, if it is there.

    What a killed process wrote after its last backup goes, even half a row.
    """
    path = Path(path)
    if epochs == 0:
        path.unlink(missing_ok=True)
    else:
        lines = path.read_bytes().splitlines(keepends=True)
        atomic_write(path, b"".join(lines[: epochs + 1]))


def best_epoch(values: list[float], mode: str) -> int:
    """Returns the index of the best value, the first of equal ones.

    Args:
        values: one value an epoch; NaN is never the best.
        mode: `"max"` or `"min"`.
    """
    sign = 1 if mode == "max" else -1
    comparable = [
        -math.inf if math.isnan(value) else sign * value for value in values
    ]
    return comparable.index(max(comparable))
