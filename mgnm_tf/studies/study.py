"""A study: one file that says how a table or a figure is made."""

import inspect
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import field_validator
from pydantic import model_validator

from mgnm_tf.data.prepare import prepare
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.recipes.recipe import Positive
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.recipes.sentences import validated
from mgnm_tf.recipes.toml import read_recipes
from mgnm_tf.recipes.toml import read_toml
from mgnm_tf.utils.validation import unknown_name

_PACKAGE = Path(__file__).resolve().parent.parent

SHOWS = (
    "table",
    "figure",
    "levels",
    "divergences",
    "time",
    "data",
)
"""What a study is for, see `Study`."""

_OF_THE_FILE = [
    name
    for name, parameter in inspect.signature(prepare).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY
    and name not in ("metadata", "overwrite", "progress")
]

_OF_A_WORLD = list(inspect.signature(make_world).parameters)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StudyData(_Table):
    """What a study is made on: one of `recipe`, `file` and `world`.

    Args:
        recipe: a name of `mgnm datasets`.
        file: the name of a log that the user brings (.csv, or .csv.gz).
        world: arguments of `make_world`, for a synthetic log.
        source: where the file comes from, in words.
        options: how the file or world is prepared: arguments of
            `mgnm_tf.prepare`.
    """

    recipe: str = ""
    file: str = ""
    world: dict[str, Any] = Field(default_factory=dict)
    source: str = ""
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of_three(self) -> "StudyData":
        if sum(map(bool, (self.recipe, self.file, self.world))) != 1:
            raise ValueError(
                "[data] needs one of `recipe`, `file` and `world`."
            )
        if self.recipe and self.options:
            raise ValueError(
                "[data] has `options`, which its recipe decides: leave them "
                "out, or name a `file`."
            )
        for name in self.world:
            if name not in _OF_A_WORLD:
                raise ValueError(
                    unknown_name("argument of [data.world]", name, _OF_A_WORLD)
                )
        for name in self.options:
            if name not in _OF_THE_FILE:
                raise ValueError(
                    unknown_name("option of [data]", name, _OF_THE_FILE)
                )
        return self


class Published(_Table):
    """Numbers of a paper that stand beside ours.

    Args:
        source: paper, and table or figure.
        values: label of a model -> metric (`"ndcg@5"`) -> number.
    """

    source: str
    values: dict[str, dict[str, float]]


