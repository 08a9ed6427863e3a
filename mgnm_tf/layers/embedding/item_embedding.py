"""Item vectors, with or without the category of the item."""

from collections.abc import Mapping

import keras
from keras import ops

from mgnm_tf.layers.embedding.feature_projection import FeatureProjection
from mgnm_tf.layers.embedding.max_row_norm import MaxRowNorm
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid
from mgnm_tf.utils.rows import take_rows
from mgnm_tf.utils.unit_vectors import unit_vectors
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class ItemEmbedding(keras.layers.Layer):
    """Looks items up; with categories, item and category stand side by side.

    ```
    x_i = [E_i ; F_c(i)]        c(i): the category of item i
    ```

    The category of each item is a constant of the data and stands in the
    weight `item_categories`, so that any item can be scored by its id alone.
    Item 0 is padding: zeros, and no gradient.

    With `features` more is known of items than their ids, and E_i becomes

    ```
    m_i E_i + p_i        p_i: what `FeatureProjection` makes of item i
    ```

    m_i is 1, but 0 for the share `id_dropout` of the items that a training
    step looks up: those are known by their features alone, as an item without
    a training event will be (as DropoutNet does). Each look-up draws anew; an
    item without features keeps its row.

    Args:
        num_items: number of items M; ids run from 1 to M.
        embedding_dim: width d of E.
        num_categories: number of categories; ids run from 1, 0 is "none"
            and has a vector of its own. Defaults to `0`.
        category_dim: width of F; 0 leaves categories out. Defaults to `0`.
        embeddings_initializer: initializer of both tables. Defaults to
            `"uniform"`.
        unit_norm: whether each item's vector is divided by its length.
            Defaults to `False`.
        max_norm: the longest that a row of either table may be: longer rows
            are shortened to it when the layer is made and after each step of
            the optimizer. Defaults to `None`, any length.
        features: sizes of the features, by their names in
            `FeatureProjection`: `num_numbers`, `num_classes` and
            `classes_per_item`. Defaults to `None`, no features.
        id_dropout: share of the items whose own row training leaves out.
            Defaults to `0.0`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: int32, any shape.
        training: `False` says that nothing will be trained: where more items
            are asked for than the table has rows, the rows are then divided
            and masked once, and copied; the same within rounding. `True`
            alone leaves rows out.

    Returns:
        float, the shape of `items` and `output_dim` behind it.

    Raises:
        ValueError: a size or `max_norm` is out of its range, or
            `category_dim` is given for data without categories, or
            `id_dropout` for items without features.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import ItemEmbedding
    >>> layer = ItemEmbedding(3, 4, num_categories=2, category_dim=2)
    >>> layer.assign_categories(np.array([0, 1, 2, 1]))
    >>> layer(np.array([[1, 3], [2, 0]])).shape
    TensorShape([2, 2, 6])

    Reference:
        Volkovs et al., "DropoutNet: Addressing Cold Start in Recommender
        Systems", NeurIPS 2017, for `id_dropout`.
    """

    def __init__(
        self,
        num_items: int,
        embedding_dim: int,
        num_categories: int = 0,
        category_dim: int = 0,
        embeddings_initializer="uniform",
        unit_norm: bool = False,
        max_norm: float | None = None,
        features: Mapping[str, int] | None = None,
        id_dropout: float = 0.0,
        **kwargs,
    ):
        check_positive_int(num_items, "num_items")
        check_positive_int(embedding_dim, "embedding_dim")
        check_positive_int(num_categories, "num_categories", 0)
        check_positive_int(category_dim, "category_dim", 0)
        if category_dim and not num_categories:
            raise ValueError(
                "`category_dim` needs items with categories. Received: "
                f"category_dim={category_dim}, num_categories=0"
            )
        if max_norm is not None:
            max_norm = check_range(max_norm, "max_norm", 1e-6)
        check_range(id_dropout, "id_dropout", 0.0, 1.0)
        if id_dropout and features is None:
            raise ValueError(
                "`id_dropout` needs items with features. Received: "
                f"id_dropout={id_dropout}, features=None"
            )
        super().__init__(**kwargs)
        # Only the rows that are read are cast to the compute dtype.
        self.autocast = False
        self.num_items = num_items
        self.embedding_dim = embedding_dim
        self.num_categories = num_categories
        self.category_dim = category_dim
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer
        )
        self.unit_norm = unit_norm
        self.max_norm = max_norm
        self.features = None if features is None else dict(features)
        self.id_dropout = id_dropout
        self.seed_generator = None
        if id_dropout:
            self.seed_generator = keras.random.SeedGenerator()
        self.output_dim = embedding_dim + category_dim
        self.build()

    def build(self, items_shape=None):
        initializer = self.embeddings_initializer
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.num_items + 1, self.embedding_dim),
            initializer=initializer,
            constraint=self._constraint(),
        )
        if self.category_dim:
            self.category_embeddings = self.add_weight(
                name="category_embeddings",
                shape=(self.num_categories + 1, self.category_dim),
                # Keras asks for an initializer of its own for each weight.
                initializer=initializer.clone(),
                constraint=self._constraint(),
            )
            self.item_categories = self.add_weight(
                name="item_categories",
                shape=(self.num_items + 1,),
                # Not int32, which a GPU does not read on TensorFlow.
                dtype="int",
                initializer="zeros",
                trainable=False,
            )
        self.projection = None
        if self.features is not None:
            self.projection = FeatureProjection(
                self.num_items,
                self.embedding_dim,
                **self.features,
                embeddings_initializer=initializer.clone(),
                name="projection",
                dtype=self.dtype_policy,
            )
        for table in self.trainable_weights:
            if table.constraint is not None:
                table.assign(table.constraint(table))
        self.built = True

    def _constraint(self):
        return None if self.max_norm is None else MaxRowNorm(self.max_norm)

    def assign_categories(self, item_categories) -> None:
        """Sets the category of each item.

        Args:
            item_categories: integers, (M + 1,), 0 for "none"; entry 0 is
                that of padding.

        Raises:
            ValueError: the layer has no categories, or the array has
                another shape, or an entry is no category.
        """
        if not self.category_dim:
            raise ValueError("The layer was made without categories.")
        values = ops.convert_to_numpy(item_categories)
        if values.shape != (self.num_items + 1,):
            raise ValueError(
                f"`item_categories` must have the shape "
                f"({self.num_items + 1},). Received: shape={values.shape}"
            )
        wrong = (values < 0) | (values > self.num_categories)
        (wrong,) = wrong.nonzero()
        if len(wrong):
            raise ValueError(
                "`item_categories` must hold ids from 0 to "
                f"{self.num_categories}. Received: {values[wrong[0]]} for "
                f"item {wrong[0]}"
            )
        self.item_categories.assign(values)

    def call(self, items, training=None):
        if training is None or training:  # Gradients of the rows alone.
            return self._look_up(items, training)
        size = ops.size(items)
        if isinstance(size, int):
            many = size > self.num_items
            return self._copy_rows(items) if many else self._look_up(items)
        return ops.cond(
            size > self.num_items,
            lambda: self._copy_rows(items),
            lambda: self._look_up(items),
        )

    def _copy_rows(self, items):
        return ops.take(self.vectors(), items, axis=0)

    def _look_up(self, items, training=False):
        return self._finished(self.rows(items, training), items)

    def rows(self, items, training=False):
        """Returns vectors before they are divided by their lengths.

        Args:
            items: int32, any shape; what stands for padding means nothing.
            training: whether the step trains.
        """
        vectors = take_rows(self.embeddings, items)
        vectors = self._with_features(vectors, items, training)
        if self.category_dim:
            categories = ops.take(self.item_categories, items, axis=0)
            of_category = take_rows(self.category_embeddings, categories)
            vectors = ops.concatenate([vectors, of_category], axis=-1)
        return vectors

    def _with_features(self, vectors, items, training):
        """Adds what the features say to rows of E, or takes it instead."""
        if self.projection is None:
            return vectors
        projected = self.projection(items)
        if training and self.id_dropout:
            shape = ops.shape(items)
            drawn = keras.random.uniform(shape, seed=self.seed_generator)
            known = ops.any(ops.not_equal(projected, 0), axis=-1)
            dropped = ops.logical_and(drawn < self.id_dropout, known)
            vectors = zero_invalid(vectors, ops.logical_not(dropped))
        return vectors + ops.cast(projected, vectors.dtype)

    def _finished(self, vectors, items):
        """Returns rows as they are used: of length 1, padding zero."""
        if self.unit_norm:
            vectors = unit_vectors(vectors)
        vectors = ops.cast(vectors, self.compute_dtype)
        return zero_invalid(vectors, valid_positions(items))

    def vectors(self, training=False):
        """Returns the vectors of all items, (M + 1, `output_dim`).

        Args:
            training: whether the step trains.
        """
        items = ops.arange(self.num_items + 1)
        # Read whole, not row by row: its gradient is then a whole table, too.
        vectors = ops.convert_to_tensor(self.embeddings)
        vectors = self._with_features(vectors, items, training)
        if self.category_dim:
            of_category = take_rows(
                self.category_embeddings,
                ops.convert_to_tensor(self.item_categories),
            )
            vectors = ops.concatenate([vectors, of_category], axis=-1)
        return self._finished(vectors, items)

    def compute_output_shape(self, items_shape):
        return (*items_shape, self.output_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "embedding_dim": self.embedding_dim,
            "num_categories": self.num_categories,
            "category_dim": self.category_dim,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
            "unit_norm": self.unit_norm,
            "max_norm": self.max_norm,
            "features": self.features,
            "id_dropout": self.id_dropout,
        }
