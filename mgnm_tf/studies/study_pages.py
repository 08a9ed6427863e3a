"""Writes table, figure and page of a study."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mgnm_tf.report.figures import draw_axis
from mgnm_tf.report.figures import draw_intervals
from mgnm_tf.report.figures import draw_shares
from mgnm_tf.report.page import Block
from mgnm_tf.report.page import Note
from mgnm_tf.report.page import Picture
from mgnm_tf.report.page import Pictures
from mgnm_tf.report.page import Problems
from mgnm_tf.report.page import Section
from mgnm_tf.report.page import Table
from mgnm_tf.report.page import render_page
from mgnm_tf.report.tables import STAR
from mgnm_tf.report.tradeoff import Point
from mgnm_tf.report.tradeoff import draw_tradeoff
from mgnm_tf.studies.by_length import by_length
from mgnm_tf.studies.by_length import draw_lengths
from mgnm_tf.studies.plan import label_of
from mgnm_tf.studies.plan import points_of
from mgnm_tf.studies.study import Study
from mgnm_tf.studies.study_results import StudyResults
from mgnm_tf.studies.study_tables import SHARE_CAPTIONS
from mgnm_tf.studies.study_tables import Cells
from mgnm_tf.studies.study_tables import has_later
from mgnm_tf.studies.study_tables import later_caption
from mgnm_tf.studies.study_tables import levels_table
from mgnm_tf.studies.study_tables import mean_shares
from mgnm_tf.studies.study_tables import origins
from mgnm_tf.studies.study_tables import share_names
from mgnm_tf.studies.study_tables import share_series
from mgnm_tf.studies.study_tables import study_table
from mgnm_tf.studies.study_tables import text_of
from mgnm_tf.studies.summary import summary_of
from mgnm_tf.utils.files import atomic_write

TABLE, PAGE, FIGURE = "table.md", "page.html", "figure.svg"

FILES = (TABLE, PAGE, FIGURE)
"""What is made for people to look at; no study without the first two."""


def write_pages(
    folder: Path,
    study: Study,
    name: str,
    results: StudyResults,
    failed: Sequence[dict[str, Any]],
) -> None:
    """Writes `table.md`, `page.html` and, where there is one, `figure.svg`.

    A figure has one, and a table by length.

    Args:
        folder: where to write them.
        study: the study.
        name: its name.
        results: its results.
        failed: `model`, `seed` and `error` of each run that failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / TABLE, text_of(study, name, results))
    figures = _figures(study, results)
    slices = [draw_lengths(one) for one in by_length(study, results)]
    if slices:
        atomic_write(folder / FIGURE, slices[0].svg)
    elif figures and study.show in ("figure", *SHARE_CAPTIONS):
        atomic_write(folder / FIGURE, figures[0].svg)
    figures += slices
    sections = [
        Section("Figure", [Pictures(figures)] if figures else []),
        Section("Table", _tables(study, results)),
        Section(
            "Failed runs",
            [
                Problems(
                    [
                        f"{run['model']}, seed {run['seed']}: {run['error']}"
                        for run in failed
                    ]
                )
            ]
            if failed
            else [],
        ),
        Section("Where it comes from", [Note(one) for one in origins(results)]),
    ]
    lead: list[Block] = [Note(f"mgnm study {name}")]
    if study.notes:
        lead.append(Note(study.notes.strip(), small=False))
    atomic_write(folder / PAGE, render_page(study.title, sections, lead))


def _tables(study: Study, results: StudyResults) -> list[Block]:
    """Returns the tables of the page, each with its caption."""
    footnote = ""
    if study.show in ("table", "figure", *SHARE_CAPTIONS):
        footnote = f"Best in bold, second underlined. {STAR}"
    if study.published is not None:
        footnote += f" Published: {study.published.source}."
    blocks = [_table(study_table(study, results), "", footnote)]
    if has_later(study, results):
        later = study_table(study, results, later_only=True)
        blocks.append(_table(later, later_caption(results), ""))
    if results.levels:
        caption = SHARE_CAPTIONS[study.show]
        blocks.append(_table(levels_table(study, results), caption, ""))
    for one in by_length(study, results):
        blocks.append(_table(one.cells(), one.title, ""))
    return blocks


def _table(cells: Cells, caption: str, footnote: str) -> Block:
    headings, rows = cells
    return Table(headings, rows, caption=caption, footnote=footnote.strip())


def _figures(study: Study, results: StudyResults) -> list[Picture]:
    """Returns the figures of the page; the first is that of the study."""
    if study.show == "levels":
        return [_shares(study, results)]
    if study.show == "divergences":
        return [_divergences(study, results)]
    if study.show in ("data", "time"):
        return []
    protocol = results.ranks.protocol
    if study.show == "figure":
        metrics = [protocol.main_metric, f"hit@{protocol.places[0]}", "gauc"]
        return [_over_axis(study, results, metric) for metric in metrics]
    summary = summary_of(*results.ranks.evaluations(), [])
    pictures = [
        Picture(
            draw_intervals(
                summary, metric, published=_published(study, metric)
            ),
            f"{metric.upper()} of each model, with its spread over seeds",
        )
        for metric in (protocol.main_metric, "gauc")
    ]
    return [*pictures, _against_time(results, protocol.main_metric)]


def _against_time(results: StudyResults, metric: str) -> Picture:
    """Draws a metric against the time of a training, as it was measured."""
    points = {
        label: Point(
            seconds=max(runs["seconds"].mean(), 0.1),
            quality=runs[metric].mean(),
            spread=runs[metric].std() if len(runs) > 1 else 0.0,
        )
        for label, runs in results.ranks.table.groupby("model", sort=False)
    }
    return Picture(
        draw_tradeoff(points, metric=metric.upper()),
        f"{metric.upper()} against seconds of training",
    )


def _published(study: Study, metric: str) -> dict[str, float] | None:
    """Returns label -> the published number of a metric, if there is one."""
    if study.published is None:
        return None
    return {
        label: values[metric]
        for label, values in study.published.values.items()
        if metric in values
    } or None


def _divergences(study: Study, results: StudyResults) -> Picture:
    """Draws the share of the records over the divergence, by model."""
    series = share_series(study, results)
    names = share_names(study, series)
    svg = draw_axis(
        [name.removeprefix("to ") for name in names],
        {
            label: [list(part) for part in zip(*runs.values(), strict=True)]
            for label, runs in series.items()
        },
        title="Share of the records",
        xlabel="Jensen-Shannon divergence, up to",
    )
    return Picture(svg, SHARE_CAPTIONS[study.show])


def _shares(study: Study, results: StudyResults) -> Picture:
    rows = {
        label: mean_shares(of_model)
        for label, of_model in results.levels.items()
    }
    names = share_names(study, results.levels)
    svg = draw_shares(
        {
            label: [*shares, *[0.0] * (len(names) - len(shares))]
            for label, shares in rows.items()
        },
        names,
        title="Share of users by winning level",
    )
    return Picture(svg, "Share of users by winning level")


def _over_axis(study: Study, results: StudyResults, metric: str) -> Picture:
    """Draws a metric over the axis, a line for each model."""
    ((name, values),) = study.axis.items()
    table = results.ranks.table
    series = {
        model: [
            table.loc[table["model"] == label_of(model, point), metric].tolist()
            for point in points_of(study.axis)
        ]
        for model in study.models
    }
    svg = draw_axis(
        values,
        series,
        title=metric.upper(),
        xlabel=name,
        legend=len(series) > 1,
    )
    return Picture(svg, f"{metric.upper()} over {name}")
