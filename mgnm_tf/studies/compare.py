"""Several models, several seeds, one protocol, one table."""

import json
import os
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import followed
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.report.html import write_report
from mgnm_tf.studies.plan import check_models
from mgnm_tf.studies.plan import longest_history
from mgnm_tf.studies.plan import plan_runs
from mgnm_tf.studies.plan import protocol_of_runs
from mgnm_tf.studies.runner import check_same_runs
from mgnm_tf.studies.runner import make_runs
from mgnm_tf.studies.runner import without_failed
from mgnm_tf.studies.slices import write_slices
from mgnm_tf.studies.summary import summarise
from mgnm_tf.training.track import check_tracker
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import write_json

SETTINGS = "comparison.json"
"""What all runs of a comparison share."""

DATA = "data"
"""The folder of the data, where they were given in memory."""


def compare(
    data: str | os.PathLike | SequenceDataset,
    models: Sequence[str],
    seeds: Sequence[int],
    out: str | os.PathLike,
    *,
    settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    recipes: Mapping[str, Recipe] | None = None,
    protocol: Protocol | Mapping[str, Any] | None = None,
    jobs: int = 1,
    console: Console | None = None,
    track: str | None = None,
) -> dict[str, Any]:
    """Trains and evaluates models on the same data and candidates.

    Each run is written to `<out>/<model>/seed-<seed>`. Called again, it
    skips what is finished and continues what is not, so it can be
    interrupted at any moment, and later models and seeds can be added. A
    model that fails is noted, and the others go on.

    Writes `results.csv` (one row a run), `slices.csv` (metrics of slices of
    the records), `metrics.json` and `report.html` into `out`; see `summarise`
    and `slice_metrics`.

    Args:
        data: a data folder; or a data set in memory, which is saved as
            `<out>/data`.
        models: names of models, `model:recipe` or `model:recipe+part`.
        seeds: seeds of each model.
        out: the folder of the comparison.
        settings: what wins over the recipes of all models, see
            `mgnm_tf.configure`.
        options: model (as in `models`) -> settings or constructor arguments
            of the model, for that model alone.
        recipes: recipes and parts besides those that stand with the models,
            see `mgnm_tf.recipes.toml.read_recipes`.
        protocol: how to evaluate; the history length is that of the runs.
            `None` is as the recipes ask, see `protocol_of_runs`; a mapping
            names the fields of `Protocol` that differ from it.
        jobs: how many runs are made at a time, each in a process of its own
            with its share of the cores. Defaults to 1.
        console: where progress is shown. `None` is standard error.
        track: where new runs are followed besides their folders, see
            `mgnm_tf.train`.

    Returns:
        The content of `metrics.json`; `failed` in it is empty if all is well.

    Raises:
        UserError: a name is unknown, a value is refused, the models have
            histories of different lengths and the protocol excludes the
            visible history, or `out` holds a comparison with other settings
            or something else.
        TypeError: the data are a log, a table or something else.
    """
    if jobs < 1:
        raise UserError(f"`jobs` must be at least 1. Received: jobs={jobs}")
    check_tracker(track)
    settings, options = dict(settings or {}), dict(options or {})
    runs = plan_runs(models, seeds, settings, options, recipes)
    if not isinstance(protocol, Protocol):
        protocol = protocol_of_runs(runs, protocol or {})
    runs = [run.measuring(protocol.places) for run in runs]
    longest = longest_history(runs, protocol.exclude)
    protocol = replace(protocol, max_length=longest)
    out = Path(out)
    if isinstance(data, SequenceDataset):
        dataset, folder = data, out / DATA
    else:
        dataset, folder = SequenceDataset.load(data), Path(data)
    protocol = followed(protocol, dataset)
    shared = _shared_settings(dataset, settings, protocol)
    _check_same_comparison(out, shared)
    check_same_runs(out, runs, dataset.fingerprint)
    check_models(runs, dataset)
    _open(out, shared)
    if not folder.exists():
        dataset.save(folder)
    console = console or Console(stderr=True, markup=False, emoji=False)
    failed = make_runs(runs, folder, out, protocol, jobs, console, track)
    summary = summarise(out, runs, failed, protocol)
    write_slices(out, without_failed(runs, failed), dataset)
    write_report(out, summary, protocol.describe())
    return summary


def _shared_settings(
    dataset: SequenceDataset, settings: dict[str, Any], protocol: Protocol
) -> dict[str, Any]:
    """Returns the content of `comparison.json`."""
    data = {"fingerprint": dataset.fingerprint, **dataset.metadata}
    return {
        "settings": {**settings, "max_length": protocol.max_length},
        "protocol": protocol.to_dict(),
        "data": data,
    }


def _check_same_comparison(out: Path, shared: dict[str, Any]) -> None:
    """Refuses a folder of other data, settings or protocol."""
    if not out.exists():
        return
    if not (out / SETTINGS).is_file():
        if out.is_dir() and not any(out.iterdir()):
            return
        raise UserError(
            f"{out} exists and holds no comparison (no {SETTINGS} in it); "
            "give another folder."
        )
    stored = read_json(out / SETTINGS)
    if stored["data"]["fingerprint"] != shared["data"]["fingerprint"]:
        raise UserError(
            f"{out} holds a comparison on other data "
            f"({stored['data'].get('name')}); give another folder."
        )
    if "settings" not in stored:
        raise UserError(
            f"{out} holds a comparison of an earlier version of mgnm_tf, whose "
            "models had no recipes; give another folder."
        )
    # As JSON gives them back.
    given = json.loads(json.dumps(shared["settings"]))
    difference = _differences(given, stored["settings"]) or Protocol.from_dict(
        shared["protocol"]
    ).difference(Protocol.from_dict(stored["protocol"]))
    if difference:
        raise UserError(
            f"{out} holds a comparison with other options: {difference}. Give "
            "the same options to continue it, or another folder."
        )


def _differences(mine: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Returns "name is a, was b" of what differs, or ""."""
    return ", ".join(
        f"{key} is {mine.get(key)!r}, was {theirs.get(key)!r}"
        for key in {**mine, **theirs}
        # The cut-offs are those of the protocol, which is compared, too.
        if mine.get(key) != theirs.get(key) and key != "k"
    )


def _open(out: Path, shared: dict[str, Any]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out} cannot be made: {error.strerror}.") from error
    write_json(out / SETTINGS, shared)
