"""The phases of the suite, by name."""

from collections.abc import Callable
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.settings import Settings
from mgnm_tf.errors import UserError
from mgnm_tf.utils.files import write_json
from mgnm_tf.utils.validation import unknown_name

PHASES = (
    "prepare",
    "pipeline",
    "train",
    "positions",
    "epochs",
    "evaluate",
    "ranking",
    "optimizer",
    "softmax",
    "export",
    "growth",
    "retrieval",
    "indexes",
    "serving",
    "scoring",
)
"""Each is a module of this package with a function `run(settings)`."""


def check_phases(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the phases that are asked for, all if none is named.

    Raises:
        UserError: one is unknown; the nearest one is named.
    """
    for name in names:
        if name not in PHASES:
            raise UserError(unknown_name("phase", name, PHASES))
    return tuple(names) or PHASES


def run_phases(
    names: Sequence[str],
    settings: Settings,
    out: Path | None = None,
    progress: Callable[[str], None] = lambda phase: None,
) -> dict[str, Any]:
    """Runs phases one after the other.

    Args:
        names: the phases.
        settings: what they measure.
        out: where the results go; written again after each phase, so that
            an interrupted run has what it measured.
        progress: called with the name of each phase at its start.

    Returns:
        `machine`, `settings` and `results`: phase -> row -> figures.
    """
    report = {
        "machine": describe_machine(),
        "settings": settings.to_dict(),
        "results": {},
    }
    for name in names:
        progress(name)
        run = import_module(f"benchmarks.{name}").run
        report["results"][name] = run(settings)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            write_json(out, report)
    return report
