"""The metrics of a study by how many events come before the target."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.slices import bounds_of
from mgnm_tf.report.figures import draw_axis
from mgnm_tf.report.page import Picture
from mgnm_tf.report.tables import Cell
from mgnm_tf.studies.study import Study
from mgnm_tf.studies.study_results import StudyResults


@dataclass(frozen=True, eq=False)
class ByLength:
    """One metric of the slices.

    Args:
        metric: its name.
        records: bounds of a slice (`"3-5"`) -> how many records it has.
        values: label of a model -> for each slice, the mean of every seed.
    """

    metric: str
    records: dict[str, int]
    values: dict[str, list[list[float]]]

    @property
    def title(self) -> str:
        """What it shows."""
        return f"{self.metric.upper()} by the events before the target"

    def cells(self) -> tuple[list[str], list[list[Cell]]]:
        """Returns models down and slices across, the best marked."""
        means = {
            label: [float(np.mean(seeds)) for seeds in slices]
            for label, slices in self.values.items()
        }
        best = np.max(list(means.values()), axis=0)
        rows = [
            [
                Cell(label),
                *(
                    Cell(f"{value:.4f}", "best" if value == most else "")
                    for value, most in zip(slices, best, strict=True)
                ),
            ]
            for label, slices in means.items()
        ]
        counts = [Cell(f"{count:,}") for count in self.records.values()]
        return ["Model", *self.records], [*rows, [Cell("records"), *counts]]


def by_length(study: Study, results: StudyResults) -> list[ByLength]:
    """Computes HIT@k and MRR@k of the slices of a study with `lengths`.

    A slice without a record is left out.

    Args:
        study: the study; of one without `lengths` there is nothing.
        results: its results.

    Raises:
        UserError: the ranks were kept without the lengths.
    """
    if not study.lengths:
        return []
    ranks = results.ranks
    if ranks.lengths is None:
        raise UserError(
            "How many events come before each record was not kept with these "
            "ranks; --again makes every run anew."
        )
    place = np.searchsorted(study.lengths, ranks.lengths, side="right") - 1
    _, runs = ranks.evaluations()
    (first, *_), *_ = runs.values()
    counts = pd.Series(place[first.counted]).value_counts().sort_index()
    names = bounds_of(study.lengths)
    records = {names[one]: int(count) for one, count in counts.items()}
    means: dict[str, list[pd.DataFrame]] = {
        label: [
            one.per_sample()[one.counted].groupby(place[one.counted]).mean()
            for one in evaluations
        ]
        for label, evaluations in runs.items()
    }
    k = results.protocol.places[0]
    return [
        ByLength(
            metric,
            records,
            {
                label: [
                    [float(table.loc[one, metric]) for table in tables]
                    for one in counts.index
                ]
                for label, tables in means.items()
            },
        )
        for metric in (f"hit@{k}", f"mrr@{k}")
    ]


def draw_lengths(one: ByLength) -> Picture:
    """Draws a metric over the slices, a line for each model."""
    svg = draw_axis(
        [f"{bounds}\n{count:,}" for bounds, count in one.records.items()],
        one.values,
        title=one.metric.upper(),
        xlabel="events before the target, and records",
        legend=len(one.values) > 1,
    )
    return Picture(svg, one.title)
