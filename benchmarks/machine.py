"""Where a benchmark ran, and on which code."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import datetime
from datetime import timezone
from pathlib import Path
from typing import Any

import keras

ROOT = Path(__file__).parents[1]
PACKAGES = ("tensorflow", "keras", "jax", "numpy")


def describe_machine() -> dict[str, Any]:
    """Returns processor, devices, versions, commit and date."""
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "backend": keras.backend.backend(),
        "devices": devices(),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        **commit(),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def cpu_model() -> str:
    """Returns the name of the processor."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def devices() -> list[str]:
    """Returns the devices that Keras's backend computes on, in words."""
    if keras.backend.backend() == "jax":
        import jax

        return [device.device_kind for device in jax.devices()]
    from mgnm_tf.runs.environment import device_name

    return [device_name()]


def commit() -> dict[str, Any]:
    """Returns the commit of the checkout and whether files differ from it."""
    if not (ROOT / ".git").exists():
        return {"commit": None, "changed": None}
    return {
        "commit": git("rev-parse", "--short=12", "HEAD").strip(),
        "changed": bool(git("status", "--porcelain", "-uno").strip()),
    }


def git(*arguments: str) -> str:
    """Returns what a git command prints about this checkout.

    Raises:
        subprocess.CalledProcessError: the command fails.
    """
    done = subprocess.run(
        ["git", *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
