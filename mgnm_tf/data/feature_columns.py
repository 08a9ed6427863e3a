"""How the columns of item features become numbers and classes."""

from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from mgnm_tf.data.item_features import ItemFeatures
from mgnm_tf.errors import UserError

_WHOLE = 0.99
"""The share of items all of whose classes have room in `class_table`."""


@dataclass(frozen=True)
class FeatureColumns:
    """What a model knows of the features of its items.

    Args:
        numbers: column -> how many numbers it has.
        classes: column -> its classes.
        mean: of each number, over the items that the columns are made of.
        scale: of each number the standard deviation; 1 of a constant one.
        most_classes: the most classes of an item that count, its first ones;
            `None` is all.
    """

    numbers: dict[str, int]
    classes: dict[str, list[str]]
    mean: list[float]
    scale: list[float]
    most_classes: int | None = None

    @classmethod
    def of(cls, features: ItemFeatures) -> "FeatureColumns":
        """Returns the columns of items, all their classes among them."""
        columns = [*features.numbers.values(), np.zeros((len(features.ids), 0))]
        table = np.concatenate(columns, axis=1)
        spread = table.std(axis=0)
        return cls(
            {name: x.shape[1] for name, x in features.numbers.items()},
            {
                name: sorted({one for row in rows for one in row})
                for name, rows in features.classes.items()
            },
            table.mean(axis=0).tolist(),
            np.where(spread > 0, spread, 1.0).tolist(),
        )

    @property
    def num_numbers(self) -> int:
        """How many numbers an item has."""
        return sum(self.numbers.values())

    @property
    def num_classes(self) -> int:
        """How many classes there are in all columns."""
        return sum(map(len, self.classes.values()))

    def number_table(self, features: ItemFeatures) -> np.ndarray:
        """Returns the numbers of N items, standardised, float64 (N, P).

        Raises:
            UserError: a column is missing or has another number of numbers.
        """
        for name, width in self.numbers.items():
            found = features.numbers.get(name)
            if found is None or found.shape[1] != width:
                has = "none" if found is None else str(found.shape[1])
                raise UserError(
                    f"The model knows items by {width} numbers in the column "
                    f"{name!r}. Received: {has}"
                )
        columns = [features.numbers[name] for name in self.numbers]
        columns.append(np.zeros((len(features.ids), 0)))
        return (np.concatenate(columns, axis=1) - self.mean) / self.scale

    def class_ids(self, features: ItemFeatures) -> list[list[int]]:
        """Returns the classes of items, from 1; unknown ones are left out.

        Raises:
            UserError: a column is missing.
        """
        found: list[list[int]] = [[] for _ in features.ids]
        first = 1
        for name, known in self.classes.items():
            if name not in features.classes:
                raise UserError(
                    f"The model knows items by text in the column {name!r}. "
                    f"Received: {', '.join(features.classes) or 'none'}"
                )
            place = {one: first + index for index, one in enumerate(known)}
            for ids, row in zip(found, features.classes[name], strict=True):
                given = dict.fromkeys(row)
                ids += [place[one] for one in given if one in place]
            first += len(known)
        return [ids[: self.most_classes] for ids in found]

    def dense_table(self, features: ItemFeatures) -> np.ndarray:
        """Returns numbers, and 1 for each class, float64 (N, P + C).

        Raises:
            UserError: a column is missing or has another number of numbers.
        """
        numbers = self.number_table(features)
        ones = np.zeros((len(features.ids), self.num_classes))
        for row, ids in enumerate(self.class_ids(features)):
            ones[row, np.array(ids, np.int64) - 1] = 1.0
        return np.concatenate([numbers, ones], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Returns all values, as JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FeatureColumns":
        """Makes columns from what `to_dict` returned."""
        return cls(**values)


def room_for_classes(counts: np.ndarray) -> int:
    """Returns how many classes of an item count, by those of all items.

    A table of classes has this many columns, and every look-up reads them
    all; the few items with far more classes than the rest are not to decide.

    Args:
        counts: how many classes each item has, (N,).
    """
    return int(np.quantile(counts, _WHOLE, method="higher"))


def class_table(ids: list[list[int]], width: int) -> np.ndarray:
    """Returns classes side by side, int32 (N, `width`), 0 behind the last."""
    table = np.zeros((len(ids), width), np.int32)
    for row, some in enumerate(ids):
        table[row, : len(some[:width])] = some[:width]
    return table
