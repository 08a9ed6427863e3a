"""A Keras model that looks at what it is given."""

import keras
import numpy as np

from mgnm_tf.utils.features import check_batch
from mgnm_tf.utils.features import check_features


class CheckedModel(keras.Model):
    """Checks NumPy batches and streams at every door that Keras has.

    A subclass has `num_users`, `num_items` and `required_features`, and
    `max_length` where it reads no longer history.

    Raises:
        TypeError: arrays stand in the place of a batch, which is a dict.
        ValueError: a batch lacks what the model reads; one of NumPy arrays
            holds an id out of its range, or a history with padding before an
            item; or a stream of `make_dataset` has longer histories than the
            model reads.
    """

    def __call__(self, features, *args, **kwargs):
        self._check(features)
        return super().__call__(features, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        self._check(x)
        return super().predict(x, *args, **kwargs)

    def predict_on_batch(self, x):
        self._check(x)
        return super().predict_on_batch(x)

    def evaluate(self, x=None, *args, **kwargs):
        self._check(x)
        return super().evaluate(x, *args, **kwargs)

    def test_on_batch(self, x, *args, **kwargs):
        self._check(x)
        return super().test_on_batch(x, *args, **kwargs)

    def train_on_batch(self, x, *args, **kwargs):
        self._check(x)
        return super().train_on_batch(x, *args, **kwargs)

    def fit(self, x=None, *args, **kwargs):
        self._check(x)
        validation = kwargs.get("validation_data")
        if isinstance(validation, tuple):
            validation = validation[0]
        self._check(validation)
        if not isinstance(x, dict):
            # A stream has its order; Keras warns of its own default.
            kwargs.setdefault("shuffle", False)
        return super().fit(x, *args, **kwargs)

    def _check(self, features):
        """Checks the ids and the padding of a batch of NumPy arrays.

        Inside a compiled step values are not known; there the input pipeline
        vouches for them. Of a stream the widest batch is known.
        """
        width = getattr(features, "history_width", None)
        limit = getattr(self, "max_length", None)
        if width is not None and limit is not None and width > limit:
            raise ValueError(
                f"The batches hold histories of up to {width} events, of "
                f"which this model reads at most {limit}: give "
                f"make_dataset(..., max_length={limit}), or make the model "
                f"with max_length={width}."
            )
        needed = ("history", "candidates", *self.required_features)
        check_batch(features, needed)
        if isinstance(features, dict):
            given = {
                key: value
                for key, value in features.items()
                if isinstance(value, np.ndarray)
            }
            check_features(given, self.num_users, self.num_items)
