"""From files to a data folder without holding the log in memory."""

import time
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mgnm_tf.data.account import account_for
from mgnm_tf.data.account import count_of_ties
from mgnm_tf.data.dataset import ARRAYS
from mgnm_tf.data.dataset import VOCABULARIES
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.dataset import fingerprint_of
from mgnm_tf.data.dataset import write_header
from mgnm_tf.data.large.block_writer import read_pieces
from mgnm_tf.data.large.block_writer import write_column
from mgnm_tf.data.large.block_writer import write_events
from mgnm_tf.data.large.block_writer import write_lines
from mgnm_tf.data.large.file_blocks import Columns
from mgnm_tf.data.large.filter_queries import Filters
from mgnm_tf.data.large.index_queries import CATEGORY_IDS
from mgnm_tf.data.large.index_queries import EVENTS
from mgnm_tf.data.large.index_queries import ITEM_CATEGORIES
from mgnm_tf.data.large.index_queries import ITEM_IDS
from mgnm_tf.data.large.index_queries import USER_IDS
from mgnm_tf.data.large.index_queries import index
from mgnm_tf.data.large.split_queries import Split
from mgnm_tf.data.large.staging import stage
from mgnm_tf.data.large.workspace import Workspace
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.reading.source_files import Source
from mgnm_tf.data.reading.source_files import describe
from mgnm_tf.data.reading.source_files import find_files
from mgnm_tf.data.steps.filters import no_ratings
from mgnm_tf.data.steps.session_splits import END_TIMES
from mgnm_tf.data.steps.session_splits import check_records
from mgnm_tf.data.steps.session_splits import read_training_share
from mgnm_tf.data.steps.sessions import BY_GAP
from mgnm_tf.data.steps.sessions import need_times
from mgnm_tf.data.steps.splits import check_parts
from mgnm_tf.data.steps.splits import read_method
from mgnm_tf.data.steps.splits import read_shares
from mgnm_tf.data.steps.splits import words_of
from mgnm_tf.errors import UserError
from mgnm_tf.version import __version__


def prepare_large(
    source: Source,
    out: Path,
    columns: Columns,
    *,
    open_workspace: Callable[..., Workspace],
    min_user: int,
    min_item: int,
    keep_duplicates: bool,
    sessions_by_gap: str | None,
    filters: Sequence[str],
    split: str,
    ratios: Sequence[float],
    training_share: str | float | None,
    name: str | None,
    metadata: dict[str, Any] | None,
    overwrite: bool,
    progress: Callable[[str], None],
) -> SequenceDataset:
    """Does what `prepare` does, with an SQL engine; the result is the same.

    Args:
        source: see `read_log`.
        out: the data folder to make.
        columns: the columns of the log.
        open_workspace: opens the engine, see `Workspace`.
        min_user: see `prepare`; so are the others.
        min_item: see `prepare`.
        keep_duplicates: see `prepare`.
        sessions_by_gap: see `prepare`.
        filters: see `prepare`.
        split: see `prepare`.
        ratios: see `prepare`.
        training_share: see `prepare`.
        name: see `prepare`.
        metadata: see `prepare`.
        overwrite: see `prepare`.
        progress: see `prepare`.

    Returns:
        The data set, opened from `out`.

    Raises:
        DataError: see `prepare`.
        UserError: see `prepare`; or the engine fails, the disk is full, or
            another process prepares the same folder.
    """
    method, number = read_method(split)
    shares = read_shares(ratios)
    stays = read_training_share(training_share, split)
    files = find_files(source)
    where = describe(source)
    if columns.rating_above is not None and columns.rating is None:
        raise no_ratings(where, columns.rating_above)
    key = {
        "version": __version__,
        "files": [_state(path) for path in files],
        "columns": vars(columns),
        "filters": [
            keep_duplicates,
            sessions_by_gap,
            list(filters),
            min_user,
            min_item,
        ],
        "split": [split, shares, str(stays)],
    }
    work = open_workspace(out, key, progress)
    try:
        staged = work.phase(
            "read",
            f"reading {len(files):,} files by {work.name}",
            lambda: stage(work, files, columns, where),
        )
        rows = sum(staged["rows"])
        events = Filters(work, where, rows)
        events.encode(
            staged["kept"],
            columns.rating_above,
            staged["time"],
            columns.category is not None,
        )
        if not keep_duplicates:
            events.drop_duplicates()
        if sessions_by_gap is not None:
            need_times(staged["order_only"], where, BY_GAP)
            events.cut_sessions(sessions_by_gap, staged["time_unit"])
        events.apply(filters)
        events.core(min_user, min_item)
        what = words_of(split, stays)
        if method in END_TIMES:
            need_times(staged["order_only"], where, f"the split {split!r}")
        note = events.split(
            method,
            Split(
                work=work,
                events=events.table,
                users=events.users,
                source=where,
                time_unit=staged["time_unit"],
                given=columns.split is not None,
                shares=shares,
                number=number,
                stays=stays,
            ),
        )
        indexed = work.phase(
            "index",
            "numbering users and items by their training events",
            lambda: index(work, columns.category is not None),
            drop="parted",
        )
        check_parts(indexed["parts"], where, what)
        counts = indexed["counts"]
        left = [counts[part] for part in PARTS]
        check_parts(left, where, f"{what}, without new items,")
        progress(f"sorting and writing {counts['events']:,} events to {out}")
        with work.target(overwrite) as folder:
            fingerprint = _write(
                work,
                folder,
                events.users,
                staged["time_unit"],
                {
                    "name": name or out.absolute().name,
                    "source": where,
                    "filters": events.steps,
                    "order_only": staged["order_only"],
                    "split": {"method": method, **note},
                    **{
                        part: indexed[part]
                        for part in ("filtered", "counts", "cold_item_events")
                    },
                    **(metadata or {}),
                },
                rows,
                what if method == "sessions" or method in END_TIMES else "",
            )
            progress(f"fingerprint {fingerprint}")
    except UserError:
        work.close(remove=True)
        raise
    except BaseException:
        # Stopped from outside: the phases that have ended are kept.
        work.close(remove=False)
        raise
    work.close(remove=True)
    return SequenceDataset.load(out, verify=False)


