"""Which studies there are, and which were run."""

from pathlib import Path

from mgnm_tf.studies.run_study import RESULTS
from mgnm_tf.studies.study import Study
from mgnm_tf.studies.study import read_study
from mgnm_tf.studies.study import study_folder
from mgnm_tf.studies.study import study_names
from mgnm_tf.studies.study_results import StudyResults
from mgnm_tf.studies.study_runs import planned


def list_studies() -> list[tuple[str, str, str, str]]:
    """Returns name, "runs of all", date and commit, and title of each study.

    Counted are the runs whose results are kept beside the studies.
    """
    folder, rows = study_folder(), []
    for name in study_names():
        path = folder / f"{name}.toml"
        study = read_study(path)
        results = StudyResults.load(folder / RESULTS / name)
        rows.append((name, *_state(study, path, results), study.title))
    return rows


def _state(
    study: Study, path: Path, results: StudyResults | None
) -> tuple[str, str]:
    """Returns how many runs there are, and when the last ones were made."""
    last = "not run"
    if results is not None and results.made:
        newest = max(results.made, key=lambda origin: origin["date"])
        last = f"{newest['date']} {newest['commit']}".strip()
    if study.show == "data":
        return "-", last
    runs = planned(study, path)
    there = [] if results is None else results.runs
    done = sum((run.label, run.config.seed) in there for run in runs)
    return f"{done} of {len(runs)}", last
