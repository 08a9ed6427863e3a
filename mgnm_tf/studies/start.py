"""From a file that nobody knows to a verdict: what `mgnm start` does."""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.health import QUANTILES
from mgnm_tf.data.health import log_health
from mgnm_tf.data.health_words import findings
from mgnm_tf.data.log import InteractionLog
from mgnm_tf.data.log import read_log
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.prepare import save_split
from mgnm_tf.data.reading.column_words import SESSIONS
from mgnm_tf.data.reading.column_words import plain_name
from mgnm_tf.data.reading.guess_columns import Ask
from mgnm_tf.data.reading.guess_columns import ColumnGuess
from mgnm_tf.data.reading.guess_columns import guess_columns
from mgnm_tf.data.steps.filters import drop_duplicates
from mgnm_tf.data.steps.splits import keeps_sessions_whole
from mgnm_tf.data.steps.splits import read_method
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.studies.compare import SETTINGS
from mgnm_tf.studies.compare import compare
from mgnm_tf.studies.start_result import DATA
from mgnm_tf.studies.start_result import HEALTH
from mgnm_tf.studies.start_result import RUNS
from mgnm_tf.studies.start_result import Started
from mgnm_tf.studies.start_result import conclude
from mgnm_tf.studies.start_state import StartState
from mgnm_tf.studies.start_state import check_minutes
from mgnm_tf.studies.start_trainings import Trainings
from mgnm_tf.training.remarks import LONG_HISTORIES
from mgnm_tf.utils.files import read_json
from mgnm_tf.utils.files import sha256
from mgnm_tf.utils.files import write_json

logger = logging.getLogger(__name__)

SIMPLE = ("popularity", "item_knn")
"""Models that count: they come first, whatever the time."""

TRAINED = ("mgnm", "sasrec", "gru4rec", "comirec_sa")
"""Models that are trained, in the order of what is expected of them."""

TRAINED_ON_SESSIONS = ("mgnm+sessions", "niser_plus", "dsan")
"""The same for sessions: recipes that validate by the task of sessions."""

NEWEST_SESSIONS = "last_share=0.1"
"""The split of a log of sessions that has no split of its own."""

_MEDIAN = QUANTILES.index(0.5)
_MANY_RECORDS, _FEW_NEGATIVES = 200_000, 100
_TAIL = 10.0
"""Seconds kept for the table and the page."""


def start(
    source: str | os.PathLike,
    out: str | os.PathLike,
    *,
    minutes: float = 15.0,
    seed: int = 0,
    columns: Mapping[str, str | None] | None = None,
    separator: str | None = None,
    time_unit: str = "auto",
    quotes: bool = True,
    split: str | None = None,
    ask: Ask | None = None,
    guess: ColumnGuess | None = None,
    console: Console | None = None,
    began: float | None = None,
) -> Started:
    """Guesses, looks, counts, trains what fits, and judges.

    `out` then holds the page (`start.html`), the data folder (`data`), the
    comparison (`runs`), and the facts behind the page (`start.json`,
    `health.json`, `verdict.json`). Called again with the same arguments, it
    continues: what is finished is kept, and what was begun gets the epochs
    that it was given. The minutes may be others: a model for which there was
    no time gets another chance.

    Args:
        source: a CSV, TSV, Parquet or JSON Lines file.
        out: the folder to make.
        minutes: what all of this call may take together, on this machine as
            busy as it is. The models that count come first and take what
            they take; the last epoch and the evaluation of a training may go
            over it.
        seed: the seed of all runs.
        columns: role ("user", "item", "time", "split") -> its column, where
            it is known.
        separator: see `read_log`.
        time_unit: see `read_log`. Defaults to `"auto"`.
        quotes: see `read_log`. Defaults to `True`.
        split: see `split_log`. `None` is for what `choose_split` says.
        ask: see `guess_columns`.
        guess: what `guess_columns` said of the file with these arguments, if
            it was called before.
        console: where progress is shown. `None` is standard error.
        began: when the minutes began, by `time.monotonic`. `None` is now.

    Raises:
        UserError: the file is no log, a column cannot be guessed, `out`
            holds something else, or `minutes` are not above 0.
    """
    source, out = Path(source), Path(out)
    if split is not None:
        read_method(split)
    deadline = (began or time.monotonic()) + 60 * check_minutes(minutes)
    console = console or Console(stderr=True, markup=False, emoji=False)
    if not source.is_file():
        raise DataError(f"{source} is no file; expected an interaction log.")
    command = {
        "file": str(source.absolute()),
        "sha256": sha256(source),
        "seed": seed,
        "columns": {role: one for role, one in (columns or {}).items() if one},
        "separator": separator,
        "time_unit": time_unit,
        "quotes": quotes,
        "split": split,
    }
    state = StartState(out, command)
    if not (out / DATA).exists() or not (out / HEALTH).exists():
        _prepare(source, out, state, guess, ask)
    for line in state.get("said"):
        logger.info("%s", line)
    data = SequenceDataset.load(out / DATA)
    chosen = state.get("split")
    summary = compare(
        out / DATA,
        counted_for(chosen),
        [seed],
        out / RUNS,
        protocol=_protocol(data, chosen),
        console=console,
    )
    if not summary["models"]:
        raise UserError(
            f"Not even the models that count could be made: "
            f"{summary['failed'][0]['error']}"
        )
    settings = read_json(out / RUNS / SETTINGS)
    long = read_json(out / HEALTH)["events_per_user"][_MEDIAN]
    trainings = Trainings(
        models=models_for(chosen, long),
        seed=seed,
        path=out / DATA,
        data=data,
        runs=out / RUNS,
        protocol=Protocol.from_dict(settings["protocol"]),
        state=state,
        deadline=deadline - _TAIL,
        console=console,
    )
    if trainings.open() or not state.get("minutes"):
        state.keep(minutes=(state.get("minutes") or 0.0) + minutes)
    trainings.make()
    counted = list(summary["models"])
    labels = [*counted, *trainings.finished()]
    compare(
        out / DATA,
        labels,
        [seed],
        out / RUNS,
        options={label: trainings.options(label) for label in labels},
        protocol=trainings.protocol,
        console=console,
    )
    return conclude(source, out, trainings, counted)


