"""From a log to a data folder in one call."""

import os
from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from typing import cast

import pandas as pd

from mgnm_tf.data.account import account_of
from mgnm_tf.data.account import count_ties
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.dataset import check_writable
from mgnm_tf.data.large.choice import choose_engine
from mgnm_tf.data.large.duckdb_workspace import DuckDBWorkspace
from mgnm_tf.data.large.engine import prepare_large
from mgnm_tf.data.large.file_blocks import Columns
from mgnm_tf.data.large.memory import half_of_memory
from mgnm_tf.data.large.memory import read_memory
from mgnm_tf.data.large.spark_workspace import SparkWorkspace
from mgnm_tf.data.large.workspace import Workspace
from mgnm_tf.data.log import InteractionLog
from mgnm_tf.data.log import read_log
from mgnm_tf.data.reading.source_files import Source
from mgnm_tf.data.steps.filter_steps import apply_filters
from mgnm_tf.data.steps.filter_steps import check_filters
from mgnm_tf.data.steps.filters import drop_duplicates
from mgnm_tf.data.steps.filters import filter_core
from mgnm_tf.data.steps.filters import filter_rating
from mgnm_tf.data.steps.session_splits import read_training_share
from mgnm_tf.data.steps.sessions import cut_sessions
from mgnm_tf.data.steps.sessions import seconds_of_gap
from mgnm_tf.data.steps.splits import split_log


