"""Negatives that are a pure function of what they belong to."""

import numpy as np
import tensorflow as tf

_GAMMA = 0x9E3779B97F4A7C15
_RESOLUTION = 2**30
_MANY = 256
"""From so many integers a key on, XLA draws them: in one pass, not in ten."""


def _finalise(state: tf.Tensor) -> tf.Tensor:
    """The output function of SplitMix64 (Steele et al., 2014)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        high = tf.bitwise.right_shift(state, tf.constant(shift, tf.uint64))
        state = tf.bitwise.bitwise_xor(state, high)
        state = state * tf.constant(factor, tf.uint64)
    high = tf.bitwise.right_shift(state, tf.constant(31, tf.uint64))
    return tf.bitwise.bitwise_xor(state, high)


def hash_words(*words: tf.Tensor) -> tf.Tensor:
    """Hashes integers to 64 bits, element by element.

    Each word moves the state `h` to `finalise(h + gamma + word)`; the state
    starts at 0. One word `s` gives the first output of SplitMix64 with seed
    `s`.

    Args:
        words: int64 tensors that broadcast against each other.

    Returns:
        uint64 tensor of their common shape.
    """
    state = tf.constant(_GAMMA, tf.uint64)
    for word in words[:-1]:
        state = _finalise(state + tf.cast(word, tf.uint64))
        state = state + tf.constant(_GAMMA, tf.uint64)
    return _finalise(state + tf.cast(words[-1], tf.uint64))


def random_integers(keys: tf.Tensor, count: int, bound: tf.Tensor) -> tf.Tensor:
    """Draws `count` integers for each key.

    Number c of a key is `high * bound // 2**32`, where `high` are the upper
    32 bits of output c of SplitMix64 with that key as its seed.

    Args:
        keys: uint64 (B,).
        count: how many to draw.
        bound: int64 (B, 1) or (), below 2**31; numbers are smaller.

    Returns:
        int64 (B, count), 0 to `bound - 1`.
    """
    if count < _MANY:
        return _random_integers(keys, count, bound)
    return _compiled_random_integers(keys, count, bound)


def _random_integers(keys, count, bound):
    steps = tf.range(1, count + 1, dtype=tf.int64)
    steps = tf.cast(steps, tf.uint64) * tf.constant(_GAMMA, tf.uint64)
    hashes = _finalise(keys[:, None] + steps)
    high = tf.bitwise.right_shift(hashes, tf.constant(32, tf.uint64))
    product = tf.cast(high, tf.int64) * bound
    return tf.bitwise.right_shift(product, tf.constant(32, tf.int64))


_compiled_random_integers = tf.function(
    _random_integers, jit_compile=True, autograph=False, reduce_retracing=True
)


class NegativeSampler:
    """Draws items from a catalogue, around the items that must not occur.

    Nothing is drawn again on a collision: the items that may occur are laid
    out in the order of their ids, each as wide as its weight, and a number
    drawn below their total width picks one. So negatives follow the sampling
    distribution exactly, restricted to the items that may occur, however
    small the catalogue. Items are drawn with replacement.

    Where a row excludes the whole catalogue, it excludes its positive only.

    Args:
        num_items: number of items; ids run from 1 to `num_items`.
        weights: float (num_items + 1,), relative sampling weights of the
            ids, with entry 0 unused; they are rounded to multiples of about
            1e-9 of their sum, and no item falls to 0. Defaults to `None`:
            all equal.
        may_exhaust: whether a row may exclude the whole catalogue. Defaults
            to `True`; `False` saves the check.
    """

    def __init__(
        self,
        num_items: int,
        weights: np.ndarray | None = None,
        may_exhaust: bool = True,
    ):
        self.num_items = num_items
        self.may_exhaust = may_exhaust
        self.uniform = weights is None
        shares = np.ones(num_items + 1, np.int64)
        if weights is not None:
            scaled = weights / weights[1:].sum() * _RESOLUTION
            shares = np.maximum(np.rint(scaled), 1).astype(np.int64)
        shares[0] = 0
        self.total = int(shares.sum())
        with np.errstate(divide="ignore"):
            log_share = np.log(shares / self.total).astype(np.float32)
        with tf.device("/cpu:0"):
            self._shares = tf.constant(shares, tf.int32)
            self._ends = tf.constant(np.cumsum(shares), tf.int32)
            self._log_share = tf.constant(log_share)

    def draw(
        self, keys: tf.Tensor, count: int, excluded: tf.Tensor
    ) -> tf.Tensor:
        """Draws `count` items for each row.

        Args:
            keys: uint64 (B,), one key a row.
            count: how many to draw.
            excluded: int32 (B, W), ascending in each row, repeats allowed;
                column 0 holds id 0. Ids that must not be drawn.

        Returns:
            int32 (B, count).
        """
        first = tf.not_equal(excluded, tf.roll(excluded, 1, axis=1))
        if self.uniform:
            shares, ends = tf.cast(excluded > 0, tf.int32), excluded
        else:
            shares = tf.gather(self._shares, excluded)
            ends = tf.gather(self._ends, excluded)
        removed = tf.cumsum(tf.where(first, shares, 0), axis=1)  # (B, W)
        # Width of the items that may occur before each excluded one.
        before = ends - removed
        bound = tf.cast(self.total - removed[:, -1:], tf.int64)
        # Bounds stay below 2**31, and half as many bytes are faster.
        drawn = tf.cast(random_integers(keys, count, bound), tf.int32)
        passed = tf.searchsorted(before, drawn, side="right")  # (B, count)
        place = drawn + tf.gather(removed, passed - 1, batch_dims=1)
        return self._item_at(place)

    def draw_for(
        self,
        keys: tf.Tensor,
        count: int,
        excluded: tf.Tensor,
        positive: tf.Tensor,
    ) -> tf.Tensor:
        """Draws `count` negatives for each row; see the class docstring.

        Args:
            keys: uint64 (B,), one key a row.
            count: how many to draw.
            excluded: as in `draw`; it contains the positive.
            positive: int32 (B,).

        Returns:
            int32 (B, count).
        """
        if self.may_exhaust:
            exhausted = self.exhausted(excluded)[:, None]
            positive = tf.where(excluded > 0, positive[:, None], 0)
            excluded = tf.where(exhausted, positive, excluded)
        return self.draw(keys, count, excluded)

    def exhausted(self, excluded: tf.Tensor) -> tf.Tensor:
        """Returns which rows exclude the whole catalogue, bool (B,)."""
        changes = tf.not_equal(excluded[:, 1:], excluded[:, :-1])
        return tf.math.count_nonzero(changes, axis=1) >= self.num_items

    def draw_shared(self, key: tf.Tensor, count: int) -> tf.Tensor:
        """Draws `count` items from the whole catalogue.

        Args:
            key: uint64 (), the key of the batch.
            count: how many to draw.

        Returns:
            int32 (count,).
        """
        total = tf.constant(self.total, tf.int64)
        return self._item_at(random_integers(key[None], count, total)[0])

    def log_expected_count(self, ids: tf.Tensor, count: int) -> tf.Tensor:
        """Returns the logarithm of how often `count` draws meet an item.

        Args:
            ids: int32 tensor of items.
            count: number of draws from the whole catalogue.

        Returns:
            float32, like `ids`: log(count * probability of the item).
        """
        return tf.gather(self._log_share, ids) + float(np.log(count))

    def _item_at(self, place: tf.Tensor) -> tf.Tensor:
        """Turns places in the row of all items into ids, int32."""
        place = tf.cast(place, tf.int32)
        if not self.uniform:
            flat = tf.reshape(place, [-1])
            found = tf.searchsorted(self._ends, flat, side="right")
            return tf.reshape(found, tf.shape(place))
        return place + 1
