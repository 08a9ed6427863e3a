"""The runs of a study, or of a part of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.studies.plan import PlannedRun
from mgnm_tf.studies.plan import check_once
from mgnm_tf.studies.plan import longest_history
from mgnm_tf.studies.plan import plan_runs
from mgnm_tf.studies.study import Study
from mgnm_tf.utils.validation import unknown_name


def shortened(
    study: Study,
    path: Path,
    seeds: Sequence[int] | None,
    only: Sequence[str] | None,
    epochs: int | None,
) -> Study:
    """Returns a study with fewer seeds, models or epochs."""
    changes: dict[str, Any] = {}
    if seeds is not None:
        changes |= {"seeds": tuple(seeds), "seeds_of": {}}
    if only is not None:
        for label in only:
            if label not in study.models:
                raise UserError(
                    unknown_name(f"model of {path}", label, study.models)
                )
        own = {**study.settings}
        own |= {
            label: values
            for label, values in study.options_of_models.items()
            if label in only
        }
        changes |= {"models": tuple(only), "overrides": own}
    if epochs is not None:
        overrides = {**changes.get("overrides", study.overrides)}
        for label, values in overrides.items():
            if isinstance(values, dict):
                overrides[label] = {**values, "epochs": epochs}
        changes["overrides"] = {**overrides, "epochs": epochs}
    return study.model_copy(update=changes)


def protocol_of(study: Study, runs: Sequence[PlannedRun]) -> Protocol:
    """Returns the protocol of a study, for the longest histories of its runs.

    Raises:
        UserError: as `longest_history`.
    """
    exclude = Protocol.from_dict(study.protocol).exclude
    longest = longest_history(runs, exclude)
    return Protocol.from_dict({**study.protocol, "max_length": longest})


def planned(study: Study, path: Path) -> list[PlannedRun]:
    """Lists the runs of a study.

    Raises:
        UserError: as `plan_runs`, also of the seeds of a single model.
    """
    own = study.options_of_models
    seeds = {
        label: study.seeds_of.get(label, study.seeds) for label in study.models
    }
    for some in seeds.values():
        check_once("seed", some)
    runs = plan_runs(
        study.models,
        list(dict.fromkeys(seed for some in seeds.values() for seed in some)),
        {"k": Protocol.from_dict(study.protocol).k},
        {
            label: {**study.settings, **own.get(label, {})}
            for label in study.models
        },
        study.recipes(path),
        study.axis,
    )
    # At a point of an axis the label of the model comes first.
    return [
        run
        for run in runs
        if run.config.seed in seeds[run.label.partition(" ")[0]]
    ]
