"""A folder of histories: its files, each with whole users, are the parts."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from mgnm_tf.data.reading.source_files import find_files
from mgnm_tf.data.reading.table import column_names_of
from mgnm_tf.errors import DataError
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.serving.bulk.recommend_file import ListOptions
from mgnm_tf.serving.bulk.recommend_file import read_note
from mgnm_tf.serving.requests.history_table import note_missing_times


@dataclass(frozen=True)
class Part:
    """A file of histories, and the file of recommendations made of it.

    Args:
        name: the name below the folder, of both.
        history: the file of histories.
        out: the file to make.
        made_from: size and time of change of `history`, JSON.
        asked: the model and what is asked of it, JSON.
    """

    name: str
    history: str
    out: str
    made_from: str
    asked: str

    def found(self) -> dict | None:
        """Returns what was counted when the file was made.

        Returns:
            What `note` was given; `None` if the file is not there, or is
            that of other histories.

        Raises:
            OutputExistsError: a file is there that was not made for this, or
                by another model, or with other settings.
        """
        if not os.path.lexists(self.out):
            return None
        note = read_note(self.out)
        if note is None:
            raise OutputExistsError(
                f"{self.out} is there and was not made by `mgnm recommend` "
                "of a folder; give another folder to write to."
            )
        content = json.loads(note)
        if content["asked"] != self.asked:
            raise OutputExistsError(
                f"{self.out} was made by another model or with other "
                f"settings ({content['asked']}; now {self.asked}); give "
                "another folder to write to."
            )
        return content["counts"] if content["from"] == self.made_from else None

    def note(self, counts: dict[str, int]) -> bytes:
        """Returns what is noted in the file.

        Args:
            counts: what was counted in the histories.
        """
        content = {
            "asked": self.asked,
            "from": self.made_from,
            "counts": counts,
        }
        return json.dumps(content).encode()


def find_parts(
    history: str | os.PathLike,
    out: str | os.PathLike,
    fingerprint: str,
    options: ListOptions,
) -> list[Part]:
    """Returns the parts of a folder, in the order of their names.

    Args:
        history: a folder of Parquet files, also in folders below it; names
            that begin with "." or "_" do not count.
        out: the folder to write to.
        fingerprint: that of the export.
        options: what is asked for.

    Raises:
        DataError: there is no such folder, it is empty, or holds files of
            another kind.
        UserError: `out` is no folder, or one of the two is inside the other.
    """
    history, out = Path(history), Path(out)
    if not history.is_dir():
        raise DataError(
            f"There is no folder {history}; expected one of Parquet files."
        )
    if os.path.lexists(out) and not out.is_dir():
        raise OutputExistsError(
            f"{out} is a file; the recommendations of a folder are a folder."
        )
    inner, outer = sorted((out.resolve(), history.resolve()), key=_depth)[::-1]
    if inner.is_relative_to(outer):
        raise UserError(
            f"{out} and {history} are one in the other; give a folder of its "
            "own to write to."
        )
    files = find_files(history)
    for path in files:
        if path.suffix != ".parquet":
            raise DataError(
                f"{path} does not end in .parquet; expected a folder of "
                "Parquet files."
            )
    asked = {"export": fingerprint, **asdict(options)}
    asked_json = json.dumps(asked, sort_keys=True)
    return [_part(path, history, out, asked_json) for path in files]


def _part(path: Path, history: Path, out: Path, asked: str) -> Part:
    name, stat = path.relative_to(history), path.stat()
    return Part(
        name=str(name),
        history=str(path.absolute()),
        out=str((out / name).absolute()),
        made_from=json.dumps([stat.st_size, stat.st_mtime_ns]),
        asked=asked,
    )


def _depth(path: Path) -> int:
    return len(path.parts)


def with_one_time(
    history: str | os.PathLike, options: ListOptions, reads_times: bool
) -> ListOptions:
    """Returns the options with the column of times that all files have.

    So that not one file is ordered by time and the next one by its rows.
    That there are no times is logged, once.

    Args:
        history: the folder.
        options: what is asked for.
        reads_times: whether the model reads times.

    Raises:
        DataError: some files have the column, others have not.
    """
    columns = options.columns
    if columns.time is not None or reads_times:
        return options
    found = dict(_columns_of(find_files(history)))
    without = [path for path in found if "timestamp" not in found[path]]
    if len(without) == len(found):
        if found:
            note_missing_times(str(history), found[without[0]])
        return options
    if without:
        timed = next(path for path in found if "timestamp" in found[path])
        raise DataError(
            f"{timed} has a column 'timestamp' and {without[0]} has none; "
            "expected files with the same columns."
        )
    return replace(options, columns=replace(columns, time="timestamp"))


def _columns_of(files: Sequence[Path]):
    """Yields files and their columns; a damaged one is left to its part."""
    for path in files:
        try:
            yield path, column_names_of(path)
        except DataError:
            continue