def counted_for(split: str) -> tuple[str, ...]:
    """Returns the models that count on a log of a split."""
    return (*SIMPLE, "vsknn") if keeps_sessions_whole(split) else SIMPLE


def models_for(split: str, median_events: float) -> list[str]:
    """Returns what is trained on a log, in the order of what is expected.

    Args:
        split: the split of the log, see `choose_split`.
        median_events: how many events half of the users have at most.
    """
    if keeps_sessions_whole(split):
        return [*TRAINED_ON_SESSIONS]
    long = median_events >= LONG_HISTORIES
    return ["mgnm+long_history" if long else "mgnm", *TRAINED[1:]]


def _prepare(
    source: Path,
    out: Path,
    state: StartState,
    guess: ColumnGuess | None,
    ask: Ask | None,
) -> None:
    """Guesses, reads, looks, splits; writes data folder and health."""
    command = state.get("command")
    how = {name: command[name] for name in ("separator", "quotes")}
    if guess is None:
        guess = guess_columns(source, command["columns"], **how, ask=ask)
    log = read_log(
        source,
        user_column=guess.user,
        item_column=guess.item,
        time_column=guess.time,
        split_column=guess.split,
        separator=guess.separator,
        time_unit=command["time_unit"],
        quotes=command["quotes"],
    )
    if guess.positions:
        log = replace(log, order_only=True)
    split, why = choose_split(log, guess.user, command["split"])
    said = [*guess.said, why]
    health = log_health(log)
    kept = drop_duplicates(log)
    columns = {name: getattr(guess, name) for name in ("user", "item", "time")}
    state.keep(
        columns=columns, separator=guess.separator, split=split, said=said
    )
    try:
        save_split(
            kept,
            out / DATA,
            len(log),
            split=split,
            name=source.name.split(".")[0],
            overwrite=(out / DATA).exists(),
        )
    except UserError:
        state.forget()
        raise
    facts = {**health.to_dict(), "findings": findings(health, split)}
    write_json(out / HEALTH, facts)


def choose_split(
    log: InteractionLog, user_column: str, given: str | None = None
) -> tuple[str, str]:
    """Returns the split that a log is for, and why, as a sentence.

    Args:
        log: the log.
        user_column: what the column of its users is called.
        given: the split that somebody has chosen.
    """
    if given is not None:
        return given, f"Split: as given ({given})."
    if log.parts is None:
        sessions = plain_name(user_column) in SESSIONS
        if sessions and not log.order_only:
            return NEWEST_SESSIONS, (
                f"Split: {user_column!r} names sessions, so the next item of "
                "new ones is asked for: the last tenth of them by their end "
                "is the test, the last tenth of the others the validation "
                f"({NEWEST_SESSIONS}; if they are users who come back, "
                "--split leave_one_out)."
            )
        why = (
            "Split: the last event of each user is the test, the last but one "
            "the validation (leave_one_out)."
        )
        if sessions:
            why += (
                f" {user_column!r} names sessions, but without times nobody "
                "knows which of them are the newest."
            )
        return "leave_one_out", why
    first, last = PARTS.index("train"), PARTS.index("test")
    low = np.full(len(log.user_ids), last)
    high = np.full(len(log.user_ids), first)
    np.minimum.at(low, log.users, log.parts)
    np.maximum.at(high, log.users, log.parts)
    seen = np.bincount(log.users, minlength=len(log.user_ids)) > 0
    if (low[seen] != high[seen]).any():
        return "leave_one_out", (
            "Split: the given one cuts through users, so it is not used; the "
            "last event of each user is the test, the last but one the "
            "validation (leave_one_out)."
        )
    return "sessions", (
        "Split: as the log says, whole sessions (sessions); where it names "
        "no validation, the last tenth of the training is it."
    )


def _protocol(data: SequenceDataset, split: str) -> Protocol:
    """Returns how runs are evaluated; cheaper where there is much to rank.

    Sessions have the task of their papers: all items, those of the session
    included, and 20 places.
    """
    protocol = Protocol()
    if keeps_sessions_whole(split):
        protocol = Protocol(negatives="all", exclude="none", k=20)
    records = sum(len(data.positions(part)) for part in PARTS[1:])
    if records <= _MANY_RECORDS:
        return protocol
    logger.info(
        "%s records are many: each is ranked among %d items, not %s.",
        f"{records:,}",
        _FEW_NEGATIVES,
        protocol.negatives,
    )
    return replace(protocol, negatives=_FEW_NEGATIVES)