def _state(path: Path) -> list:
    """Returns what tells a file from a later one of its name.

    Where nothing tells when it was changed, as of many addresses, it is
    another one each time, so that its phases are done anew.
    """
    try:
        found = path.stat()
    except (OSError, NotImplementedError):
        return [str(path), time.time_ns()]
    changed = getattr(found, "st_mtime_ns", 0) or time.time_ns()
    return [str(path), found.st_size, changed]


def _write(
    work: Workspace,
    folder: Path,
    users: str,
    time_unit: str,
    metadata: dict[str, Any],
    rows: int,
    sessions: str,
) -> str:
    """Writes a data folder from the indexed tables.

    Args:
        work: where the tables are.
        folder: the folder to write into.
        users: the table of the ids of the users.
        time_unit: the unit of the times.
        metadata: what is known about the data so far.
        rows: how many rows were read.
        sessions: the split in words, if it is one of whole sessions.

    Returns:
        The fingerprint.
    """
    counts = metadata["counts"]
    num_sequences = counts["known_users"] + counts["unknown_users"]
    written = write_events(
        folder, work.batches(EVENTS), counts["events"], num_sequences
    )
    if sessions:
        check_records(written.records, metadata["source"], sessions)
    lists = {
        "user_ids": USER_IDS.format(users=users),
        "item_ids": ITEM_IDS,
        "category_ids": CATEGORY_IDS,
    }
    names = [*ARRAYS]
    if work.has_table("item_categories"):
        names.append("item_categories")
        write_column(
            folder / "item_categories.npy",
            work.batches(ITEM_CATEGORIES),
            counts["items"] + 1,
            0,
        )
    else:
        lists["category_ids"] = "SELECT '' WHERE false"
    for name, sql in lists.items():
        write_lines(folder / VOCABULARIES[name], work.batches(sql))
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names
    }
    fingerprint = fingerprint_of(
        counts["known_users"],
        arrays,
        time_unit,
        (
            piece
            for file in VOCABULARIES.values()
            for piece in read_pieces(folder / file)
        ),
    )
    ends = None if metadata["order_only"] else (written.first, written.last)
    metadata["account"] = account_for(
        rows, counts["events"], metadata, ends, time_unit
    )
    metadata["ties"] = count_of_ties(written.records, written.tied)
    write_header(
        folder, counts["known_users"], time_unit, fingerprint, metadata
    )
    return fingerprint
