"""The metrics of slices of the records, for all runs of a comparison."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.slices import slice_metrics
from mgnm_tf.report.html import SLICES
from mgnm_tf.runs.run import Run
from mgnm_tf.studies.plan import PlannedRun
from mgnm_tf.utils.files import atomic_write

_NOTHING = pd.DataFrame(columns=["model", "seed", "slice", "bounds", "records"])


def write_slices(
    out: Path, runs: Sequence[PlannedRun], data: SequenceDataset
) -> pd.DataFrame:
    """Computes the slices of runs from their ranks, writes `slices.csv`.

    Args:
        out: the folder of the comparison.
        runs: its finished runs.
        data: the data set that they were evaluated on.

    Returns:
        Columns `model`, `seed` and those of `slice_metrics`.

    Raises:
        UserError: the ranks of a run are of other data.
    """
    tables = []
    for run in runs:
        evaluation = Evaluation.load(Run(out / run.folder).ranks)
        table = slice_metrics(evaluation, data)
        table.insert(0, "model", run.label)
        table.insert(1, "seed", run.config.seed)
        tables.append(table)
    table = pd.concat(tables, ignore_index=True) if tables else _NOTHING
    atomic_write(out / SLICES, table.to_csv(index=False))
    return table
