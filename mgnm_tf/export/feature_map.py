"""From features of items to their vectors, so that new items have some."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mgnm_tf.data.item_features import ItemFeatures
from mgnm_tf.errors import UserError
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.models.base import SequentialRecommender

_ARRAYS = "map.npz"
_COLUMNS = "columns.json"

_PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_FOLDS = 5


def learn_features(
    model: SequentialRecommender,
    vocabularies: Vocabularies,
    features: ItemFeatures,
) -> "FeatureMap":
    """Learns how the vectors of a model follow from features of its items.

    Args:
        model: the trained model.
        vocabularies: its raw ids, and how often each item was trained on.
        features: those of its items; others are left out.

    Raises:
        UserError: the model does not score items by vectors, or the features
            name too few of its items.
    """
    check_vectors(model)
    rows = {item: row for row, item in enumerate(vocabularies.item_ids)}
    places = np.array([k for k, one in enumerate(features.ids) if one in rows])
    known = features.rows(places.astype(np.int64))
    found = np.array([rows[one] for one in known.ids], np.int64)
    vectors = np.asarray(model.item_vectors(), np.float64)[1:]
    return FeatureMap.fit(
        known, vectors[found], vocabularies.item_counts[found]
    )


def check_vectors(model: SequentialRecommender) -> None:
    """Checks that a model scores items by vectors.

    Raises:
        UserError: it does not.
    """
    if not {"item_vectors", "score_vectors"} <= model.capabilities:
        raise UserError(
            f"{type(model).__name__} does not score items by vectors, so that "
            "features of a new item say nothing to it; leave --item-features "
            "out."
        )


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """A linear map from features of an item to its vector.

    ```
    x = (f - mean) W + offset
    ```

    f holds the numbers of an item, divided by their standard deviation, and 1
    for each class that it has. W is that of a ridge regression on the items of
    a model, each weighed by the root of its training events; the penalty is
    the one of 1, 10, 100 and 1,000 with the least error on items left out.
    Where all items of the model have length 1, so have the results.

    Args:
        numbers: column -> how many numbers it has.
        classes: column -> its classes.
        mean: float64 (F,).
        scale: float64 (F,), what f was divided by.
        weights: float64 (F, d).
        offset: float64 (d,), the mean vector.
        length: 1.0 where all items have it, else 0.0.
        penalty: the penalty that was chosen.
    """

    numbers: dict[str, int]
    classes: dict[str, list[str]]
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    length: float
    penalty: float

    @classmethod
    def fit(
        cls, features: ItemFeatures, vectors: np.ndarray, counts: np.ndarray
    ) -> "FeatureMap":
        """Learns the map from items that have both.

        Args:
            features: those of N items.
            vectors: float (N, d), their vectors.
            counts: (N,), their training events.

        Raises:
            UserError: there are fewer items than folds.
        """
        count = len(features.ids)
        if count < 2 * _FOLDS:
            raise UserError(
                f"The features name {count} items of the model; at least "
                f"{2 * _FOLDS} are needed to learn from."
            )
        numbers = {name: x.shape[1] for name, x in features.numbers.items()}
        classes = {
            name: sorted({one for row in rows for one in row})
            for name, rows in features.classes.items()
        }
        table = _table(features, numbers, classes)
        weight = np.sqrt(np.maximum(counts, 1.0))[:, None]
        total = weight.sum()
        mean = (weight * table).sum(axis=0) / total
        scale = np.ones(table.shape[1])
        width = sum(numbers.values())
        spread = table[:, :width].std(axis=0)
        scale[:width] = np.where(spread > 0, spread, 1.0)
        given = (table - mean) / scale
        vectors = np.asarray(vectors, np.float64)
        offset = (weight * vectors).sum(axis=0) / total
        wanted = vectors - offset
        fold = np.random.default_rng(0).permutation(count) % _FOLDS
        errors = dict.fromkeys(_PENALTIES, 0.0)
        for number in range(_FOLDS):
            out = fold == number
            solutions = _ridge(given[~out], wanted[~out], weight[~out])
            for penalty, solution in solutions:
                error = given[out] @ solution - wanted[out]
                errors[penalty] += float((weight[out] * error**2).sum())
        penalty = min(errors, key=errors.__getitem__)
        weights = dict(_ridge(given, wanted, weight))[penalty]
        lengths = np.linalg.norm(vectors, axis=1)
        unit = bool(np.allclose(lengths, 1.0, atol=1e-3))
        return cls(
            numbers,
            classes,
            mean,
            scale,
            weights,
            offset,
            float(unit),
            penalty,
        )

    def __call__(self, features: ItemFeatures) -> np.ndarray:
        """Returns the vectors of items, float32 (N, d).

        Classes that no item of the model has are left out.

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
        for name in self.classes:
            if name not in features.classes:
                raise UserError(
                    f"The model knows items by text in the column {name!r}. "
                    f"Received: {', '.join(features.classes) or 'none'}"
                )
        table = _table(features, self.numbers, self.classes)
        vectors = (table - self.mean) / self.scale @ self.weights + self.offset
        if self.length:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / np.maximum(lengths, 1e-12)
        return vectors.astype(np.float32)

    def describe(self) -> dict[str, Any]:
        """Returns what `export.json` says of the map."""
        return {
            "numbers": self.numbers,
            "classes": {name: len(all_) for name, all_ in self.classes.items()},
            "penalty": self.penalty,
        }

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the map into a new folder."""
        folder = Path(folder)
        folder.mkdir()
        about = {
            name: getattr(self, name)
            for name in ("numbers", "classes", "length", "penalty")
        }
        (folder / _COLUMNS).write_text(json.dumps(about), encoding="utf-8")
        np.savez(folder / _ARRAYS, **self._arrays())

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "FeatureMap":
        """Reads what `save` wrote.

        Raises:
            UserError: it cannot be read.
        """
        folder = Path(folder)
        try:
            about = json.loads((folder / _COLUMNS).read_text("utf-8"))
            with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
                return cls(**about, **dict(arrays))
        except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise UserError(f"{folder} cannot be read: {error}") from error

    def _arrays(self) -> Mapping[str, Any]:
        names = ("mean", "scale", "weights", "offset")
        return {name: getattr(self, name) for name in names}


def _table(
    features: ItemFeatures,
    numbers: Mapping[str, int],
    classes: Mapping[str, list[str]],
) -> np.ndarray:
    """Returns numbers and classes side by side, float64 (N, F)."""
    parts = [features.numbers[name] for name in numbers]
    for name, known in classes.items():
        column = {one: place for place, one in enumerate(known)}
        part = np.zeros((len(features.ids), len(known)))
        for row, found in enumerate(features.classes[name]):
            part[row, [column[one] for one in found if one in column]] = 1.0
        parts.append(part)
    return np.concatenate(parts, axis=1)


def _ridge(given, wanted, weight):
    """Returns (penalty, solution (F, d)) of each penalty."""
    square = given.T @ (weight * given)
    right = given.T @ (weight * wanted)
    values, basis = np.linalg.eigh(square)
    turned = basis.T @ right
    values = np.maximum(values, 0.0)[:, None]
    return [
        (penalty, basis @ (turned / (values + penalty)))
        for penalty in _PENALTIES
    ]
