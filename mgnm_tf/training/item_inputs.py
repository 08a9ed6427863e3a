"""Features of items as a part of the model that is trained."""

import logging
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.feature_columns import FeatureColumns
from mgnm_tf.data.feature_columns import class_table
from mgnm_tf.data.feature_columns import room_for_classes
from mgnm_tf.data.item_features import ItemFeatures
from mgnm_tf.data.item_features import read_item_features
from mgnm_tf.errors import UserError
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.run import Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ItemInputs:
    """What is known of the M items of the data, row 0 being padding.

    Args:
        columns: what the numbers and classes are.
        numbers: float64 (M + 1, P).
        classes: int32 (M + 1, A), see `class_table`.
    """

    columns: FeatureColumns
    numbers: np.ndarray
    classes: np.ndarray

    def options(self, id_dropout: float) -> dict[str, Any]:
        """Returns the constructor arguments of a model that takes them."""
        sizes = {
            "num_numbers": self.columns.num_numbers,
            "num_classes": self.columns.num_classes,
            "classes_per_item": self.classes.shape[1],
            "id_dropout": id_dropout,
        }
        return {"item_features": {**sizes, "columns": self.columns.to_dict()}}

    def give(self, model: SequentialRecommender, name: str) -> None:
        """Sets the tables of a model that was made with `options`.

        Args:
            model: the model.
            name: what it is called in messages.

        Raises:
            UserError: it does not score items by the rows of an item table.
        """
        if not model.scores_by_item_table():
            raise UserError(
                f"{name} does not score items by the rows of one item table, "
                "so that features of an item say nothing to it; leave "
                "item_features out."
            )
        table = model.item_embedding
        table.projection.assign(self.numbers, self.classes)


def read_item_inputs(
    config: TrainConfig, data: SequenceDataset
) -> ItemInputs | None:
    """Reads the features that a run is trained with, if there are any.

    Numbers are standardised over the items of the data that the file names;
    the other items of the data are known by their ids alone. A run that goes
    on from another one reads the columns as that one did: it standardises
    with the same numbers, and leaves out classes that it did not know.

    Args:
        config: the configuration of the run; its `item_features` and
            `continue_from` count.
        data: the data set.

    Raises:
        DataError: the file cannot be used, see `read_item_features`.
        UserError: it names no item of the data, or lacks a column of the run
            that this one goes on from, or that run is not there.
    """
    if not config.item_features:
        return None
    features = read_item_features(config.item_features)
    rows = pd.Index(np.asarray(data.item_ids, object)).get_indexer(features.ids)
    known = features.rows(np.flatnonzero(rows >= 0))
    rows = rows[rows >= 0] + 1
    if not len(rows):
        raise UserError(
            f"{config.item_features} names none of the {data.num_items:,} "
            "items of the data; its ids are to be those of the log."
        )
    if missing := data.num_items - len(rows):
        logger.warning(
            "%s of %s items have no features; they are known by their ids "
            "alone.",
            f"{missing:,}",
            f"{data.num_items:,}",
        )
    columns = _columns_of(config, known)
    numbers = np.zeros((data.num_items + 1, columns.num_numbers))
    numbers[rows] = columns.number_table(known)
    width = columns.most_classes or 0
    classes = np.zeros((data.num_items + 1, width), np.int32)
    classes[rows] = class_table(columns.class_ids(known), width)
    return ItemInputs(columns, numbers, classes)


def _columns_of(config: TrainConfig, known: ItemFeatures) -> FeatureColumns:
    """Returns how features are read: as by the run that is gone on from."""
    if config.continue_from:
        earlier = Run(config.continue_from).load_model()
        return FeatureColumns.from_dict(earlier.item_features["columns"])
    columns = FeatureColumns.of(known)
    counts = np.array([len(some) for some in columns.class_ids(known)])
    width = max(room_for_classes(counts), min(1, columns.num_classes))
    if more := int((counts > width).sum()):
        logger.info(
            "%s items have more than %s classes, of which the first %s count.",
            f"{more:,}",
            width,
            width,
        )
    return replace(columns, most_classes=width)