class Study(_Table):
    """What a table or a figure is made of.

    Args:
        title: a heading.
        data: the data, with split and filters.
        models: labels, `model:recipe+part`, in the order of the table.
        show: `"table"`; `"figure"`, metrics over the values of `axis`;
            `"levels"`, which level of MGNM speaks for the true item of each
            user; `"divergences"`, how far the first recommendation is from
            the interests of the true item, see
            `mgnm_tf.evaluation.interest_divergence`; `"time"`, what training
            costs; or `"data"`, the size of the data, without any model.
        seeds: one run of each model for every seed.
        seeds_of: label of a model -> its seeds, where they are others.
        protocol: fields of `Protocol` that differ from its defaults, without
            the history's length, which is that of the runs.
        overrides: settings and constructor arguments that win over the
            recipes of all models; under the label of a model, for it alone.
        axis: one setting or constructor argument -> its values; every model
            is run with each.
        lengths: of a table, which then stands by how many events come
            before the target, too: the fewest events of each slice,
            ascending from 1; the last has no end.
        parts: TOML file, beside the study, with further recipes and parts.
        published: what a paper says.
        notes: what has to be known to read it.
    """

    title: str
    data: StudyData
    models: tuple[str, ...] = ()
    show: str = "table"
    seeds: tuple[int, ...] = (0,)
    seeds_of: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    protocol: dict[str, Any] = Field(default_factory=dict)
    overrides: dict[str, Any] = Field(default_factory=dict)
    axis: dict[str, list[Any]] = Field(default_factory=dict)
    lengths: tuple[Positive, ...] = ()
    parts: str = ""
    published: Published | None = None
    notes: str = ""

    @field_validator("show")
    @classmethod
    def _known_show(cls, value: str) -> str:
        if value not in SHOWS:
            raise ValueError(unknown_name("show", value, SHOWS))
        return value

    @field_validator("protocol")
    @classmethod
    def _known_protocol(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            Protocol.from_dict(value)
        except (UserError, TypeError) as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "Study":
        if len(self.axis) > 1:
            raise ValueError(
                "A study has one axis at most. Received: "
                f"{', '.join(self.axis)}"
            )
        for name, values in self.axis.items():
            if not values or len(set(map(repr, values))) < len(values):
                raise ValueError(
                    f"The axis {name} needs values that differ. Received: "
                    f"{values!r}"
                )
        self._check_lengths()
        if (
            self.show in ("figure", "levels", "divergences")
            and self.published is not None
        ):
            raise ValueError(
                "[published] numbers stand in tables; a figure shows none."
            )
        if bool(self.axis) != (self.show == "figure"):
            raise ValueError(
                'A study with an [axis] has show = "figure", and no other '
                f"has. Received: show={self.show!r}, axis={self.axis!r}"
            )
        if bool(self.models) == (self.show == "data"):
            raise ValueError(
                'A study has `models`, unless it has show = "data". '
                f"Received: show={self.show!r}, models={list(self.models)}"
            )
        for label in self.options_of_models:
            if label not in self.models:
                raise ValueError(
                    unknown_name("model of [overrides]", label, self.models)
                )
        for label in self.seeds_of:
            if label not in self.models:
                raise ValueError(
                    unknown_name("model of [seeds_of]", label, self.models)
                )
        for label in {} if self.published is None else self.published.values:
            self._check_published(label)
        return self

    def _check_lengths(self) -> None:
        if self.lengths and self.show != "table":
            raise ValueError(
                'A study with `lengths` has show = "table". '
                f"Received: show={self.show!r}, lengths={list(self.lengths)}"
            )
        ascending = sorted({1, *self.lengths})
        if self.lengths and list(self.lengths) != ascending:
            raise ValueError(
                "`lengths` must ascend from 1. "
                f"Received: lengths={list(self.lengths)}"
            )

    def _check_published(self, label: str) -> None:
        known = ("data",) if self.show == "data" else self.models
        if label not in known:
            raise ValueError(unknown_name("model of [published]", label, known))
        metrics = self.metric_names
        for metric in self.published.values[label]:
            if metric not in metrics:
                raise ValueError(
                    f"[published] has a number of {label} for {metric}, "
                    f"which this study does not measure; it measures "
                    f"{', '.join(metrics)}."
                )

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What the columns of the table measure."""
        if self.show == "data":
            return ("users", "items", "events")
        if self.show == "time":
            return ("ms/step", "steps/epoch", "min/epoch")
        return Protocol.from_dict(self.protocol).metric_names

    @property
    def settings(self) -> dict[str, Any]:
        """The overrides for all models."""
        return {
            name: value
            for name, value in self.overrides.items()
            if not isinstance(value, dict)
        }

    @property
    def options_of_models(self) -> dict[str, dict[str, Any]]:
        """Label of a model -> the overrides for it alone."""
        return {
            name: value
            for name, value in self.overrides.items()
            if isinstance(value, dict)
        }

    def recipes(self, path: Path) -> dict[str, Recipe]:
        """Reads the file of further recipes.

        Args:
            path: the file of the study.
        """
        if not self.parts:
            return {}
        parts = path.parent / self.parts
        if not parts.is_file():
            raise UserError(f"{path}: there is no file {parts} (`parts`).")
        return read_recipes(parts)


def study_folder() -> Path:
    """Returns the folder of the studies that come with the package.

    That is `studies/files` inside an installed package, and `studies` beside
    the package in a checkout or an editable installation.
    """
    installed = _PACKAGE / "studies" / "files"
    return installed if installed.is_dir() else _PACKAGE.parent / "studies"


def study_names() -> list[str]:
    """Returns the names of the studies that come with the package."""
    return sorted(path.stem for path in study_folder().glob("*.toml"))


def find_study(study: str | os.PathLike) -> Path:
    """Returns the file of a study that is named, or given as a path.

    Raises:
        UserError: there is neither such a file nor such a study.
    """
    path = Path(study)
    if path.suffix == ".toml":
        if not path.is_file():
            raise UserError(f"There is no study file {path}.")
        return path
    names = study_names()
    if str(study) not in names:
        raise UserError(unknown_name("study", str(study), names))
    return study_folder() / f"{study}.toml"


def read_study(path: str | os.PathLike) -> Study:
    """Reads the file of a study.

    Args:
        path: a TOML file; its keys are the fields of `Study`.

    Raises:
        UserError: it cannot be read, is no TOML, a key is unknown, a value
            is refused, or two do not fit together.
    """
    return validated(Study, read_toml(path, "study"), f"{path}: ")
