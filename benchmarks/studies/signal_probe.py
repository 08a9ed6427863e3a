"""What reaches each stage of MGNM, forwards and backwards."""

from typing import Any

import numpy as np
import tensorflow as tf

from mgnm_tf.losses import SampledSoftmax
from mgnm_tf.metrics import hit_at_k
from mgnm_tf.metrics import positive_ranks
from mgnm_tf.models.mgnm import MGNM
from mgnm_tf.utils.masking import LOWEST
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.unit_vectors import unit_vectors

TINY = 1e-12


class SignalProbe:
    """Measures a model on one batch that it does not train on.

    Everything is measured as at inference; gradients, and what is named
    `training_...`, with the noise and the dropout of training. A figure is a
    number, or a list with one number for each level. Means are over the
    histories of the batch.

    - `items`: length of the items of the level;
    - `capsule_before`, `capsule`, `interest`: length of `v`, of `o` (equation
      8) and of `q` (equation 11), before any temperature;
    - `zeros`: share of the numbers of the interests that are exactly 0;
    - `logit_std`, `logit_range`: over the candidates of a history;
    - `entropy`, `training_entropy`: of the last coupling, 1 where it is
      uniform; histories of at least two items;
    - `cosine_between`: of two interests of a history;
    - `cosine_users`: of the same interest of two histories; 1 where all users
      get the same list;
    - `cosine_to_items`: of an interest and the mean of the history;
    - `wins`, `positive_wins`: share of the candidates, of the positives, for
      which the level has the highest score;
    - `level_hit`, `hit`: HIT@5 of the level alone and of the pooled scores;
    - `pooled_std`, `loss`: of the pooled scores, whatever the model's loss;
    - `gradient_interests`: norm of the gradient of a history's own loss;
    - `gradient_...`: norms of the gradients of the batch's mean loss: item
      table through the histories and through the candidates, capsule
      projections, `W'`, graph matrix, sequence encoder. `None` where the
      model has no such weights.

    Args:
        model: an MGNM with capsules, `encoded_iterations="remaining"` and
            `level_supervision`.
        features: a batch with one candidate, the positive, and
            `shared_negatives`.
        labels: its labels.
    """

    def __init__(self, model: MGNM, features: dict, labels: Any):
        self.model = model
        self.features = {key: tf.constant(x) for key, x in features.items()}
        self.labels = tf.constant(labels)
        self.mask = valid_positions(self.features["history"])
        self._compiled = tf.function(
            lambda: {**self.forward(), **self.backward()}
        )

    def measure(self) -> dict[str, Any]:
        """Returns the figures as numbers and lists, 4 digits of each."""
        found = {
            key: _rounded(x.numpy()) for key, x in self._compiled().items()
        }
        return {**found, **dict.fromkeys(self._absent())}

    def forward(self) -> dict[str, tf.Tensor]:
        """Returns the figures of inference."""
        items, levels = self.levels(False)
        interests, coupling, _ = self.model.extractor(levels, self.mask)
        capsule_before, capsule = self.capsules(levels, coupling)
        scores, _ = self.scores(interests)
        pooled = self.model.pool_levels(scores)
        counts = self.labels >= 0
        summary = unit_vectors(tf.reduce_sum(items, axis=1))
        directions = unit_vectors(interests)
        return {
            "items": _mean(_norm(levels), self.mask[:, None]),
            "capsule_before": _mean(_norm(capsule_before)),
            "capsule": _mean(_norm(capsule)),
            "interest": _mean(_norm(interests)),
            "zeros": _mean(tf.cast(interests == 0.0, "float32")),
            **_spread(scores, counts[:, None]),
            "pooled_std": _spread(pooled, counts)["logit_std"],
            "entropy": self.entropy(coupling),
            "cosine_between": _mean_of_pairs(directions, 2),
            "cosine_users": _mean_of_pairs(directions, 0),
            "cosine_to_items": _mean(
                tf.einsum("blkd,bd->blk", directions, summary)
            ),
            "wins": _wins(scores, counts),
            "positive_wins": _wins(scores, self.labels > 0),
            "level_hit": tf.stack(
                [self.hit(level) for level in tf.unstack(scores, axis=1)]
            ),
            "hit": self.hit(pooled),
            "loss": SampledSoftmax()(self.labels, pooled),
        }

    def backward(self) -> dict[str, tf.Tensor]:
        """Returns the figures of training."""
        model = self.model
        table = model.item_embedding.embeddings.value
        with tf.GradientTape(persistent=True) as tape:
            items, levels = self.levels(True)
            interests, coupling, _ = model.extractor(
                levels, self.mask, training=True
            )
            scores, vectors = self.scores(interests)
            loss = SampledSoftmax()(self.labels, scores)
        groups = {
            name: [weight.value for weight in weights]
            for name, weights in self._weights().items()
            if weights
        }
        history, shown, reached, groups = tape.gradient(
            loss, (items, vectors, interests, groups)
        )
        return {
            "training_entropy": self.entropy(coupling),
            "gradient_interests": len(self.labels)
            * _mean(_norm(reached, axis=(2, 3))),
            "gradient_table_histories": _global_norm(
                [tape.gradient(items, table, output_gradients=history)]
            ),
            "gradient_table_candidates": _global_norm(
                [tape.gradient(vectors, table, output_gradients=shown)]
            ),
            **{name: _global_norm(found) for name, found in groups.items()},
        }

    # === The stages of the model, one by one ===

    def levels(self, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns items (B, m, d) and levels (B, L + 1, m, d)."""
        model = self.model
        items = model.item_embedding(self.features["history"])
        levels = tf.expand_dims(items, 1)
        if model.num_layers:
            users = None
            if model.user_embedding is not None:
                users = model.user_embedding(
                    self.features["user"], training=training
                )
            adjacency = model.adjacency(items, users, valid_mask=self.mask)
            levels = model.propagation(items, adjacency, valid_mask=self.mask)
        return items, model.history_dropout(levels, training=training)

    def capsules(self, levels, coupling) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `v` and `o` of the last iteration, (B, L + 1, K, d)."""
        extractor = self.model.extractor
        count = levels.shape[1]
        folded = tf.reshape(levels, (-1, *levels.shape[2:]))
        mask = tf.repeat(self.mask, count, axis=0)
        terms = [extractor._first_term(folded)]
        if extractor.encoder is not None and extractor.routing_iterations > 1:
            terms.append(extractor._context(terms, mask))
        coupling = tf.reshape(coupling, (-1, *coupling.shape[2:]))
        before = sum(term.combine(coupling) for term in terms)
        after = extractor.squash_layer(before) if extractor.squash else before
        shape = (-1, count, *before.shape[1:])
        return tf.reshape(before, shape), tf.reshape(after, shape)

    def scores(self, interests) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores (B, L + 1, C) and the candidates' vectors."""
        model, features = self.model, self.features
        count = tf.shape(features["candidates"])[0]
        items = tf.concat(
            [features["candidates"][:, 0], features["shared_negatives"]], 0
        )
        vectors = model.item_embedding(items)
        encoded = {"interests": model.scale(interests), "valid": None}
        parts = (vectors[:count, None], vectors[count:])
        scores = [model._attend(encoded, part) for part in parts]
        return tf.concat(scores, axis=-1), vectors

    def entropy(self, coupling) -> tf.Tensor:
        """Returns the entropy of couplings over that of uniform ones."""
        events = tf.reduce_sum(tf.cast(self.mask, "float32"), axis=1)
        bits = -tf.reduce_sum(coupling * tf.math.log(coupling + TINY), axis=-1)
        highest = tf.math.log(tf.maximum(events, 2.0))[:, None, None]
        return _mean(bits / highest, (events > 1)[:, None, None])

    def hit(self, scores) -> tf.Tensor:
        """Returns HIT@5 among the candidates of the batch."""
        ranks, _ = positive_ranks(self.labels, scores)
        return tf.reduce_mean(hit_at_k(ranks, 5))

    def _weights(self) -> dict[str, list]:
        extractor, encoder = self.model.extractor, self.model.extractor.encoder
        groups = {
            "gradient_projections": [extractor.kernel],
            "gradient_output_projections": [extractor.output_kernel],
            "gradient_graph": [self.model.propagation.kernel],
            "gradient_encoder": encoder.trainable_weights if encoder else [],
        }
        return {
            name: [weight for weight in weights if weight is not None]
            for name, weights in groups.items()
        }

    def _absent(self) -> list[str]:
        return [name for name, found in self._weights().items() if not found]


def _norm(values, axis=-1):
    return tf.sqrt(tf.reduce_sum(tf.square(values), axis=axis))


def _mean(values, mask=None):
    """Means of (B, L + 1, ...) over all but the levels, where `mask` says."""
    axes = [0, *range(2, len(values.shape))]
    if mask is None:
        return tf.reduce_mean(values, axis=axes)
    weights = tf.cast(tf.broadcast_to(mask, tf.shape(values)), "float32")
    return tf.reduce_sum(values * weights, axes) / tf.reduce_sum(weights, axes)


def _spread(scores, counts):
    """Standard deviation and range over the candidates that count."""
    weights = tf.cast(tf.broadcast_to(counts, tf.shape(scores)), "float32")
    total = tf.reduce_sum(weights, -1, keepdims=True)
    mean = tf.reduce_sum(weights * scores, -1, keepdims=True) / total
    variance = tf.reduce_sum(weights * tf.square(scores - mean), -1)
    highest = tf.reduce_max(tf.where(weights > 0, scores, LOWEST), -1)
    lowest = tf.reduce_min(tf.where(weights > 0, scores, -LOWEST), -1)
    return {
        "logit_std": tf.reduce_mean(tf.sqrt(variance / total[..., 0]), 0),
        "logit_range": tf.reduce_mean(highest - lowest, 0),
    }


def _mean_of_pairs(directions, axis):
    """Mean cosine of different unit vectors (B, L + 1, K, d) along an axis."""
    count = directions.shape[axis]
    total = tf.reduce_sum(directions, axis, keepdims=True)
    own = tf.reduce_sum(tf.square(directions), axis, keepdims=True)
    products = tf.reduce_sum(tf.square(total) - own, axis=-1)
    return _mean(products) / max(count * (count - 1), 1)


def _wins(scores, counts):
    """Share of the candidates that count which each level wins."""
    winners = tf.one_hot(tf.argmax(scores, axis=1), scores.shape[1])
    return tf.reduce_mean(winners[counts], axis=0)


def _global_norm(gradients):
    """The norm of gradients; the slices of a row are summed first."""
    return tf.linalg.global_norm(
        [tf.convert_to_tensor(gradient) for gradient in gradients]
    )


def _rounded(values: np.ndarray):
    """Four digits, as numbers or lists of Python."""
    numbers = [float(f"{value:.4g}") for value in np.atleast_1d(values)]
    return numbers if np.ndim(values) else numbers[0]
