"""Which columns of an unknown file are its user, its item and its time."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.reading.column_contents import ColumnContents
from mgnm_tf.data.reading.column_words import POSITIONS
from mgnm_tf.data.reading.column_words import UNSURE_TIMES
from mgnm_tf.data.reading.column_words import named
from mgnm_tf.data.reading.column_words import plain_name
from mgnm_tf.data.reading.columns import check_columns
from mgnm_tf.data.reading.table import column_names_of
from mgnm_tf.errors import DataError

Ask = Callable[[str, Sequence[str]], str]
"""Takes a role ("user", "item", "time") and the columns that it could be."""

NEEDED = ("user", "item", "time")
_SEPARATORS = ("\t", ";", "|", ",")


@dataclass(frozen=True)
class ColumnGuess:
    """The columns of a log, and how they were found.

    Args:
        user: the column of the user.
        item: the column of the item.
        time: the column of the time.
        positions: whether the time is called a position in a sequence.
        split: the column that says train, validation or test, or `None`.
        unused: rating or category -> its column, which nothing is done with.
        separator: what stands between the fields; `None` for what the name
            of the file says.
        said: the guesses as sentences.
    """

    user: str
    item: str
    time: str
    positions: bool
    split: str | None
    unused: Mapping[str, str]
    separator: str | None
    said: tuple[str, ...]


def guess_columns(
    path: Path,
    given: Mapping[str, str | None] | None = None,
    *,
    separator: str | None = None,
    quotes: bool = True,
    ask: Ask | None = None,
) -> ColumnGuess:
    """Guesses the columns of a log: by their names, then by what they hold.

    Args:
        path: a CSV, TSV, Parquet or JSON Lines file.
        given: role -> column that is known, of "user", "item", "time" and
            "split".
        separator: see `read_log`; if it is not given and the header has one
            column alone, another one is tried.
        quotes: see `read_log`. Defaults to `True`.
        ask: asks somebody where several columns could be meant. `None` is
            for nobody there.

    Raises:
        DataError: the file cannot be read, a given column is not there, or a
            role could not be found or could be several columns and nobody is
            there to be asked.
    """
    columns, separator = _header(path, separator, quotes)
    known = {role: name for role, name in (given or {}).items() if name}
    check_columns(str(path), known.values(), columns)
    how = dict.fromkeys(known, "as given")
    left = [name for name in columns if name not in known.values()]
    found: dict[str, list[str]] = {}
    for role in NEEDED:
        if role in known:
            continue
        found[role] = named(role, left)
        if role == "time" and _are_unsure(found[role]):
            contents = ColumnContents(path, found[role], separator, quotes)
            found[role] = contents.times(found[role]) or [
                name for name in left if plain_name(name) in POSITIONS
            ]
        if len(found[role]) == 1:
            known[role], how[role] = found[role][0], "by its name"
            left.remove(known[role])
    optional = _optional(left, known)
    left = [name for name in left if name not in optional.values()]
    unsure = [role for role in NEEDED if role not in known]
    if unsure:
        contents = ColumnContents(path, left, separator, quotes)
        _by_contents(contents, left, known, how, found)
        _ask(path, columns, left, known, how, found, ask)
    if "split" in optional:
        name = optional.pop("split")
        contents = ColumnContents(path, [name], separator, quotes)
        if contents.values(name) <= {*PARTS}:
            known["split"], how["split"] = name, "by its name"
    positions = (
        plain_name(known["time"]) in POSITIONS and how["time"] != "as given"
    )
    return ColumnGuess(
        **{role: known[role] for role in NEEDED},
        positions=positions,
        split=known.get("split"),
        unused=optional,
        separator=separator,
        said=_sentences(known, how, optional, positions),
    )


def _are_unsure(times: Sequence[str]) -> bool:
    """Whether there are columns, named as what may as well be no time."""
    return bool(times) and plain_name(times[0]) in UNSURE_TIMES


def _header(
    path: Path, separator: str | None, quotes: bool
) -> tuple[list[str], str | None]:
    """Returns the names of the columns and what stands between them."""
    columns = column_names_of(path, separator, quotes)
    if separator is None and len(columns) == 1:
        for other in _SEPARATORS:
            if other in columns[0]:
                separator = other
                columns = column_names_of(path, separator, quotes)
                break
    numbers = [name for name in columns if _is_number(name)]
    if numbers:
        raise DataError(
            f"{path}: the first line holds {numbers[0]!r}, which is no name of "
            "a column; put a header line such as user_id,item_id,timestamp "
            "above the rows."
        )
    return columns, separator


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _optional(left: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Returns role -> column of what a log may have besides."""
    optional = {}
    for role in ("split", "rating", "category"):
        names = named(role, left)
        if role not in known and len(names) == 1:
            optional[role] = names[0]
    return optional


