"""Time and memory of `prepare` on a made log of micro-video size.

    python benchmarks/prepare.py

It writes a CSV of 60,813 users, 292,286 items and 15,000,000 rows with
`write_world`, prepares it, both in processes of their own, and prints JSON:
seconds, peak memory of the process, rows a second.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--users", type=int, default=60_813)
    parser.add_argument("--items", type=int, default=292_286)
    parser.add_argument("--events", type=int, default=15_000_000)
    parser.add_argument("--folder", help="where the files go; kept if given")
    parser.add_argument("--step", choices=["world", "prepare"])
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(_run_step(arguments)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or temporary
        report = {
            "users": arguments.users,
            "items": arguments.items,
            "events": arguments.events,
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
        }
        for step in ("world", "prepare"):
            command = [sys.executable, __file__, "--step", step]
            command += ["--users", str(arguments.users)]
            command += ["--items", str(arguments.items)]
            command += ["--events", str(arguments.events)]
            command += ["--folder", folder]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True
            )
            report[step] = json.loads(done.stdout)
        print(json.dumps(report, indent=2))


def _run_step(arguments: argparse.Namespace) -> dict:
    from mgnm_tf.data.prepare import prepare
    from mgnm_tf.data.synthetic import write_world

    folder = Path(arguments.folder)
    start = time.perf_counter()
    if arguments.step == "world":
        write_world(
            folder / "log.csv",
            arguments.users,
            arguments.items,
            num_events=arguments.events,
            seed=0,
        )
        result = {"megabytes": (folder / "log.csv").stat().st_size / 1e6}
    else:
        data = prepare(
            folder / "log.csv",
            folder / "data",
            category_column="category",
            progress=lambda step: print(
                f"{time.perf_counter() - start:6.1f} s {step}", file=sys.stderr
            ),
        )
        result = {"counts": data.metadata["counts"]}
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "seconds": round(seconds, 1),
        "rows_per_second": round(arguments.events / seconds),
        "peak_gigabytes": round(peak / 1e9, 2),
        **result,
    }


if __name__ == "__main__":
    main()
