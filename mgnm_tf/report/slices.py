"""How good models are on slices of the records."""

import pandas as pd

from mgnm_tf.report.figures import draw_axis
from mgnm_tf.report.page import Block
from mgnm_tf.report.page import Note
from mgnm_tf.report.page import Picture
from mgnm_tf.report.page import Pictures
from mgnm_tf.report.page import Table
from mgnm_tf.report.palette import Palette
from mgnm_tf.report.tables import Cell

_MEANINGS = {
    "history length": "events of the user before the target",
    "item popularity": "training events of the target item",
    "days since the last event": "whole days between the target and the "
    "event before it",
}


def show_slices(
    slices: pd.DataFrame, metric: str, palette: Palette, has_times: bool
) -> list[Block]:
    """Returns a figure and a table for each kind of slice.

    Args:
        slices: one row for each model, seed and slice: `model`, `seed`,
            `slice`, `bounds`, `records` and metrics.
        metric: the metric to show.
        palette: the looks of the models.
        has_times: whether the data have timestamps.
    """
    if slices.empty:
        return []
    pictures, tables = [], []
    for name, rows in slices.groupby("slice", sort=False):
        records = rows.groupby("bounds", sort=False)["records"].max()
        series = {
            model: [
                of_model.loc[of_model["bounds"] == bounds, metric].tolist()
                for bounds in records.index
            ]
            for model, of_model in rows.groupby("model", sort=False)
        }
        svg = draw_axis(
            [f"{bounds}\n{count:,}" for bounds, count in records.items()],
            series,
            title=f"{metric.upper()} by {name}",
            palette=palette,
            legend=False,
        )
        text = f"{metric.upper()} of each model by {name}"
        pictures.append(Picture(svg, text))
        tables.append(_table(str(name), records, series, metric))
    blocks: list[Block] = [
        Pictures(
            pictures,
            f"{metric.upper()} of the records of a slice. Below each slice "
            "stands how many records it has; bands are one standard deviation "
            "over seeds to either side.",
            palette,
            [name for name in palette.names if name in set(slices["model"])],
        )
    ]
    if not has_times:
        blocks.append(
            Note(
                "The data have no timestamps, so there are no slices by the "
                "days since the last event."
            )
        )
    return [*blocks, *tables]


def _table(
    name: str,
    records: pd.Series,
    series: dict[str, list[list[float]]],
    metric: str,
) -> Table:
    """Returns models down, bounds across, the best of a column marked."""
    means = pd.DataFrame(
        {
            model: [pd.Series(seeds, dtype=float).mean() for seeds in points]
            for model, points in series.items()
        },
        index=records.index,
    )
    best = means.max(axis=1)
    rows = [
        [
            model,
            *(
                Cell(
                    "-" if pd.isna(value) else f"{value:.4f}",
                    "best" if value == best[bounds] else "",
                )
                for bounds, value in means[model].items()
            ),
        ]
        for model in means.columns
    ]
    rows.append(
        ["records", *(Cell(f"{count:,}", "published") for count in records)]
    )
    meaning = _MEANINGS.get(name, name)
    return Table(
        ["Model", *records.index],
        rows,
        caption=f"{metric.upper()} by {name}: {meaning}.",
    )
