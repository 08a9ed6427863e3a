"""The tables of a study, as cells and as Markdown."""

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from mgnm_tf.evaluation.interest_divergence import BINS
from mgnm_tf.report.tables import Cell
from mgnm_tf.report.tables import comparison_cells
from mgnm_tf.studies.by_length import by_length
from mgnm_tf.studies.study import Study
from mgnm_tf.studies.study_results import StudyResults
from mgnm_tf.studies.summary import BEST_ON_TEST
from mgnm_tf.studies.summary import summary_of

SHARE_CAPTIONS = {
    "levels": "Share of the users whose true item a level scores highest",
    "divergences": "Share of the records by the Jensen-Shannon divergence, in "
    "bits, of the interests of the true item and of the one that is "
    "recommended first; and of one that is drawn from the negatives, for "
    "comparison",
}
"""What is said above the table of shares of a study."""

_MARKS = {"best": "**{}**", "second": "<u>{}</u>"}

Cells = tuple[list[str], list[list[Cell]]]
"""Headings, and the cells of each row."""


def study_table(
    study: Study, results: StudyResults, later_only: bool = False
) -> Cells:
    """Lays out the table of a study.

    Args:
        study: the study.
        results: its results.
        later_only: whether only records count that are later than the event
            before them. Defaults to `False`.

    Raises:
        UserError: `later_only`, but it is not known what is later.
    """
    if study.show == "data":
        return _data_table(study, results)
    if study.show == "time":
        return _time_table(study, results)
    summary = summary_of(*results.ranks.evaluations(later_only), [])
    published = None
    if study.published is not None and not later_only:
        published = study.published.values
    headings, rows = comparison_cells(summary, published=published)
    for speed in ("positives/s", "s/epoch", "MiB"):
        place = headings.index(speed)
        for row in (headings, *rows):
            del row[place]
    if not later_only:
        _add_validated(results, headings, rows)
        _add_best_on_test(results, headings, rows)
    seeds = [len(entry["seeds"]) for entry in summary["models"].values()]
    if set(seeds) != {len(study.seeds)}:
        headings = [*headings, "seeds"]
        rows = [
            [*row, Cell(str(count))]
            for row, count in zip(rows, seeds, strict=True)
        ]
    return headings, rows


def _add_validated(
    results: StudyResults, headings: list[str], rows: list[list[Cell]]
) -> None:
    """Adds the number that chose the epoch, and may choose a recipe.

    A column for each monitor, and for each task of the validation, since
    values of different tasks are not to be compared; empty for runs that were
    kept without it.
    """
    if "validated" not in results.ranks.table:
        return
    by_model = results.ranks.table.groupby("model")["validated"]
    means = by_model.apply(lambda values: values.mean(skipna=False)).dropna()
    tasks = {
        label: (
            results.configs[label]["monitor"],
            _validation_words(results.configs[label]),
        )
        for label in means.index
    }
    found = sorted({task for task in tasks.values() if task[0] != "loss"})
    for monitor, words in found:
        heading = f"{monitor.removeprefix('val_').upper()}, validation"
        if [one for one, _ in found].count(monitor) > 1:
            heading += f" ({words})"
        headings.append(heading)
        for row in rows:
            label = row[0].text
            known = tasks.get(label) == (monitor, words)
            row.append(Cell(f"{means[label]:.4f}" if known else "-"))


def _validation_words(config: Mapping[str, Any]) -> str:
    """Returns among what a run ranked its validation part."""
    left_out = {
        "none": "nothing",
        "user": "the items of the user",
        "history": f"the last {config['max_length']} events",
    }[config["validation_exclude"]]
    return f"{config['validation_negatives']} items, without {left_out}"


def _add_best_on_test(
    results: StudyResults, headings: list[str], rows: list[list[Cell]]
) -> None:
    """Adds what published session code would report of the same runs."""
    k = results.protocol.places[0]
    means = results.ranks.table.groupby("model").mean(numeric_only=True)
    for metric in (f"hit@{k}", f"mrr@{k}"):
        column = f"{BEST_ON_TEST}{metric}"
        if column not in means:
            continue
        headings.append(f"{metric.upper()}, best epoch on test")
        for row in rows:
            value = means[column].get(row[0].text, math.nan)
            text = "-" if math.isnan(value) else f"{value:.4f}"
            row.append(Cell(text))


def _time_table(study: Study, results: StudyResults) -> Cells:
    """Returns what an epoch costs, without its validation."""
    published = {} if study.published is None else study.published.values
    headings = ["Model"]
    for name in study.metric_names:
        headings += [name, *["published"][: bool(published)]]
    rows = []
    for label, runs in results.ranks.table.groupby("model", sort=False):
        size = results.configs[label]["batch_size"]
        steps = math.ceil(results.data["train"] / size)
        step = 1000 * size / runs["positives_per_second"].mean()
        texts = [f"{step:,.1f}", f"{steps:,}", f"{steps * step / 6e4:,.2f}"]
        if not runs["epochs"].all():  # It counts.
            texts = ["-"] * len(texts)
        row = [Cell(label)]
        for name, text in zip(study.metric_names, texts, strict=True):
            row.append(Cell(text))
            if published:
                told = published.get(label, {}).get(name)
                row.append(Cell("-" if told is None else f"{told:,g}"))
        rows.append(row)
    return headings, rows


