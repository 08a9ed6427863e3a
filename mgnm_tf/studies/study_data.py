"""The data of a study: found, prepared once, and the same as before."""

import os
from collections.abc import Callable
from pathlib import Path

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.prepare import prepare
from mgnm_tf.data.recipe import prepare_recipe
from mgnm_tf.errors import UserError
from mgnm_tf.studies.study import StudyData

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
        UserError: the log is not there, or cannot be prepared.
    """
    if given is not None and Path(given).is_dir():
        return Path(given)
    if out.is_dir():
        return out
    if given is None and spec.recipe:
        prepare_recipe(spec.recipe, out, progress=progress)
        return out
    if spec.recipe:
        prepare_recipe(spec.recipe, out, file=given, progress=progress)
        return out
    log = Path(given) if given is not None else _find(spec, name)
    if not log.is_file():
        raise UserError(f"There is no log {log} for the study {name}.")
    prepare(log, out, **{"name": name, **spec.options, "progress": progress})
    return out


def _find(spec: StudyData, name: str) -> Path:
    """Returns the path of a log that has to be brought."""
    for place in PLACES:
        for file in (spec.file, f"{spec.file}.gz"):
            if (place / file).is_file():
                return place / file
    raise UserError(
        f"The study {name} needs the log {spec.file} ({spec.source or 'its'} "
        "columns: user_id, item_id, timestamp), which is neither here nor in "
        "data/; --data names it, or a data folder made of it."
    )


def check_same_data(data: SequenceDataset, fingerprint: str, name: str) -> None:
    """Refuses data that are not those of the results that were kept.

    Raises:
        UserError: the fingerprints differ.
    """
    if data.fingerprint != fingerprint:
        raise UserError(
            f"The data are not those of the kept results of {name}: their "
            f"fingerprint is {data.fingerprint[:12]}, was {fingerprint[:12]}. "
            "Give the same data, or --again to make every run anew."
        )