def _by_contents(
    contents: ColumnContents,
    left: list[str],
    known: dict[str, str],
    how: dict[str, str],
    found: dict[str, list[str]],
) -> None:
    """Finds what names did not tell, where the contents leave no choice."""

    def take(role: str, name: str) -> None:
        known[role], how[role] = name, "by what it holds"
        left.remove(name)

    if "time" not in known:
        named_times = found["time"]
        found["time"] = contents.times(named_times or left) or named_times
        if len(found["time"]) == 1:
            take("time", found["time"][0])
    if "time" not in known:
        return
    unsure = [role for role in ("user", "item") if role not in known]
    unnamed = [role for role in unsure if not found[role]]
    ids = contents.users_and_items(left)
    for role in unnamed:
        found[role] = ids
    if unnamed == unsure and len(ids) == len(unsure):
        if len(unsure) == 1:
            take(unsure[0], ids[0])
        elif user := (contents.tell_users(*ids) if unsure else None):
            take("user", user)
            take("item", next(name for name in ids if name != user))


def _ask(
    path: Path,
    columns: Sequence[str],
    left: list[str],
    known: dict[str, str],
    how: dict[str, str],
    found: dict[str, list[str]],
    ask: Ask | None,
) -> None:
    """Asks for what is still unknown, or says that it is."""
    unsure = [role for role in NEEDED if role not in known]
    missing = [role for role in unsure if not found[role]]
    several = {role: found[role] for role in unsure if found[role]}
    if missing and (ask is None or len(left) < len(unsure)):
        also = f"; also, {_could_be(several)}" if several else ""
        raise DataError(
            f"{path} does not look like an interaction log, which says who "
            "did something with what, and when: none of its columns "
            f"({', '.join(map(repr, columns))}) could be told to be the "
            f"{' or the '.join(missing)}; name it with "
            f"{_options(missing, 'or')}, if it is there{also}."
        )
    if several and ask is None:
        them = "column" if len(several) == 1 else "columns"
        raise DataError(
            f"{path}: {_could_be(several)}; name the {them} with "
            f"{_options(several, 'and')}."
        )
    if ask is None:
        return
    for role in unsure:
        choices = [name for name in found[role] or left if name in left]
        name = ask(role, choices)
        known[role], how[role] = name, "as you said"
        left.remove(name)


def _could_be(several: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(
        f"the {role} could be {' or '.join(map(repr, names))}"
        for role, names in several.items()
    )


def _options(roles: Iterable[str], word: str) -> str:
    return f" {word} ".join(f"--{role}-column" for role in roles)


def _sentences(
    known: Mapping[str, str],
    how: Mapping[str, str],
    unused: Mapping[str, str],
    positions: bool,
) -> tuple[str, ...]:
    told = [f"{role} is {known[role]!r} ({how[role]})" for role in known]
    lines = [f"Columns: {', '.join(told)}."]
    if positions:
        lines.append(
            f"{known['time']!r} is taken as positions: the order of the "
            "events of a user, no times."
        )
    if unused:
        names = [f"{role} {name!r}" for role, name in unused.items()]
        lines.append(
            f"Seen and not used, every row counts the same: {', '.join(names)}."
        )
    return tuple(lines)
