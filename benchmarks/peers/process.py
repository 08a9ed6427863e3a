"""The other library, in a process of its own."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.pairs import Library


class Peer:
    """Another library in a process of its own.

    Args:
        process: its script, with pipes to its input and output.
        name: of the library.

    Attributes:
        description: what it says of itself.
    """

    def __init__(self, process: subprocess.Popen, name: str):
        self.process = process
        self.name = name
        self.description = self._answer()

    def measure(self, task: str) -> tuple[int, float]:
        """Returns samples and seconds of a task."""
        self.process.stdin.write(f"{task}\n")
        self.process.stdin.flush()
        answer = self._answer()
        return answer["samples"], answer["seconds"]

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"{self.name} ended; its error is on the standard error. Its "
                "environment is described in benchmarks/peers/README.md."
            )
        return json.loads(line)


@contextmanager
def open_peer(
    python: str, library: Library, settings: dict, folder: str
) -> Iterator[Peer]:
    """Starts a library with the model of a pair.

    Args:
        python: the Python of its environment.
        library: which one.
        settings: what its script reads.
        folder: where the data stand, and where the settings are written.
    """
    path = Path(folder) / "settings.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    script = Path(__file__).with_name(library.script)
    with subprocess.Popen(
        [python, str(script), str(path), folder],
        # Threads that spin while they wait cost it up to nine tenths of its
        # speed as soon as another process wants a core.
        env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Peer(process, library.name)
        finally:
            process.stdin.close()
