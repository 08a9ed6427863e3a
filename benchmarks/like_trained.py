"""An MGNM that has not trained, with interests like trained ones."""

import numpy as np
from keras import ops

from benchmarks.vectors import made_interests
from mgnm_tf.models.mgnm import MGNM


class LikeTrained(MGNM):
    """Does the work of an MGNM, and gives other interests than it finds.

    The interests of a model that has not trained point nowhere: no item is
    much better than the next, which no user of a trained model asks for.
    These are those of `made_interests`, by the row of the user.
    """

    def give_interests(self, vectors: np.ndarray, counts: np.ndarray) -> None:
        """Makes interests for every row of the table of users.

        Args:
            vectors: float32 (M, d), the items.
            counts: (M,), how often each occurs.
        """
        one = np.ones(1, np.int32)
        nobody = {"user": one, "history": one[None]}
        _, levels, number, _ = super().encode(nobody)["interests"].shape
        self._given = made_interests(
            vectors, counts, self.num_users + 1, levels, number
        )

    def encode(self, features, training=False):
        found = super().encode(features, training)
        given = ops.take(self._given, features["user"], axis=0)
        # What was found is still computed, and too little to be seen.
        return {**found, "interests": given + 1e-20 * found["interests"]}
