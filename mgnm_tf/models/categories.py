"""The base of models that can tell items by their category, too."""

from keras import ops

from mgnm_tf.models.base import SequentialRecommender


class CategoryRecommender(SequentialRecommender):
    """Looks items up in a table, or in one of items and one of categories.

    A subclass finds `item_embedding` made; its `output_dim` is the width of
    an item.

    Args:
        num_users: see `SequentialRecommender`.
        num_items: see `SequentialRecommender`.
        embedding_dim: width d of the item vectors. Defaults to `16`.
        num_categories: number of categories of the data. Defaults to `0`.
        category_dim: width of the category vectors; 0 leaves categories out.
            Defaults to `0`.
        embeddings_initializer: initializer of both tables. Defaults to
            `"uniform"`.
        **kwargs: arguments of `keras.Model`.

    Raises:
        ValueError: a size is out of its range, or `category_dim` is given
            for data without categories.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 16,
        num_categories: int = 0,
        category_dim: int = 0,
        embeddings_initializer="uniform",
        **kwargs,
    ):
        super().__init__(num_users, num_items, **kwargs)
        self.embedding_dim = embedding_dim
        self.num_categories = num_categories
        self.category_dim = category_dim
        self.item_embedding = self.make_item_embedding(
            embedding_dim,
            num_categories,
            category_dim,
            embeddings_initializer=embeddings_initializer,
        )

    options_of_the_data = ("num_categories",)

    @classmethod
    def data_arguments(cls, data):
        return {
            **super().data_arguments(data),
            "num_categories": data.num_categories,
        }

    @property
    def required_tables(self):
        return ("item_categories",) if self.category_dim else ()

    def load_tables(self, tables):
        self.item_embedding.assign_categories(tables["item_categories"])

    def has_tables(self):
        if not self.category_dim:
            return True
        return bool(ops.any(self.item_embedding.item_categories > 0))

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_categories": self.num_categories,
            "category_dim": self.category_dim,
        }
