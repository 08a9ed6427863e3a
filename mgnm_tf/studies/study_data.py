"""The data of a study: found, prepared once, and the same as before."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.prepare import prepare
from mgnm_tf.data.recipe import prepare_recipe
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import UserError
from mgnm_tf.studies.study import StudyData
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import sha256
from mgnm_tf.utils.files import write_json

MADE_OF = "made_of.json"
"""In the data folder: the checksum of the log, and how it was prepared."""

PLACES = (Path("."), Path("data"))
"""Where a log that the user brings is looked for."""


def data_folder(
    spec: StudyData,
    name: str,
    out: Path,
    given: str | os.PathLike | None,
    progress: Callable[[str], None],
) -> Path:
    """Returns the data folder of a study; prepares it if it is not there.

    Args:
        spec: what the study says of its data.
        name: the name of the study.
        out: where the data folder is made.
        given: a data folder, or the log of the study, if the user names one.
        progress: called with a few words at the start of each step.

    Raises:
        UserError: the log is not there, cannot be prepared, or is not the
            one that `out` was made of.
    """
    if given is not None and Path(given).is_dir():
        return Path(given)
    log = None if given is None else Path(given)
    if log is not None and not log.is_file():
        raise UserError(f"There is no log {log} for the study {name}.")
    if log is None and spec.file:
        log = _find(spec)
    made_of = {"sha256": sha256(log)} if log is not None else {}
    made_of = {**made_of, "data": spec.model_dump(mode="json")}
    if out.is_dir():
        _check_unchanged(out, spec, made_of, log)
        return out
    if spec.recipe:
        prepare_recipe(spec.recipe, out, file=log, progress=progress)
    else:
        source = log or _made(spec, name, progress)
        how = {"name": name, **spec.options}
        prepare(source, out, **how, progress=progress)
    write_json(out / MADE_OF, made_of)
    return out


def _made(
    spec: StudyData, name: str, progress: Callable[[str], None]
) -> pd.DataFrame:
    """Makes the world of a study that has one."""
    if not spec.world:
        raise UserError(
            f"The study {name} needs the log {spec.file} "
            f"({spec.source or 'user_id, item_id, timestamp'}), which is "
            "neither here nor in data/; --data names it, or a data folder "
            "made of it."
        )
    progress("making a world")
    try:
        return make_world(**spec.world)
    except (TypeError, ValueError) as error:
        raise UserError(f"[data.world] of the study {name}: {error}") from error


def _check_unchanged(
    out: Path, spec: StudyData, made_of: dict[str, Any], log: Path | None
) -> None:
    """Refuses a data folder of another log or another preparation."""
    if not (out / MADE_OF).is_file():
        return
    stored = read_json(out / MADE_OF)
    changed = "the [data] of the study" if log is None else str(log)
    same_log = log is None or stored.get("sha256") == made_of["sha256"]
    if same_log and StudyData(**stored["data"]) != spec:
        changed = "the [data] of the study"
    elif same_log:
        return
    raise UserError(
        f"{out} was prepared before {changed} changed; delete {out.parent} "
        "to begin anew, or give another --out."
    )


def _find(spec: StudyData) -> Path | None:
    """Returns the path of a log that has to be brought, if it is there."""
    for place in PLACES:
        for file in (spec.file, f"{spec.file}.gz"):
            if (place / file).is_file():
                return place / file
    return None


def check_same_data(data: SequenceDataset, fingerprint: str, name: str) -> None:
    """Refuses data that are not those of the results that were kept.

    Raises:
        UserError: the fingerprints differ.
    """
    if data.fingerprint != fingerprint:
        raise UserError(
            f"The data are not those of the results of {name}: their "
            f"fingerprint is {data.fingerprint[:12]}, was {fingerprint[:12]}. "
            "Give the same data, or --again and a new --out for these."
        )