def _data_table(study: Study, results: StudyResults) -> Cells:
    """Returns the size of the data, and what is published of it."""
    names = study.metric_names
    rows = [["here", *(f"{results.data[name]:,}" for name in names)]]
    if study.published is not None:
        told = study.published.values["data"]
        texts = [
            f"{told[name]:,.0f}" if name in told else "-" for name in names
        ]
        rows.append(["published", *texts])
    return ["Data", *names], [[Cell(text) for text in row] for row in rows]


def markdown(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Writes a table as Markdown: best bold, second underlined."""
    lines = [list(headings), ["---"] * len(headings)]
    for row in rows:
        first, *texts = [
            _MARKS.get(cell.mark, "{}").format(cell.text) for cell in row
        ]
        lines.append([f"`{first}`", *texts])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text_of(study: Study, name: str, results: StudyResults) -> str:
    """Returns the tables of a study as a Markdown document.

    Args:
        study: the study.
        name: its name.
        results: its results.
    """
    parts = [f"# {study.title}", f"`mgnm study {name}`"]
    if study.notes:
        parts.append(study.notes.strip())
    parts.append(markdown(*study_table(study, results)))
    if has_later(study, results):
        parts.append(f"{later_caption(results)}:")
        parts.append(markdown(*study_table(study, results, later_only=True)))
    if results.levels:
        parts.append(f"{SHARE_CAPTIONS[study.show]}:")
        parts.append(markdown(*levels_table(study, results)))
    for one in by_length(study, results):
        parts += [f"{one.title}:", markdown(*one.cells())]
    if study.published is not None:
        parts.append(f"Published: {study.published.source}.")
    parts += origins(results)
    return "\n\n".join(parts) + "\n"


def has_later(study: Study, results: StudyResults) -> bool:
    """Whether a second table of the later records can be made and says more."""
    if study.show not in ("table", "figure") or results.ranks is None:
        return False
    later = results.ranks.later
    return later is not None and later.any() and not later.all()


def later_caption(results: StudyResults) -> str:
    """Returns what the second table is of."""
    return (
        f"The {int(results.ranks.later.sum()):,} of "
        f"{len(results.ranks.users):,} records that are later than the "
        "event before them"
    )


def levels_table(study: Study, results: StudyResults) -> Cells:
    """Returns the share of each level, the mean over the runs of a model.

    Of a study of divergences those of each of their parts.
    """
    series = share_series(study, results)
    names = share_names(study, series)
    rows = []
    for label, of_model in series.items():
        shares = mean_shares(of_model)
        texts = [f"{share:.3f}" for share in shares]
        texts += ["-"] * (len(names) - len(shares))
        rows.append([Cell(label), *map(Cell, texts)])
    return ["Model", *names], rows


def share_series(
    study: Study, results: StudyResults
) -> dict[str, dict[str, list[float]]]:
    """Returns label -> for each run its shares, as they are shown.

    Of a study of divergences those of a drawn item have a label of their own.
    """
    if study.show != "divergences":
        return results.levels
    series: dict[str, dict[str, list[float]]] = {}
    for label, runs in results.levels.items():
        drawn = f"{label}, drawn item"
        series[label], series[drawn] = (
            {seed: shares[part] for seed, shares in runs.items()}
            for part in (slice(BINS), slice(BINS, None))
        )
    return series


def share_names(
    study: Study, series: dict[str, dict[str, list[float]]]
) -> list[str]:
    """Returns what each of the shares is of."""
    most = max(
        len(shares)
        for of_model in series.values()
        for shares in of_model.values()
    )
    if study.show == "divergences":
        return [f"to {(part + 1) / most:.1f}" for part in range(most)]
    return [f"level {level}" for level in range(most)]


def mean_shares(of_model: dict[str, list[float]]) -> list[float]:
    """Returns the mean over runs of each share."""
    runs = list(of_model.values())
    return [sum(values) / len(runs) for values in zip(*runs, strict=True)]


def origins(results: StudyResults) -> list[str]:
    """Returns a sentence on every time that runs were made."""
    sentences = []
    for origin in results.made:
        words = [f"{len(origin['runs'])} runs of {origin['date']}"]
        if not origin["runs"]:
            words = [f"Counted on {origin['date']}"]
        if origin["commit"]:
            words.append(f"commit {origin['commit']}")
        if "device" in origin:
            words.append(origin["device"])
        if origin["seconds"]:
            words.append(f"{origin['seconds'] / 60:,.0f} min of training")
        sentence = f"{', '.join(words)}."
        if origin.get("note"):
            sentence += f" {origin['note']}"
        sentences.append(sentence)
    data = results.data
    sentences.append(
        f"Data: {data['users']:,} users, {data['items']:,} items, "
        f"{data['events']:,} events; fingerprint {data['fingerprint'][:12]}."
    )
    return sentences
