"""Recommendations for all users of a folder, a file at a time."""

import logging
import os
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.export import export_folder
from mgnm_tf.serving.bulk.history_parts import Part
from mgnm_tf.serving.bulk.history_parts import find_parts
from mgnm_tf.serving.bulk.history_parts import with_one_time
from mgnm_tf.serving.bulk.recommend_file import ListOptions
from mgnm_tf.serving.bulk.recommend_file import write_part
from mgnm_tf.serving.bulk.users_once import check_users_once
from mgnm_tf.serving.recommend_arguments import check_recommend
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.serving.requests.history_table import read_history
from mgnm_tf.utils.disk import disk_error

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartDone:
    """What came of a part.

    Args:
        name: the name of the part.
        users: how many users it has.
        unknown_users: how many of them the model does not know.
        events: how many events it has.
        unknown_events: how many of them are of items that the model does not
            know.
        problem: why there are no recommendations, a sentence; empty if there
            are.
        of_all: whether the problem is not that of this part alone, so that
            there is no use in going on.
    """

    name: str
    users: int = 0
    unknown_users: int = 0
    events: int = 0
    unknown_events: int = 0
    problem: str = ""
    of_all: bool = False


@dataclass(frozen=True)
class FolderDone:
    """What came of a folder.

    Args:
        parts: how many files there are.
        already: how many of them had been done before.
        users: how many users there are.
        num_items: how many items the model knows.
    """

    parts: int
    already: int
    users: int
    num_items: int


class PartWorker:
    """Does one part after the other; loads the model for the first one.

    Args:
        export: the export folder.
        options: what is asked for.
    """

    def __init__(self, export: str | os.PathLike, options: ListOptions):
        self._export = export
        self._options = options
        self._recommender: Recommender | None = None

    def __call__(self, part: Part) -> PartDone:
        """Writes the recommendations of a part, unless they are there.

        Args:
            part: what to do.

        Returns:
            What came of it; what the user can cause is told, not raised.
        """
        try:
            counts = part.found()
            if counts is None:
                counts = self._write(part)
        except DataError as error:
            return PartDone(part.name, problem=str(error))
        except UserError as error:
            return PartDone(part.name, problem=str(error), of_all=True)
        return PartDone(part.name, **counts)

    def _write(self, part: Part) -> dict[str, int]:
        if self._recommender is None:
            self._recommender = Recommender.load(self._export)
        recommender, columns = self._recommender, self._options.columns
        reads_times = recommender.metadata["reads_times"]
        requests = read_history(part.history, reads_times, columns, part=True)
        unknown = recommender.known_ids.unknown_of_file(
            requests, part.history, columns.item
        )
        counts = {
            "users": len(requests),
            "unknown_users": len(unknown.users),
            "events": unknown.num_events,
            "unknown_events": unknown.events,
        }
        note = part.note(counts)
        write_part(recommender, requests, part.out, self._options, note)
        return counts


Engine = Callable[
    [Sequence[Part], ListOptions], Generator[PartDone, None, None]
]
"""Does parts somewhere: parts and what is asked for -> what came of each."""


def recommend_folder(
    export: str | os.PathLike,
    history: str | os.PathLike,
    out: str | os.PathLike,
    options: ListOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
    engine: Engine | None = None,
) -> FolderDone:
    """Recommends to every user of a folder of Parquet files.

    Each file becomes a file of the same name, which is whole when it is
    there; with the same arguments again, those that are there are left as they
    are. **All events of a user must stand in one file**, which is checked
    before anything is written. A file that cannot be used is named in the log
    and the others are done. What is held in memory is the model and one file,
    however many there are.

    Args:
        export: the export folder.
        history: a folder of Parquet files, each as `recommend_file` takes
            it.
        out: the folder to write to; only one command at a time.
        options: what is asked for. Defaults to `None`: `ListOptions()`.
        progress: is given how many files are done, and how many there are.
            Defaults to `None`.
        engine: what does the parts. Defaults to `None`: this process.

    Raises:
        DataError: the folder cannot be used, a user stands in two files, or,
            after all others are done, some files cannot be used.
        OutputExistsError: there is something else in `out`.
        UserError: the export is damaged, an option out of its range, or `out`
            cannot be written.
    """
    options = options or ListOptions()
    check_recommend(options.k, True, options.diversity)
    header = export_folder.read_header(export)
    options = with_one_time(history, options, header["reads_times"])
    parts = find_parts(history, out, export_folder.fingerprint(export), options)
    found = [part.found() for part in parts]
    _make_room(Path(out))
    check_users_once(
        [part.history for part in parts], options.columns.user, out
    )
    tally, todo = _Tally(str(history), len(parts), progress), []
    for part, counts in zip(parts, found, strict=True):
        if counts is None:
            todo.append(part)
        else:
            tally.add(PartDone(part.name, **counts))
    already = tally.done
    if todo:
        # Closed, so that an engine that is left early ends, too.
        with closing((engine or _here(export))(todo, options)) as results:
            for done in results:
                tally.add(done)
        _make_room(Path(out))  # Without what a killed worker has left.
    tally.close(str(out))
    return FolderDone(len(parts), already, tally.users, header["num_items"])


def _here(export: str | os.PathLike) -> Engine:
    """Returns the engine that is this process."""

    def run(parts: Sequence[Part], options: ListOptions):
        yield from map(PartWorker(export, options), parts)

    return run


def _make_room(out: Path) -> None:
    """Makes the folder, without what a killed process has left in it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for partial in out.rglob(".*.partial"):
            partial.unlink(missing_ok=True)
    except OSError as error:
        said = disk_error(error) or error
        raise UserError(
            f"{out} could not be written: {said.strerror or said}."
        ) from error


class _Tally:
    """Adds up what comes of the parts."""

    def __init__(self, history, parts, progress):
        self.users = self.done = 0
        self._history, self._parts, self._progress = history, parts, progress
        self._unknown_users = self._events = self._unknown_events = 0
        self._failed = []

    def add(self, found: PartDone) -> None:
        if found.of_all:
            raise UserError(found.problem)
        self.done += 1
        if found.problem:
            self._failed.append(found.name)
            logger.warning(found.problem)
        self.users += found.users
        self._unknown_users += found.unknown_users
        self._events += found.events
        self._unknown_events += found.unknown_events
        if self._progress is not None:
            self._progress(self.done, self._parts)

    def close(self, out: str) -> None:
        """Says what was unknown; raises if a part could not be done."""
        parts = []
        if self._unknown_users:
            parts.append(f"{self._unknown_users:,} of {self.users:,} users")
        if self._unknown_events:
            parts.append(
                f"the items of {self._unknown_events:,} of "
                f"{self._events:,} events, which are left out"
            )
        if parts:
            logger.warning(
                f"{self._history}: the model does not know "
                f"{' and '.join(parts)}."
            )
        if self._failed:
            raise DataError(
                f"{len(self._failed):,} of {self._parts:,} files of "
                f"{self._history} could not be used: "
                f"{_listed(self._failed)}. The others are done, in {out}; "
                "mend these and give the same command again."
            )


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, ..."
