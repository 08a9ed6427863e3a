"""The base of models that count instead of descending a gradient."""

import itertools
from collections.abc import Iterable
from collections.abc import Iterator

import keras
import numpy as np

from mgnm_tf.models.base import SequentialRecommender

Batch = tuple[dict[str, np.ndarray], np.ndarray]
"""Features and labels as NumPy arrays."""


class StatisticalRecommender(SequentialRecommender):
    """A model without trainable weights that learns in one pass.

    A subclass writes `learn`, which reads the training batches once and
    assigns its weights, besides `encode` and `score`. Its scores are float32
    under every dtype policy: they are counts and sums, which float16 cannot
    hold. `compile`, `evaluate`, saving and `export` work as for any model.

    Args:
        num_users: see `SequentialRecommender`.
        num_items: see `SequentialRecommender`.
        **kwargs: arguments of `keras.Model`.
    """

    def learn(self, batches: Iterator[Batch]):
        """Reads every training batch once and assigns the weights."""
        raise NotImplementedError

    def fit(
        self,
        x: Iterable,
        y=None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks=None,
        validation_data=None,
        shuffle: bool = True,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        initial_epoch: int = 0,
    ) -> keras.callbacks.History:
        """Reads the training batches once.

        Takes what `keras.Model.fit` is given for other models, so that one
        training script serves all.

        Args:
            x: an iterable of `(features, labels)`, such as a
                `tf.data.Dataset`, or the features of one batch.
            y: labels, if `x` is one batch.
            epochs: ignored, a second pass would change nothing.
            verbose: 0 for silence, otherwise a progress bar.
            callbacks: ignored: they act on optimizer steps, of which there
                are none.
            validation_data: batches to evaluate afterwards.
            shuffle: ignored: the order of the batches does not matter.
            steps_per_epoch: how many batches make a pass; needed for an
                infinite `x`.
            validation_steps: how many batches to evaluate.
            initial_epoch: ignored, see `epochs`.

        Returns:
            A `History` with one entry for each metric of `validation_data`.

        Raises:
            ValueError: `x` is infinite and `steps_per_epoch` is missing.
        """
        self._check(x)
        self._note_data(x)
        if y is not None:
            x = [(x, y)]
        elif steps_per_epoch is None:
            steps_per_epoch = _known_length(x)
        progress = keras.utils.Progbar(
            steps_per_epoch, verbose=int(verbose != 0), unit_name="batch"
        )
        self.learn(_as_arrays(itertools.islice(x, steps_per_epoch), progress))
        history = keras.callbacks.History()
        history.set_model(self)
        history.on_train_begin()
        logs = {}
        if validation_data is not None:
            logs = self.evaluate(
                validation_data,
                steps=validation_steps,
                verbose=0,
                return_dict=True,
            )
        history.on_epoch_end(
            0, {f"val_{name}": value for name, value in logs.items()}
        )
        return history


def _known_length(batches) -> int | None:
    """Returns the number of batches of a data set, None if unknown."""
    if not hasattr(batches, "cardinality"):
        return None
    length = int(batches.cardinality())
    if length == -1:
        raise ValueError(
            "`steps_per_epoch` is needed to fit on an infinite data set. "
            "Received: steps_per_epoch=None"
        )
    return length if length >= 0 else None


def _as_arrays(batches, progress) -> Iterator[Batch]:
    """Yields the batches as NumPy arrays and moves the progress bar."""
    for features, labels in batches:
        yield (
            {key: np.asarray(value) for key, value in features.items()},
            np.asarray(labels),
        )
        progress.add(1)


def positives(features: dict[str, np.ndarray], labels: np.ndarray):
    """Returns the item of each row whose label is 1, int32 (B,)."""
    columns = np.argmax(labels, axis=1)
    return np.take_along_axis(features["candidates"], columns[:, None], axis=1)[
        :, 0
    ]


def last_items(features: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the newest history item of each row, 0 if none, int32 (B,)."""
    history = features["history"]
    index = np.maximum((history != 0).sum(axis=1) - 1, 0)
    return np.take_along_axis(history, index[:, None], axis=1)[:, 0]
