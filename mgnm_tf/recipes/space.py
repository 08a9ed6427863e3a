"""Search spaces: which values of a recipe `mgnm tune` tries."""

import math
import os
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import field_validator
from pydantic import model_validator

from mgnm_tf.errors import UserError
from mgnm_tf.recipes.sentences import validated
from mgnm_tf.recipes.toml import read_toml
from mgnm_tf.utils.validation import unknown_name


class Range(BaseModel):
    """All numbers between two, both included.

    Args:
        low: the smallest one.
        high: the largest one.
        log: whether each factor counts alike, instead of each difference.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int | float
    high: int | float
    log: bool = False

    @field_validator("low", "high", mode="before")
    @classmethod
    def _check_number(cls, value: Any) -> Any:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ValueError(f"must be a number. Received: {value!r}")
        return value

    @model_validator(mode="after")
    def _check(self):
        if self.low > self.high:
            raise ValueError(
                f"`low` must not be above `high`. Received: low={self.low}, "
                f"high={self.high}"
            )
        if self.log and self.low <= 0:
            raise ValueError(
                "`low` must be above 0 where `log` is true. Received: "
                f"low={self.low}"
            )
        return self


Choices = tuple[bool | int | float | str, ...]
"""The values that are tried, in no order."""

Space = dict[str, Range | Choices]
"""Option of the model or of the training -> the values that are tried."""

DEFAULT: Space = {
    "learning_rate": Range(low=3e-4, high=1e-2, log=True),
    "dropout": Range(low=0.0, high=0.6),
    "temperature": Range(low=0.05, high=0.2, log=True),
    "interest_bias": (False, True),
    # Of item-kNN.
    "last": (1, 2, 3, 5, 10, 20),
    "shrinkage": Range(low=0.0, high=50.0),
}
"""What is searched where nothing else is asked for, the same for all models.

A model that lacks an option, or whose recipe does without it (`none`), is
searched without it.
"""


def read_space(path: str | os.PathLike) -> Space:
    """Reads a file that holds a search space.

    ```
    [space]
    learning_rate = {low = 0.001, high = 0.01, log = true}
    num_interests = [2, 4, 8]
    ```

    Args:
        path: the file.

    Raises:
        UserError: it cannot be read, is no TOML, or a value is refused.
    """
    tables = read_toml(path, "search space")
    for name in tables:
        if name != "space":
            raise UserError(f"{path}: {unknown_name('table', name, ['space'])}")
    values = tables.get("space")
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no search space: it has no [space].")
    return make_space(values, f"{path}: ")


def make_space(values: Mapping[str, Any], where: str = "") -> Space:
    """Makes a search space of plain values.

    Args:
        values: option -> `{"low": 0.0, "high": 0.5, "log": False}`, a
            `Range`, or a list of values.
        where: where they stand, for messages.

    Raises:
        UserError: it is empty, or a value is refused.
    """
    if not values:
        raise UserError(f"{where}The search space is empty.")
    return {key: _read(key, one, where) for key, one in values.items()}


def _read(key: str, value: Any, where: str) -> Range | Choices:
    """Returns what one option of a search space is said to try."""
    if isinstance(value, Range):
        return value
    if isinstance(value, Mapping) and {"low", "high"} <= value.keys():
        return validated(Range, dict(value), f"{where}{key}: ")
    if isinstance(value, (list, tuple)) and _are_choices(value):
        return tuple(value)
    raise UserError(
        f"{where}`{key}` must be a table with `low` and `high`, or a list of "
        f"different numbers, words or true and false. Received: {value!r}"
    )


def _are_choices(values: list | tuple) -> bool:
    kinds = (bool, int, float, str)
    # True is 1 for Python, but no number of interests.
    seen = {(type(value), value) for value in values if type(value) in kinds}
    return 0 < len(values) == len(seen)
