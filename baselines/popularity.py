"""Popularity: the same list for everybody."""

import numpy as np
from keras import ops

from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.models.statistical import last_items
from mgnm_tf.models.statistical import positives
from mgnm_tf.serialization import register


@register
class Popularity(StatisticalRecommender):
    """Scores an item by its share of the training events.

    The floor of every comparison: it knows neither user nor history.

    An epoch of training batches has every event of a sequence as a positive,
    but the first one, which is the only history item of the second; so each
    event is counted once. A sequence with one training event makes no sample
    and is not counted. With histories cut to one item (`max_length=1`) every
    event that has a successor counts twice.

    Args:
        num_users: number of known users; not used.
        num_items: number of items; item 0 is padding.
        **kwargs: arguments of `keras.Model`.

    Call arguments:
        features: see `SequentialRecommender`; `user` gives the batch size.

    Returns:
        Scores (batch, C), float32. Padding scores 0.

    Example:

    >>> import numpy as np
    >>> from baselines.popularity import Popularity
    >>> model = Popularity(num_users=2, num_items=3)
    >>> features = {
    ...     "user": np.array([1, 2]),
    ...     "history": np.array([[1], [2]]),
    ...     "candidates": np.array([[2, 1], [3, 1]]),
    ... }
    >>> labels = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> _ = model.fit(features, labels, verbose=0)
    >>> print(np.asarray(model(features)))
    [[0.5  0.25]
     [0.25 0.25]]
    """

    def __init__(self, num_users: int, num_items: int, **kwargs):
        super().__init__(num_users, num_items, **kwargs)
        self.share = self.add_weight(
            name="share",
            shape=(num_items + 1,),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
        )
        self.built = True

    def learn(self, batches):
        counts = np.zeros(self.num_items + 1, "int64")
        for features, labels in batches:
            first = last_items(features)[
                (features["history"] != 0).sum(axis=1) == 1
            ]
            for items in (positives(features, labels), first):
                counts += np.bincount(items, minlength=len(counts))
        counts[0] = 0
        self.share.assign(counts / max(counts.sum(), 1))

    def encode(self, features, training=False):
        """Returns zeros (B, 1): nothing depends on the history."""
        users = ops.convert_to_tensor(features["user"])
        return ops.zeros_like(users, dtype="float32")[:, None]

    def score(self, encoded, candidates, training=False):
        return encoded + ops.take(self.share, candidates, axis=0)
