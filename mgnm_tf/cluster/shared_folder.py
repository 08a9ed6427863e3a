"""The run folder of the chief as the other workers see it."""

import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mgnm_tf.errors import UserError
from mgnm_tf.runs import run_folder

_SIGN = "workers.json"
_TRIES, _PAUSE = 20, 0.5
"""A network file system may show a new file after some seconds."""


class SharedFolder:
    """An unfinished run folder that one worker writes and all can read.

    Args:
        shown: what the chief got from `show`.
    """

    def __init__(self, shown: str):
        self.shown = shown
        self.folder = Path(json.loads(shown)["folder"])

    @staticmethod
    def show(folder: Path) -> str:
        """Leaves a sign in a folder, and returns what to tell the others."""
        told = {"folder": str(folder), "sign": uuid.uuid4().hex}
        (folder / _SIGN).write_text(json.dumps(told), encoding="utf-8")
        return json.dumps(told)

    def hide(self) -> None:
        """Takes the sign away; all have seen it."""
        (self.folder / _SIGN).unlink()

    def check(self) -> None:
        """Makes sure that this worker sees the folder of the chief.

        Raises:
            UserError: it does not.
        """
        for _ in range(_TRIES):
            if self._seen() == self.shown:
                return
            time.sleep(_PAUSE)
        raise UserError(
            f"the run folder {self.folder}, which worker 0 writes, is not to "
            "be seen here; it has to stand on a file system that all workers "
            "share, under one path."
        )

    def _seen(self) -> str | None:
        try:
            return (self.folder / _SIGN).read_text(encoding="utf-8")
        except OSError:
            return None

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """Gives a temporary folder with what a training goes on from."""
        with tempfile.TemporaryDirectory(prefix="mgnm-worker-") as name:
            own = Path(name)
            for part in (run_folder.HISTORY, run_folder.TIMING):
                if (self.folder / part).exists():
                    shutil.copyfile(self.folder / part, own / part)
            for part in (run_folder.STAGE, run_folder.CHOICE):
                if (self.folder / part).exists():
                    (own / part).symlink_to(self.folder / part)
            if (self.folder / run_folder.BACKUP).exists():
                shutil.copytree(
                    self.folder / run_folder.BACKUP, own / run_folder.BACKUP
                )
            yield own

    def link(self, path: Path) -> None:
        """Lets `path` lead to the finished run, unless it is there."""
        finished = self.folder.with_name(
            self.folder.name.removesuffix(".partial")
        )
        try:
            path.symlink_to(finished)
        except FileExistsError:
            pass
