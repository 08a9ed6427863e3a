"""Real processes that train together on 127.0.0.1."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.workers import free_ports

ROOT = Path(__file__).parents[2]


def start_workers(commands, **more):
    """Starts a process for each `mgnm` command line, as one cluster."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(len(commands))]
    started = []
    for index, command in enumerate(commands):
        config = {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TF_CONFIG": json.dumps(config),
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            **more,
        }
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "mgnm_tf", *map(str, command)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return started


def ends(processes, timeout=300):
    """Waits for processes; returns (code, output, errors) of each."""
    found = []
    try:
        for process in processes:
            output, errors = process.communicate(timeout=timeout)
            found.append((process.returncode, output, errors))
    finally:
        for process in processes:
            process.kill()
    return found
