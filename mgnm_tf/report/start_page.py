"""The page of `mgnm start`: one HTML file that needs nothing else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from mgnm_tf.utils.files import atomic_write


def write_start_page(
    path: Path,
    *,
    name: str,
    said: Sequence[str],
    minutes: float,
    started: dict[str, Any],
) -> None:
    """Writes the verdict, the table, the health of the log and what is next.

    Args:
        path: the page to make or replace.
        name: the name of the log.
        said: what was guessed of it, as sentences.
        minutes: the minutes that there were, of all calls together.
        started: the fields of `mgnm_tf.studies.start_result.Started`, and
            `cuts`, what was cut, as sentences.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mgnm_tf.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["glued"] = _glued
    page = environment.get_template("start.html").render(
        name=name,
        said=said,
        minutes=f"{minutes:g}",
        bars=_bars(started["rows"]),
        **started,
    )
    atomic_write(path, page)


def _glued(text: str) -> str:
    """Keeps a number and its percent sign on one line."""
    return text.replace(" %", "\xa0%")


def _bars(rows: Sequence[dict[str, Any]]) -> list[dict[str, float | str]]:
    """Returns where each mean and its interval lie, in percent of the width."""
    top = max((row["high"] for row in rows), default=0.0)
    widest = top if 0 < top < float("inf") else 1.0
    bars: list[dict[str, float | str]] = []
    for row in rows:
        low, mean, high = (
            100 * min(max(row[key] / widest, 0.0), 1.0)
            for key in ("low", "ndcg", "high")
        )
        bars.append(
            {
                "name": row["name"],
                "mean": round(mean, 1),
                "low": round(low, 1),
                "width": round(high - low, 1),
                "text": f"{row['ndcg']:.4f}",
            }
        )
    return bars
