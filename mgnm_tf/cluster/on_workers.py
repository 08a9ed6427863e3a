"""What a model needs so that Keras's `fit` runs it on several workers.

To be removed when keras-team/keras#20585 is mended. `_maybe_symbolic_build`
is the only name here that Keras does not document;
`tests/cluster/test_on_workers.py` holds it to the Keras that is installed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import keras
import tensorflow as tf

_LOGS = "logs"
"""What the row of all logs is called."""


class OnWorkers:
    """Goes before a model's class; its loss is that of the global batch.

    The replicas of a `tf.distribute` strategy average their losses. Here the
    gradient of each is weighted by `row_weight` of its batch (see
    `make_dataset`), so that their mean is the gradient of the whole batch,
    also of one that is not divided evenly.
    """

    @property
    def num_replicas(self) -> int:
        """How many replicas a batch is divided among."""
        return self.distribute_strategy.num_replicas_in_sync

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if x is None or "row_weight" not in x:
            return loss
        # The value stays, for Keras weights what it reports by the rows.
        weighted = loss * tf.cast(x["row_weight"], loss.dtype)
        return weighted + tf.stop_gradient(loss - weighted)

    def train_step(self, data):
        return self._in_one_row(super().train_step(data))

    def test_step(self, data):
        return self._in_one_row(super().test_step(data))

    def _in_one_row(self, logs):
        """Returns the logs as one row, which Keras averages over the workers.

        Each value alone would be two exchanges more in every step.
        """
        several = tf.distribute.MultiWorkerMirroredStrategy
        if not isinstance(self.distribute_strategy, several):
            return logs
        self._log_names = list(logs)
        values = [tf.cast(value, tf.float32) for value in logs.values()]
        return {_LOGS: tf.stack([values])}

    def make_train_function(self, force=False):
        made = self.train_function
        super().make_train_function(force)
        if self.train_function is not made:
            self.train_function = self._by_names(self.train_function)

    def make_test_function(self, force=False):
        made = self.test_function
        super().make_test_function(force)
        if self.test_function is not made:
            self.test_function = self._by_names(self.test_function)

    def _by_names(self, function):
        """Returns a step whose logs have their names again."""

        def step(iterator):
            logs = function(iterator)
            if _LOGS not in logs:
                return logs
            values = tf.unstack(logs[_LOGS])
            return dict(zip(self._log_names, values, strict=True))

        return step

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Makes metrics by the batch of one replica, not by their mean."""
        strategy = self.distribute_strategy
        if iterator is not None:
            # Two or three values, by the version of Keras.
            *_, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(
                lambda value: strategy.experimental_local_results(value)[0],
                next(batches),
            )
        super()._maybe_symbolic_build(data_batch=data_batch)


@cache
def _class_of(model_class: type) -> type:
    name = model_class.__name__
    return type(
        name, (OnWorkers, model_class), {"__doc__": model_class.__doc__}
    )


@contextmanager
def on_workers(model: keras.Model) -> Iterator[None]:
    """Lets a model be fitted by all replicas of its strategy.

    Args:
        model: a model that was made in the scope of a strategy. In the block
            it is an object of a class below its own.
    """
    own = type(model)
    model.__class__ = _class_of(own)
    try:
        yield
    finally:
        model.__class__ = own
