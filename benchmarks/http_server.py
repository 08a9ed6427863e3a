"""An export served by `mgnm serve`, in a process of its own, and asked."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import ROOT

CALLERS = 16


def measure_http(
    folder: Path, histories: dict, one_seconds: float, callers_seconds: float
) -> dict[str, float]:
    """Asks a server over loopback: a single caller, then 16 at once.

    Args:
        folder: the export.
        histories: user -> ids of items.
        one_seconds: how long the single caller asks.
        callers_seconds: how long the 16 ask.

    Returns:
        `http_p50_ms`, `http_p99_ms` of the single caller;
        `callers_per_second`, `callers_p50_ms` and `callers_p99_ms` of the 16;
        `errors` of both.
    """
    with serving(folder) as address:
        one = ask(address, histories, 1, one_seconds)
        many = ask(address, histories, CALLERS, callers_seconds)
    return {
        "http_p50_ms": one["p50_ms"],
        "http_p99_ms": one["p99_ms"],
        **{
            f"callers_{name}": many[name]
            for name in ("per_second", "p50_ms", "p99_ms")
        },
        "errors": one["errors"] + many["errors"],
    }


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Gives the address of a server of an export; stops it at the end."""
    command = [sys.executable, "-m", "mgnm_tf", "serve", str(folder)]
    with subprocess.Popen(
        [*command, "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            _, _, rest = line.partition("http://")
            if not rest:
                raise RuntimeError(f"The server did not start: {line!r}")
            yield "http://" + rest.split("/")[0]
        finally:
            process.send_signal(signal.SIGTERM)


def ask(
    address: str, histories: dict, callers: int, seconds: float
) -> dict[str, float]:
    """Runs the callers of `http_callers` in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "histories.json")
        path.write_text(json.dumps(histories), encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.http_callers", address]
        done = subprocess.run(
            [*command, str(path), str(callers), str(seconds)],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    return json.loads(done.stdout)
