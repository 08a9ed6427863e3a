"""From features of items to their vectors, so that new items have some."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mgnm_tf.data.feature_columns import FeatureColumns
from mgnm_tf.data.item_features import ItemFeatures
from mgnm_tf.errors import UserError
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.models.base import SequentialRecommender

_ARRAYS = "map.npz"
_ARRAY_NAMES = ("mean", "weights", "offset")
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


def check_not_trained(model: SequentialRecommender) -> None:
    """Checks that nothing was learned of features in training.

    Raises:
        UserError: it was.
    """
    if model.item_features is not None:
        raise UserError(
            "The run was trained with item features, and its export knows new "
            "items by them; leave --item-features out."
        )


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """A linear map from features of an item to its vector.

    ```
    x = (f - mean) W + offset
    ```

    f holds the numbers of an item, divided by their standard deviation, and 1
    for each class that it has. `fit` learns W after the training of a model,
    `of_model` takes what a training with features learned. Where all items of
    the model have length 1, so have the results.

    Args:
        columns: what f holds.
        mean: float64 (F,).
        weights: float64 (F, d).
        offset: float64 (d,).
        length: 1.0 where all items have it, else 0.0.
        penalty: the penalty that `fit` chose, or `None`.
    """

    columns: FeatureColumns
    mean: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    length: float
    penalty: float | None

    @classmethod
    def fit(
        cls, features: ItemFeatures, vectors: np.ndarray, counts: np.ndarray
    ) -> "FeatureMap":
        """Learns the map from items that have both.

        W is that of a ridge regression, the items weighed by the root of
        their training events; the penalty is the one of 1, 10, 100 and 1,000
        with the least error on items left out. `offset` is the mean vector.

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
        columns = FeatureColumns.of(features)
        table = columns.dense_table(features)
        weight = np.sqrt(np.maximum(counts, 1.0))[:, None]
        total = weight.sum()
        mean = (weight * table).sum(axis=0) / total
        given = table - mean
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
        return cls(columns, mean, weights, offset, float(unit), penalty)

    @classmethod
    def of_model(cls, model: SequentialRecommender) -> "FeatureMap":
        """Returns the projection of a model that was trained with features."""
        table = model.item_embedding
        projection = table.projection
        parts = [np.zeros((0, projection.output_dim))]
        if projection.num_numbers:
            parts.append(np.array(projection.kernel, np.float64))
        if projection.num_classes:
            rows = np.array(projection.class_embeddings, np.float64)
            parts.append(rows[1:])  # Row 0 is that of no class.
        weights = np.concatenate(parts)
        return cls(
            FeatureColumns.from_dict(model.item_features["columns"]),
            np.zeros(len(weights)),
            weights,
            np.zeros(weights.shape[1]),
            float(table.unit_norm),
            None,
        )

    def __call__(self, features: ItemFeatures) -> np.ndarray:
        """Returns the vectors of items, float32 (N, d).

        Classes that no item of the model has are left out.

        Raises:
            UserError: a column is missing or has another number of numbers.
        """
        table = self.columns.dense_table(features)
        vectors = (table - self.mean) @ self.weights + self.offset
        if self.length:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / np.maximum(lengths, 1e-12)
        return vectors.astype(np.float32)

    def describe(self) -> dict[str, Any]:
        """Returns what `export.json` says of the map."""
        classes = self.columns.classes
        return {
            "numbers": self.columns.numbers,
            "classes": {name: len(all_) for name, all_ in classes.items()},
            "learned": "in training" if self.penalty is None else "after it",
            "penalty": self.penalty,
        }

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the map into a new folder."""
        folder = Path(folder)
        folder.mkdir()
        about = {
            "columns": self.columns.to_dict(),
            "length": self.length,
            "penalty": self.penalty,
        }
        (folder / _COLUMNS).write_text(json.dumps(about), encoding="utf-8")
        arrays = {name: getattr(self, name) for name in _ARRAY_NAMES}
        np.savez(folder / _ARRAYS, **arrays)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "FeatureMap":
        """Reads what `save` wrote.

        Raises:
            UserError: it cannot be read.
        """
        folder = Path(folder)
        try:
            about = json.loads((folder / _COLUMNS).read_text("utf-8"))
            columns = FeatureColumns.from_dict(about.pop("columns"))
            with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
                return cls(columns, **about, **dict(arrays))
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            EOFError,
            BadZipFile,
        ) as error:
            raise UserError(f"{folder} cannot be read: {error}") from error


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
