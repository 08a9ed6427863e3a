"""Vectors of items from what is known of them besides their events."""

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.rows import take_rows
from mgnm_tf.utils.validation import check_positive_int


@register
class FeatureProjection(keras.layers.Layer):
    """Projects numbers and classes of items to vectors.

    ```
    p_i = n_i K + sum_{c in C(i)} F_c
    ```

    n_i are the numbers of item i, C(i) its classes. Both are constants of the
    data and stand in weights that do not train, `item_numbers` and
    `item_classes`; K and F are learned. There is no bias, so an item of which
    nothing is known is projected to zeros, and so is padding, item 0.

    Args:
        num_items: number of items M; ids run from 1 to M.
        output_dim: width d of the vectors.
        num_numbers: how many numbers P an item has. Defaults to `0`.
        num_classes: number of classes; ids run from 1, 0 is "none". Defaults
            to `0`.
        classes_per_item: the most classes A of an item. Defaults to `0`.
        embeddings_initializer: initializer of F. Defaults to `"uniform"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: int32, any shape.

    Returns:
        float, the shape of `items` and d behind it.

    Raises:
        ValueError: a size is out of its range, or an item has neither numbers
            nor classes.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers.embedding.feature_projection import (
    ...     FeatureProjection,
    ... )
    >>> layer = FeatureProjection(2, 4, num_classes=3, classes_per_item=2)
    >>> layer.assign(np.zeros((3, 0)), np.array([[0, 0], [1, 3], [2, 0]]))
    >>> layer(np.array([[1, 2, 0]])).shape
    TensorShape([1, 3, 4])
    """

    def __init__(
        self,
        num_items: int,
        output_dim: int,
        num_numbers: int = 0,
        num_classes: int = 0,
        classes_per_item: int = 0,
        embeddings_initializer="uniform",
        **kwargs,
    ):
        check_positive_int(num_items, "num_items")
        check_positive_int(output_dim, "output_dim")
        check_positive_int(num_numbers, "num_numbers", 0)
        check_positive_int(num_classes, "num_classes", 0)
        check_positive_int(classes_per_item, "classes_per_item", 0)
        if bool(num_classes) != bool(classes_per_item):
            raise ValueError(
                "`num_classes` and `classes_per_item` belong together. "
                f"Received: {num_classes} and {classes_per_item}"
            )
        if not num_numbers + num_classes:
            raise ValueError(
                "Items are known by numbers or by classes. Received: "
                "num_numbers=0, num_classes=0"
            )
        super().__init__(**kwargs)
        # Only the rows that are read are cast to the compute dtype.
        self.autocast = False
        self.num_items = num_items
        self.output_dim = output_dim
        self.num_numbers = num_numbers
        self.num_classes = num_classes
        self.classes_per_item = classes_per_item
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer
        )
        self.build()

    def build(self, items_shape=None):
        rows = self.num_items + 1
        if self.num_numbers:
            self.item_numbers = self.add_weight(
                name="item_numbers",
                shape=(rows, self.num_numbers),
                initializer="zeros",
                trainable=False,
            )
            self.kernel = self.add_weight(
                name="kernel", shape=(self.num_numbers, self.output_dim)
            )
        if self.num_classes:
            self.item_classes = self.add_weight(
                name="item_classes",
                shape=(rows, self.classes_per_item),
                # Not int32, which a GPU does not read on TensorFlow.
                dtype="int",
                initializer="zeros",
                trainable=False,
            )
            self.class_embeddings = self.add_weight(
                name="class_embeddings",
                shape=(self.num_classes + 1, self.output_dim),
                initializer=self.embeddings_initializer,
            )
        self.built = True

    def assign(self, numbers, classes) -> None:
        """Sets what is known of each item.

        Args:
            numbers: float (M + 1, P); row 0, that of padding, is zero.
            classes: integers (M + 1, A), 0 for "none"; row 0 is zero.

        Raises:
            ValueError: an array has another shape, row 0 is not zero, or an
                entry is no class.
        """
        numbers = ops.convert_to_numpy(numbers)
        classes = ops.convert_to_numpy(classes)
        for name, found, width in (
            ("numbers", numbers, self.num_numbers),
            ("classes", classes, self.classes_per_item),
        ):
            expected = (self.num_items + 1, width)
            if found.shape != expected:
                raise ValueError(
                    f"`{name}` must have the shape {expected}. Received: "
                    f"shape={found.shape}"
                )
            if found[0].any():
                raise ValueError(
                    f"Row 0 of `{name}` is that of padding and must be zero. "
                    f"Received: {found[0]}"
                )
        wrong = classes[(classes < 0) | (classes > self.num_classes)]
        if len(wrong):
            raise ValueError(
                f"`classes` must hold ids from 0 to {self.num_classes}. "
                f"Received: {wrong[0]}"
            )
        if self.num_numbers:
            self.item_numbers.assign(numbers)
        if self.num_classes:
            self.item_classes.assign(classes)

    def call(self, items):
        parts = []
        if self.num_numbers:
            numbers = take_rows(self.item_numbers, items)
            parts.append(ops.matmul(numbers, self.kernel))
        if self.num_classes:
            classes = take_rows(self.item_classes, items)
            rows = take_rows(self.class_embeddings, classes)
            rows = zero_invalid(rows, valid_positions(classes))
            parts.append(ops.sum(rows, axis=-2))
        return ops.cast(sum(parts), self.compute_dtype)

    def compute_output_shape(self, items_shape):
        return (*items_shape, self.output_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "output_dim": self.output_dim,
            "num_numbers": self.num_numbers,
            "num_classes": self.num_classes,
            "classes_per_item": self.classes_per_item,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
        }
