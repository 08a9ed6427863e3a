"""Training with the softmax over all items, without their scores in a batch."""

import keras
from keras import ops

from mgnm_tf.losses import CatalogueSoftmax
from mgnm_tf.types import Features
from mgnm_tf.types import Tensor
from mgnm_tf.utils.catalogue_softmax import catalogue_log_probability


class OverCatalogue(keras.Model):
    """What `SequentialRecommender` does where the loss is `CatalogueSoftmax`.

    A model whose scores are inner products of one vector of a history with
    one vector of each item writes `query_vectors`. In training it then
    returns, for batches whose `candidates` hold the positive alone, the
    logarithm of the softmax of the positive over all items, and no metric but
    the loss is computed: ranks among all items would cost as much again.
    """

    @property
    def trains_over_catalogue(self) -> bool:
        """Whether the model learns the exact softmax from positives alone.

        So do models that write `query_vectors`; one whose options take that
        away says so.
        """
        writes = type(self).query_vectors is not OverCatalogue.query_vectors
        return writes and not self.normalizes_scores

    def query_vectors(self, encoded) -> Tensor:
        """Returns the vectors whose inner products with items are the scores.

        Only for models with one vector for each history, at least in
        training; see `trains_over_catalogue`.

        Args:
            encoded: the result of `encode` and `guide` for B histories.

        Returns:
            (B, d); the scores are those with `scored_vectors()`.
        """
        raise AttributeError(
            f"{type(self).__name__} scores by more than one vector."
        )

    def scored_vectors(self, training: bool = False) -> Tensor:
        """Returns the (M + 1, d) vectors of the items as they are scored.

        Args:
            training: whether the step trains, in which case a model may drop
                some of their numbers out. By default they are those of
                `item_vectors()`.
        """
        if training and self.item_features is not None:
            return self.item_embedding.vectors(training=True)
        return self.item_vectors()

    def _knows_positives_alone(self, candidates, features: Features) -> bool:
        """Whether a training step has to reckon with all items by itself."""
        return (
            isinstance(getattr(self, "loss", None), CatalogueSoftmax)
            and candidates.shape[1] == 1
            and "shared_negatives" not in features
        )

    def _log_probability(self, encoded, positives: Tensor) -> Tensor:
        """Returns log softmax (B, 1) of `positives` (B,) over all items."""
        if not self.trains_over_catalogue:
            raise ValueError(
                f"{type(self).__name__} needs the items as negatives for the "
                "softmax over all of them: make its batches with "
                "negatives='all'."
            )
        logarithm = catalogue_log_probability(
            self.query_vectors(encoded),
            self.scored_vectors(training=True),
            positives,
        )
        return ops.expand_dims(logarithm, 1)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        found = super().compute_metrics(x, y, y_pred, sample_weight)
        if isinstance(self.loss, CatalogueSoftmax) and y_pred.shape[-1] == 1:
            # The others saw no negative and count nothing.
            return {"loss": found["loss"]}
        return found