def prepare(
    source: Source | pd.DataFrame,
    out: str | os.PathLike,
    *,
    user_column: str = "user_id",
    item_column: str = "item_id",
    time_column: str = "timestamp",
    rating_column: str | None = None,
    category_column: str | None = None,
    split_column: str | None = None,
    separator: str | None = None,
    column_names: Sequence[str] | None = None,
    time_unit: str = "auto",
    quotes: bool = True,
    milliseconds_column: str | None = None,
    rating_above: float | None = None,
    min_user: int = 1,
    min_item: int = 1,
    keep_duplicates: bool = False,
    sessions_by_gap: str | None = None,
    filters: Sequence[str] = (),
    split: str = "leave_one_out",
    ratios: Sequence[float] = (0.7, 0.1, 0.2),
    training_share: str | float | None = None,
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] = lambda step: None,
    engine: str = "auto",
    memory: str | None = None,
) -> SequenceDataset:
    """Reads, filters, splits and saves a log.

    The order: read, ratings, duplicates, sessions, filters, core, split,
    number, save. What
    became of every row is noted in the metadata (`account`), and so is how
    many records have the time of the event before them (`ties`).

    Args:
        source: see `read_log`; so are the columns and the separator.
        out: the data folder to make.
        user_column: see `read_log`.
        item_column: see `read_log`.
        time_column: see `read_log`.
        rating_column: see `read_log`.
        category_column: see `read_log`.
        split_column: see `read_log`.
        separator: see `read_log`.
        column_names: see `read_log`.
        time_unit: see `read_log`. Defaults to `"auto"`.
        quotes: see `read_log`. Defaults to `True`.
        milliseconds_column: see `read_log`.
        rating_above: keep only ratings strictly above it, if given.
        min_user: see `filter_core`. Defaults to 1.
        min_item: see `filter_core`. Defaults to 1.
        keep_duplicates: whether events with equal user, item and time stay.
            Defaults to `False`; they are counted in the metadata.
        sessions_by_gap: see `cut_sessions`, for example "30m"; the sessions
            take the place of the users. Without it the users stay.
        filters: see `apply_filters`, for example `["first_events=20"]`; in
            this order.
        split: see `split_log`. Defaults to `"leave_one_out"`.
        ratios: see `split_log`.
        training_share: see `split_log`.
        name: the name of the data; that of `out` if it is not given.
        metadata: more to be noted about the data, for example its licence.
        overwrite: whether a data folder at `out` is replaced. Defaults to
            `False`.
        progress: called with a few words at the start of each step.
        engine: "in_memory"; "duckdb", which needs little memory for logs of
            any size, gives the same folder and is in the extra `large`;
            "spark", which does so on the cluster of a Spark session (extra
            `spark`); or "auto": DuckDB for files of `LARGE_ROWS` rows or
            more, about, if it is installed. Defaults to `"auto"`.
        memory: with "duckdb", how much memory DuckDB takes before it goes on
            in files beside `out`, for example "4GB". The process itself
            takes some hundred megabytes more. Defaults to `None`: half of
            that of the machine.

    Returns:
        The data set, opened from `out`.

    Raises:
        DataError: the source cannot be used, or too little of it is left.
        UserError: `out` exists or cannot be written, or an option is wrong.
    """
    out = Path(out)
    check_writable(out, overwrite)
    check_filters(filters)
    read_training_share(training_share, split)
    if sessions_by_gap is not None:
        seconds_of_gap(sessions_by_gap)
    unsupported = [
        name
        for name, value in (
            ("column_names", column_names),
            ("milliseconds_column", milliseconds_column),
        )
        if value is not None
    ]
    chosen = choose_engine(engine, memory, source, progress, unsupported)
    if chosen != "in_memory":
        files = cast(Source, source)
        limit = read_memory(memory) if memory else half_of_memory()
        open_workspace: Callable[..., Workspace] = (
            SparkWorkspace
            if chosen == "spark"
            else partial(DuckDBWorkspace, memory=limit)
        )
        return prepare_large(
            files,
            out,
            Columns(
                user=user_column,
                item=item_column,
                time=time_column,
                rating=rating_column,
                category=category_column,
                split=split_column,
                time_unit=time_unit,
                separator=separator,
                quotes=quotes,
                rating_above=rating_above,
            ),
            open_workspace=open_workspace,
            min_user=min_user,
            min_item=min_item,
            keep_duplicates=keep_duplicates,
            sessions_by_gap=sessions_by_gap,
            filters=filters,
            split=split,
            ratios=ratios,
            training_share=training_share,
            name=name,
            metadata=metadata,
            overwrite=overwrite,
            progress=progress,
        )
    progress("reading")
    log = read_log(
        source,
        user_column=user_column,
        item_column=item_column,
        time_column=time_column,
        rating_column=rating_column,
        category_column=category_column,
        split_column=split_column,
        separator=separator,
        column_names=column_names,
        time_unit=time_unit,
        quotes=quotes,
        milliseconds_column=milliseconds_column,
    )
    rows = len(log)
    progress(f"filtering {rows:,} events")
    if rating_above is not None:
        log = filter_rating(log, rating_above)
    if not keep_duplicates:
        log = drop_duplicates(log)
    if sessions_by_gap is not None:
        log = cut_sessions(log, sessions_by_gap)
    log = apply_filters(log, filters)
    log = filter_core(log, min_user, min_item)
    return save_split(
        log,
        out,
        rows,
        split=split,
        ratios=ratios,
        training_share=training_share,
        name=name,
        metadata=metadata,
        overwrite=overwrite,
        progress=progress,
    )


def save_split(
    log: InteractionLog,
    out: Path,
    rows: int,
    *,
    split: str = "leave_one_out",
    ratios: Sequence[float] = (0.7, 0.1, 0.2),
    training_share: str | float | None = None,
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> SequenceDataset:
    """Splits a filtered log, accounts for its rows and saves it.

    Args:
        log: the log.
        out: the data folder to make.
        rows: how many rows there were before all filters.
        split: see `split_log`. Defaults to `"leave_one_out"`.
        ratios: see `split_log`.
        training_share: see `split_log`.
        name: see `prepare`.
        metadata: see `prepare`.
        overwrite: see `prepare`. Defaults to `False`.
        progress: see `prepare`.

    Returns:
        The data set, opened from `out`.

    Raises:
        DataError: a part would be empty.
        UserError: `out` exists or cannot be written, or an option is wrong.
    """
    progress(f"splitting {len(log):,} events")
    name = name or out.absolute().name
    data = split_log(log, split, ratios, name, training_share)
    data.metadata.update(
        metadata or {},
        account=account_of(rows, data),
        ties=count_ties(data),
    )
    progress(f"writing {out}")
    data.save(out, overwrite)
    return SequenceDataset.load(out, verify=False)
