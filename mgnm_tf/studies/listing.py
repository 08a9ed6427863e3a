"""Which studies there are, and which were run."""

from mgnm_tf.studies.run_study import RESULTS
from mgnm_tf.studies.study import Study
from mgnm_tf.studies.study import read_study
from mgnm_tf.studies.study import study_folder
from mgnm_tf.studies.study import study_names
from mgnm_tf.studies.study_results import StudyResults


def list_studies() -> list[tuple[str, str, str, str]]:
    """Returns name, title, "runs of all" and date and commit of each study."""
    folder, rows = study_folder(), []
    for name in study_names():
        study = read_study(folder / f"{name}.toml")
        results = StudyResults.load(folder / RESULTS / name)
        rows.append((name, study.title, *_state(study, results)))
    return rows


def _state(study: Study, results: StudyResults | None) -> tuple[str, str]:
    """Returns how many runs there are, and when the last ones were made."""
    points = [len(values) for values in study.axis.values()]
    wanted = len(study.models) * len(study.seeds) * (points or [1])[0]
    if results is None:
        return f"0 of {wanted}", "not run"
    last = results.made[-1]
    return (
        f"{len(results.runs)} of {wanted}",
        f"{last['date']} {last['commit']}",
    )
