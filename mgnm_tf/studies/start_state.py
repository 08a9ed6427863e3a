"""What `mgnm start` has decided and measured, kept for the same command."""

import math
from pathlib import Path
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json

STATE = "start.json"
"""The file in the folder of `mgnm start`."""


class StartState:
    """The content of `start.json`, written at every step.

    - `command`: what was asked for; the same command continues.
    - `minutes`: those of all calls that had something to train.
    - `columns`, `split`, `said`: what was guessed, and its sentences.
    - `measured`: model -> seconds, see `Estimate`.
    - `epochs`: model -> the epochs that it was given.
    - `trained`: model -> the epochs that it was trained for.
    - `failed`: model -> why.

    Args:
        out: the folder of `mgnm start`; it is made when something is kept.
        command: what is asked for, as JSON values.

    Raises:
        UserError: `out` holds something else, or what another command left.
    """

    def __init__(self, out: Path, command: dict[str, Any]):
        self._path = out / STATE
        self._content: dict[str, Any] = {"command": command}
        if self._path.is_file():
            self._content = read_json(self._path)
            self._check_same(out, command)
            return
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UserError(
                f"{out} exists and is nothing that `mgnm start` made (no "
                f"{STATE} in it); give another folder."
            )

    def _check_same(self, out: Path, command: dict[str, Any]) -> None:
        stored = self._content["command"]
        for key, value in command.items():
            if key != "file" and stored.get(key) != value:
                what = f"{key} is {value!r}, was {stored.get(key)!r}"
                if key == "sha256":
                    what = f"the file is another one than {stored['file']} was"
                raise UserError(
                    f"{out} was made by another command: {what}. Give the "
                    "same one to continue it, or another folder."
                )

    def get(self, key: str) -> Any:
        """Returns what is kept under a key, `None` for nothing."""
        return self._content.get(key)

    def keep(self, **values: Any) -> None:
        """Keeps values, in place of those under the same keys."""
        self._content.update(values)
        write_json(self._path, self._content)

    def note(self, key: str, name: str, value: Any) -> None:
        """Keeps one value of the dict under a key."""
        self.keep(**{key: {**(self.get(key) or {}), name: value}})

    def forget(self) -> None:
        """Takes back what was kept, and the folder, if nothing else is in it.

        For a command that failed before there was anything to continue.
        """
        self._path.unlink(missing_ok=True)
        if not any(self._path.parent.iterdir()):
            self._path.parent.rmdir()


def check_minutes(minutes: float) -> float:
    """Returns the minutes if something can be done in them.

    Raises:
        UserError: they are not a positive number.
    """
    if not (math.isfinite(minutes) and minutes > 0):
        raise UserError(
            "--minutes must be a number above 0, the time that all trainings "
            f"may take together. Received: {minutes:g}"
        )
    return minutes
