"""What not every model can do."""

from mgnm_tf.types import Features
from mgnm_tf.types import Tensor

CAPABILITIES = {
    "interests": "interests",
    "item_vectors": "item_vectors",
    "score_vectors": "score_vectors",
    "attention": "history_attention",
    "levels": "pool_levels",
    "interest_distribution": "interest_distribution",
    "positions": "position_vectors",
}
"""What not every model can do, and the method that does it."""


class Capabilities:
    """The methods that a `SequentialRecommender` may have or not.

    A model that has one writes it; here they say that it is missing.
    """

    @property
    def capabilities(self) -> frozenset[str]:
        """The keys of `CAPABILITIES` that the model has.

        Code asks here before it calls one of those methods. A model has what
        it writes; one whose options take something away says so:
        `return super().capabilities - {"attention"}`.
        """
        return frozenset(
            name
            for name, method in CAPABILITIES.items()
            if getattr(type(self), method) is not getattr(Capabilities, method)
        )

    def interests(self, features: Features) -> Tensor:
        """Returns the (B, n, d) interest vectors of the histories.

        Only for models with the capability "interests": their scores are
        made of inner products of interests and `item_vectors()`.
        """
        raise AttributeError(f"{type(self).__name__} has no interest vectors.")

    def history_attention(self, features: Features) -> Tensor:
        """Returns how much each history item feeds each interest.

        Only for models with the capability "attention", which have several
        interests.

        Returns:
            (B, n, m) float32, interests in the order of `interests`, or, from
            a model that mixes them, of `mixed_interests`. Rows sum to 1;
            padding has 0, and so has an empty history.
        """
        raise AttributeError(f"{type(self).__name__} has no history attention.")

    def interest_labels(self) -> list[tuple[int, int]]:
        """Returns level and number of each of the n interests, in order.

        Only for models with the capability "attention". Levels run from 0 to
        L, and are 0 where a model has none; the interests of a level run from
        1 to K.
        """
        raise AttributeError(f"{type(self).__name__} has no interest labels.")

    def interest_distribution(self, features: Features) -> Tensor:
        """Returns how much each interest is expected to be the next one.

        Only for models with the capability "interest_distribution", which
        predict it and score by the interests that it mixes.

        Returns:
            (B, K) float32; rows sum to 1.
        """
        raise AttributeError(
            f"{type(self).__name__} has no interest distribution."
        )

    def mixed_interests(self, features: Features) -> Tensor:
        """Returns the (B, K, d) vectors that `interest_distribution` mixes.

        Only for models with the capability "interest_distribution"; their
        sum with these weights is the one vector of `interests`.
        """
        raise AttributeError(f"{type(self).__name__} mixes no interests.")

    def item_vectors(self) -> Tensor:
        """Returns the (M + 1, d) vectors of the items; row 0 is padding.

        Only for models with the capability "item_vectors".
        """
        raise AttributeError(f"{type(self).__name__} has no item vectors.")

    def score_vectors(self, encoded, vectors: Tensor) -> Tensor:
        """Scores items that are given by their vectors.

        Only for models with the capability "score_vectors": they score an
        item by its row of `item_vectors()` alone. What serves a model scores
        a large catalogue by it, and items that were not there in training.

        Args:
            encoded: the result of `encode` for B histories.
            vectors: (C, d), rows like those of `item_vectors()`; or (B, C,
                d), other items for each history.

        Returns:
            (B, C), what `score` returns for the items of these rows.
        """
        raise AttributeError(
            f"{type(self).__name__} does not score by item vectors."
        )

    @property
    def scores_within_products(self) -> bool:
        """Whether no score is above all inner products of its interests.

        That is so of the product with one interest, of the largest one, and
        of any mean of them. Then what serves the model leaves out, unseen,
        items whose products are all too small. Only for models with the
        capabilities "interests" and "score_vectors". `False` where a model
        does not say so.
        """
        return False

    def pool_levels(self, scores: Tensor) -> Tensor:
        """Turns (B, levels, C) training scores into final scores (B, C).

        Only for models with the capability "levels".
        """
        raise AttributeError(f"{type(self).__name__} has no levels.")

    def position_vectors(
        self, features: Features, training: bool = False
    ) -> Tensor:
        """Returns the user vectors after each event of the histories.

        Only for models with the capability "positions", for which a vector
        depends on no later event. `encode` then takes batches that hold
        `positions`, see `mgnm_tf.make_dataset`.

        Args:
            features: a batch; `candidates` may be missing.
            training: whether the step trains.

        Returns:
            (B, m, d); what stands on padding means nothing.
        """
        raise AttributeError(
            f"{type(self).__name__} reads a history as a whole."
        )
