"""One batch from flat arrays, with TensorFlow operations only."""

import numpy as np
import tensorflow as tf

from mgnm_tf.data.batches.batch_plan import BatchPlan
from mgnm_tf.data.batches.mapped_tensor import tensor_of
from mgnm_tf.data.batches.negatives import NegativeSampler
from mgnm_tf.data.batches.negatives import hash_words
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.parts import PARTS
from mgnm_tf.data.reading.times import whole_seconds

EVALUATION = -1
"""The epoch of validation and test; training epochs count from 0."""

# Third words of hashes that belong to a batch, where a sample's own hash has
# its position.
_ORDER, _SHARED = -2, -3


def _user_items(
    data: SequenceDataset, part: str
) -> tuple[np.ndarray, np.ndarray]:
    """Collects the distinct items of each sequence up to a part, ascending.

    Returns:
        int32 items of all sequences, and int64 (S + 2,) offsets into them.
    """
    kept = np.asarray(data.parts) <= PARTS.index(part)
    size = data.num_items + 1
    pairs = np.asarray(data.sequences, np.int64)[kept] * size
    pairs = np.unique(pairs + np.asarray(data.items)[kept])
    counts = np.bincount(pairs // size, minlength=data.num_sequences + 1)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return (pairs % size).astype(np.int32), offsets


class BatchBuilder:
    """Builds batch number b of an epoch; arguments as in `make_dataset`.

    Args:
        data: the split data.
        part: the part of the targets; that of "train" is shuffled.
        plan: the targets and their buckets.
        batch_size: number of samples of a batch.
        max_length: the longest visible history.
        negatives: negatives of each sample.
        shared: negatives of each batch.
        everything: whether all items are negatives of each batch instead.
        weights: sampling weights (M + 1,), or `None` for uniform ones.
        logq_correction: whether to add `log_sampling_probability`.
        exclude: what negatives avoid.
        features: further keys.
        seed: seed of order and negatives.
        share: which of how many shares of each batch, or `None` for all.
        every_position: whether each event of a history has its own target.
    """

    def __init__(
        self,
        data: SequenceDataset,
        part: str,
        plan: BatchPlan,
        batch_size: int,
        max_length: int,
        negatives: int,
        shared: int,
        everything: bool,
        weights: np.ndarray | None,
        logq_correction: bool,
        exclude: str,
        features: tuple[str, ...],
        seed: int,
        share: tuple[int, int] | None = None,
        every_position: bool = False,
    ):
        self.num_batches = plan.num_batches(batch_size)
        self.num_users = data.num_users
        self.batch_size = batch_size
        self.max_length = max_length
        self.negatives = negatives
        self.shared = shared
        self.everything = everything
        self.num_items = data.num_items
        self.logq_correction = logq_correction
        self.exclude = exclude
        self.every_position = every_position
        self.features = features
        self.seed = seed
        self.share = share
        self.shuffle = part == "train"
        longest = {"none": 0, "history": max_length}.get(exclude)
        with tf.device("/cpu:0"):
            self.order = tensor_of(plan.positions, share=True)
            self.starts = tf.constant(plan.starts)
            self.sizes = tf.constant(plan.sizes)
            self.widths = tf.constant(plan.widths)
            self.items = tensor_of(data.items)
            self.sequences = tensor_of(data.sequences)
            self.offsets = tensor_of(data.offsets)
            if every_position:
                self.parts = tensor_of(data.parts)
            if {"history_time", "candidate_time"} & set(features):
                times = whole_seconds(data.times, data.time_unit)
                self.times = tensor_of(times)
            if {"history_category", "candidate_category"} & set(features):
                self.categories = tf.constant(np.asarray(data.item_categories))
            if exclude == "user":
                user_items, user_offsets = _user_items(data, part)
                longest = int(np.diff(user_offsets).max())
                self.user_items = tf.constant(user_items)
                self.user_offsets = tf.constant(user_offsets)
        self.sampler = NegativeSampler(
            data.num_items, weights, may_exhaust=longest + 1 >= data.num_items
        )

    def batch(self, epoch: tf.Tensor, batch: tf.Tensor):
        """Builds one batch.

        Args:
            epoch: int64 (), the stream of random numbers.
            batch: int64 (), 0 to `num_batches` - 1.

        Returns:
            (features, labels), see `make_dataset`.
        """
        epoch = tf.cast(epoch, tf.int64)
        positions, width = self._targets(epoch, batch)
        if self.share is not None:
            positions, row_weight = self._cut(positions)
        sequences = tf.gather(self.sequences, positions)
        starts = tf.gather(self.offsets, sequences)
        length = tf.minimum(positions - starts, self.max_length)
        column = tf.range(tf.cast(width, tf.int64))
        visible = column < length[:, None]
        # Padding points at the positive, which is always there to be read.
        source = tf.where(
            visible, (positions - length)[:, None] + column, positions[:, None]
        )
        history = tf.where(visible, tf.gather(self.items, source), 0)
        positive = tf.gather(self.items, positions)
        features = {
            "user": tf.where(sequences <= self.num_users, sequences, 0),
            "history": history,
        }
        if self.every_position:
            part = tf.gather(self.parts, tf.where(visible, source + 1, 0))
            targets = visible & tf.equal(part, PARTS.index("train"))
            places = tf.where(tf.reshape(targets, [-1]))[:, 0]
            positions = tf.gather(tf.reshape(source, [-1]), places) + 1
            positive = tf.gather(self.items, positions)
            features["positions"] = tf.cast(places, tf.int32)
            excluded = positive[:, None]
        else:
            excluded = self._excluded(sequences, history, positive)
        candidates = self._candidates(epoch, positions, positive, excluded)
        features["candidates"] = candidates
        labels = tf.one_hot(tf.zeros_like(positive), 1 + self.negatives)
        if self.sampler.may_exhaust and not self.shuffle:
            # What is drawn where nothing may occur is no negative.
            exhausted = self.sampler.exhausted(excluded)[:, None]
            labels = tf.where(exhausted & (labels < 1.0), -1.0, labels)
        if self.shared:
            key = hash_words(*self._words(epoch, _SHARED), batch)
            shared = self.sampler.draw_shared(key, self.shared)
            features["shared_negatives"] = shared
            same = tf.equal(shared, positive[:, None])
            labels = tf.concat([labels, tf.where(same, -1.0, 0.0)], axis=1)
        if self.everything:
            features["shared_negatives"] = tf.range(1, self.num_items + 1)
            ignored = positive[:, None] if self.shuffle else excluded
            labels = tf.concat([labels, self._label_items(ignored)], axis=1)
        if self.logq_correction:
            features["log_sampling_probability"] = self._correction(features)
        if "history_time" in self.features:
            times = tf.gather(self.times, source)
            features["history_time"] = tf.where(visible, times, 0)
        if "candidate_time" in self.features:
            times = tf.gather(self.times, positions)[:, None]
            features["candidate_time"] = tf.repeat(
                times, 1 + self.negatives, axis=1
            )
        for key in ("history", "candidate"):
            if f"{key}_category" in self.features:
                ids = history if key == "history" else candidates
                features[f"{key}_category"] = tf.gather(self.categories, ids)
        if "excluded" in self.features:
            features["excluded"] = excluded
        if self.share is not None:
            features["row_weight"] = row_weight
            labels = tf.where(row_weight > 0.0, labels, -1.0)
        return features, labels

    def _words(self, epoch, *more):
        """Returns words to hash: the seed, the epoch and `more`, int64."""
        words = (self.seed, epoch, *more)
        return tuple(tf.cast(word, tf.int64) for word in words)

    def _targets(self, epoch, batch):
        """Returns the positions (B,) int64 and the width () of a batch."""
        total = self.order.shape[0]
        if self.shuffle:
            seeds = tf.stack(
                [
                    tf.bitcast(
                        hash_words(*self._words(epoch, _ORDER, word)),
                        tf.int64,
                    )
                    for word in range(2)
                ]
            )
            shuffle = tf.random.experimental.index_shuffle
            batch = shuffle(
                batch, seeds, tf.constant(self.num_batches - 1, tf.int64)
            )
        first = batch * self.batch_size
        place = tf.range(first, tf.minimum(first + self.batch_size, total))
        bucket = tf.searchsorted(self.starts, place, side="right") - 1
        width = tf.gather(self.widths, bucket[-1])
        if self.shuffle:
            start = tf.gather(self.starts, bucket)
            last = tf.gather(self.sizes, bucket) - 1
            place = start + shuffle(place - start, seeds, last)
        return tf.cast(tf.gather(self.order, place), tf.int64), width

    def _cut(self, positions):
        """Returns the rows of this share, at least one, and `row_weight`."""
        index, count = self.share
        total = tf.shape(positions, tf.int64)[0]
        first, last = (total * one // count for one in (index, index + 1))
        weight = tf.cast((last - first) * count, tf.float32)
        weight /= tf.cast(total, tf.float32)
        return positions[first : tf.maximum(last, first + 1)], weight

    def _excluded(self, sequences, history, positive):
        """Returns the ids that negatives avoid, see `features`."""
        front = tf.zeros_like(positive)[:, None]
        if self.exclude == "user":
            start = tf.gather(self.user_offsets, sequences)
            size = tf.gather(self.user_offsets, sequences + 1) - start
            column = tf.range(tf.reduce_max(size))
            # Short rows repeat their last item, and so stay ascending.
            column = tf.minimum(column, size[:, None] - 1)
            items = tf.gather(self.user_items, start[:, None] + column)
            return tf.concat([front, items], axis=1)
        ids = [front, positive[:, None]]
        if self.exclude == "none":
            return tf.concat(ids, axis=1)
        return tf.sort(tf.concat([*ids, history], axis=1), axis=1)

    def _candidates(self, epoch, positions, positive, excluded):
        """Returns the positive and its negatives, int32 (B, C)."""
        if not self.negatives:
            return positive[:, None]
        keys = hash_words(*self._words(epoch, positions))
        negatives = self.sampler.draw_for(
            keys, self.negatives, excluded, positive
        )
        return tf.concat([positive[:, None], negatives], axis=1)

    def _label_items(self, ignored):
        """Returns labels (B, M) of all items: -1 for those of a row, or 0.

        Args:
            ignored: int32 (B, W), ids of each row; 0 is none.
        """
        row = tf.range(tf.shape(ignored)[0])[:, None]
        index = tf.stack([tf.broadcast_to(row, tf.shape(ignored)), ignored], 2)
        size = (tf.shape(ignored)[0], self.num_items + 1)
        labels = tf.zeros(size)
        values = tf.fill(tf.shape(ignored), -1.0)
        labels = tf.tensor_scatter_nd_update(labels, index, values)
        # The number of items is known, and has to be for the losses.
        return tf.ensure_shape(labels[:, 1:], [None, self.num_items])

    def _correction(self, features):
        """Returns `log_sampling_probability`, float32 (B, C + S)."""
        count = self.negatives + self.shared
        ids = features["candidates"]
        logarithm = self.sampler.log_expected_count(ids, count)
        if not self.shared:
            return logarithm
        shared = self.sampler.log_expected_count(
            features["shared_negatives"], count
        )
        shared = tf.broadcast_to(shared, [tf.shape(ids)[0], self.shared])
        return tf.concat([logarithm, shared], axis=1)
