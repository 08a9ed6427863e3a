"""The file in which a search remembers its trials."""

import json
import os
from pathlib import Path
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.utils.files import atomic_write

JOURNAL = "study.journal"
"""The storage of Optuna: a line of JSON for each thing that happened."""

_NAME = "mgnm tune"
_SEARCH = "search"


def optuna_or_sentence():
    """Returns Optuna.

    Raises:
        UserError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError(
            "`tune` needs Optuna, which is not installed: "
            'pip install "mgnm_tf[tune]".'
        ) from error
    return optuna


def open_study(folder: Path, search: dict[str, Any], direction: str):
    """Returns the study in a folder, a new one if there is none.

    Args:
        folder: the folder of the search, locked by this process.
        search: what makes the search this one, as JSON types: `config`,
            `space`, and the `fingerprint` and the name of the `data`.
        direction: `"maximize"` or `"minimize"`.

    Raises:
        UserError: the journal cannot be read, or is of another search.
    """
    optuna = optuna_or_sentence()
    path = folder / JOURNAL
    _mend(path)
    try:
        backend = optuna.storages.journal.JournalFileBackend(str(path))
        storage = optuna.storages.JournalStorage(backend)
        names = optuna.get_all_study_names(storage)
        if not names:
            optuna.create_study(
                study_name=_NAME, storage=storage, direction=direction
            )
        elif _NAME not in names:
            raise UserError(
                f"{path} holds the Optuna study {names[0]!r}, not one of `mgnm "
                "tune`; give another folder."
            )
        study = optuna.load_study(study_name=_NAME, storage=storage)
        stored = study.user_attrs.get(_SEARCH)
    except (UserError, OSError):
        raise
    except Exception as error:
        # What Optuna raises depends on what is wrong with the line.
        raise _corrupt(path, repr(error)) from error
    if stored is None and not study.trials:
        study.set_user_attr(_SEARCH, search)
    else:
        _check_same_search(folder, search, stored or {})
    return study


def check_folder(folder: str | os.PathLike) -> None:
    """Refuses a folder that holds something else.

    Args:
        folder: the folder of the search; it need not be there.

    Raises:
        UserError: it is no folder, or has content but no journal.
    """
    folder = Path(folder)
    if not os.path.lexists(folder) or (folder / JOURNAL).is_file():
        return
    if not folder.is_dir() or any(
        entry.name != "lock" for entry in folder.iterdir()
    ):
        raise UserError(
            f"{folder} exists and holds no search (no {JOURNAL} in it); give "
            "another folder."
        )


def _mend(path: Path) -> None:
    """Takes away what a killed process left: half a line, and Optuna's lock.

    Raises:
        UserError: a whole line is no JSON.
    """
    # The folder is locked by this process: nobody else holds it.
    for lock in path.parent.glob(f"{path.name}.lock*"):
        lock.unlink()
    if not path.exists():
        return
    *lines, rest = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            whole = isinstance(json.loads(line), dict)
        except ValueError:
            whole = False
        if not whole:
            raise _corrupt(path, f"line {number} is no JSON object")
    if rest:
        atomic_write(path, b"".join(line + b"\n" for line in lines))


def _corrupt(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is no journal of Optuna ({reason}); delete its folder, or "
        "give another one."
    )


def _check_same_search(
    folder: Path, mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    """Refuses to go on with the search of another recipe, space or data."""
    remedy = "Give the same options to continue it, or another folder."
    if not {"config", "space", "data"} <= theirs.keys():
        raise UserError(
            f"{folder / JOURNAL} does not say what was searched. {remedy}"
        )
    if mine["data"]["fingerprint"] != theirs["data"]["fingerprint"]:
        raise UserError(
            f"{folder} holds a search on other data "
            f"({theirs['data']['name']}). {remedy}"
        )
    difference = TrainConfig.from_dict(mine["config"]).difference(
        TrainConfig.from_dict(theirs["config"])
    )
    if difference:
        raise UserError(
            f"{folder} holds a search of another recipe: {difference}. {remedy}"
        )
    spaces = mine["space"], theirs["space"]
    different = [
        f"{key} is {spaces[0].get(key)}, was {spaces[1].get(key)}"
        for key in {**spaces[0], **spaces[1]}
        if spaces[0].get(key) != spaces[1].get(key)
    ]
    if different:
        raise UserError(
            f"{folder} holds a search of another space: "
            f"{', '.join(different)}. {remedy}"
        )
