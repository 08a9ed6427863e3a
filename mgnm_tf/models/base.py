"""The contract that every model keeps."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mgnm_tf.losses import get_loss
from mgnm_tf.models.capabilities import Capabilities
from mgnm_tf.models.checked_model import CheckedModel
from mgnm_tf.models.known_by_features import KnownByFeatures
from mgnm_tf.models.made_from_data import MadeFromData
from mgnm_tf.models.over_catalogue import OverCatalogue
from mgnm_tf.models.recipe_optimizer import recipe_optimizer
from mgnm_tf.types import OPTIONAL_FEATURES
from mgnm_tf.types import Features
from mgnm_tf.types import Tensor
from mgnm_tf.utils.validation import check_positive_int


class SequentialRecommender(
    Capabilities, MadeFromData, OverCatalogue, KnownByFeatures, CheckedModel
):
    """Scores candidate items for a user from the history of the user.

    A subclass writes `encode` and `score`, creates and builds its layers in
    the constructor (so that a new object already has its weights, and saved
    files load without a batch), and returns its own arguments from
    `get_config`. Everything else is inherited: `call`, default `compile`,
    `fit`, `evaluate`, `.keras` saving, mixed precision, `export`. In
    training, and there alone, `guide` may look at the positive.

    Letters in shapes: B histories in a batch, m history length, C candidates,
    M items (ids 1 to M, 0 is padding), d width.

    Args:
        num_users: number of known users; ids run from 1 to `num_users`, id 0
            is "unknown user".
        num_items: number of items M; ids run from 1 to M, id 0 is padding.
        **kwargs: `item_features`, see `KnownByFeatures`, and arguments of
            `keras.Model`.

    Call arguments:
        features: dict with `user` (B,) int32, `history` (B, m) int32, oldest
            first, padded with 0 at the end, `candidates` (B, C) int32, in
            training the positive first, and the keys in
            `required_features`. In training it may hold
            `shared_negatives` (S,) int32: negatives of the whole batch, whose
            scores stand behind those of the candidates; and
            `log_sampling_probability` (B, C + S) or (C + S,) float32, which
            is subtracted from the scores before the loss.
        training: whether the step trains.

    Raises:
        ValueError: a batch of NumPy arrays holds an id out of its range, or a
            history with padding before an item.

    Returns:
        Scores (logits): (B, C), or (B, C + S) with shared negatives. With
        `training=True` a model with levels returns (B, levels, C), and one
        that is compiled with `CatalogueSoftmax` and gets the positives alone
        the logarithms (B, 1) of their softmax over all items.
    """

    required_features: tuple[str, ...] = ()
    """The keys of `OPTIONAL_FEATURES` that the model reads."""

    required_tables: tuple[str, ...] = ()
    """The tables of the data that the model holds, see `load_tables`."""

    max_pairs: int | None = None
    """How many (history, candidate) pairs the model scores at a time.

    `None` for models whose scores cost little memory. Evaluation chooses its
    batches by it, and training refuses more.
    """

    normalizes_scores: bool = False
    """Whether `score` normalises over the batch while the model trains.

    Then shared negatives are scored in one call with the candidates. With
    statistics of their own, positives and negatives would look alike.
    """

    first_stage: tuple[str, ...] = ()
    """The layers whose weights a stage before this one has to give.

    Empty for models that need none: they take whatever fits.
    """

    num_replicas: int = 1
    """Among how many processes or devices a batch is divided in training.

    The losses of the replicas are averaged. That is right for means over the
    rows of a batch; what belongs to a batch once (a penalty of parameters,
    divided by the batch size) has to be divided by this number.
    """

    data_fingerprint: str | None = None
    """The fingerprint of the data that the model is for, where it is known.

    `from_data` sets it, and `fit` to that of the batches of `make_dataset`;
    it is not saved with the model.
    """

    def __init__(self, num_users: int, num_items: int, **kwargs):
        super().__init__(**kwargs)
        self.num_users = check_positive_int(num_users, "num_users", 0)
        self.num_items = check_positive_int(num_items, "num_items", 1)

    @classmethod
    def options_of_first_stage(
        cls, options: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """Names the constructor arguments that a stage before has, too.

        Those that decide the layers of `first_stage`. Where a recipe or the
        user gives them to the model, its stage takes the same values,
        whatever its own recipe says. By default there are none.

        Args:
            options: constructor argument -> value, those that are given.
        """
        return ()

    # === To be written by each model ===

    def encode(self, features: Features, training: bool = False):
        """Computes, once per history, all that does not need a candidate.

        Args:
            features: a batch; `candidates` may be missing.
            training: whether the step trains.

        Returns:
            A tensor or a dict of tensors, batch axis first.
        """
        raise NotImplementedError

    def guide(self, encoded, positive: Tensor):
        """Fits what was read off the histories to the positives.

        The only place that sees the positive. `call` calls it once in each
        training step; evaluation, `export` and serving never do, so that a
        score depends on its own candidate alone. All candidates of the step
        and the shared negatives are scored with the result. A model may
        narrow what it has read (the interest nearest to the positive) and
        may `add_loss`. By default nothing changes.

        Args:
            encoded: the result of `encode` for B histories.
            positive: int32 ids (B,), column 0 of `candidates`.

        Returns:
            What `score` takes as `encoded`.
        """
        return encoded

    def score(self, encoded, candidates: Tensor, training: bool = False):
        """Scores candidates.

        Args:
            encoded: the result of `encode`, or of `guide`, for B histories.
            candidates: int32 ids, (B, C), or (C,) for a list that all B
                histories share.
            training: whether the step trains.

        Returns:
            (B, C) scores; with `training=True` (B, levels, C) from a model
            that has levels.
        """
        raise NotImplementedError

    def load_tables(self, tables: Mapping[str, Any]) -> None:
        """Takes the tables of the data that `required_tables` names.

        They are constants of the data that do not fit into a batch and are
        kept in weights that do not train. Called once, before training.

        Args:
            tables: the result of `mgnm_tf.make_tables`.
        """
        raise AttributeError(f"{type(self).__name__} has no tables.")

    def has_tables(self) -> bool:
        """Whether `load_tables` was called, now or before it was saved."""
        return True

    # === Shared ===

    def max_batch_size(self, batch_size: int, candidates: int) -> int:
        """Returns the batch size whose pairs the model can score at a time.

        Args:
            batch_size: the most histories of a batch.
            candidates: number of candidates of each history.
        """
        if self.max_pairs is None:
            return batch_size
        return max(1, min(batch_size, self.max_pairs // candidates))

    def fit(self, x=None, *args, **kwargs):
        """Trains as `keras.Model.fit` does.

        Raises:
            ValueError: the model has not got its tables yet, or see the
                class.
        """
        if not self.has_tables():
            raise ValueError(
                f"{type(self).__name__} reads tables of the data; before "
                "`fit` give it them: model.load_tables(mgnm_tf.make_tables("
                "data, model.required_tables))"
            )
        self._note_data(x)
        return super().fit(x, *args, **kwargs)

    def _note_data(self, batches):
        """Remembers which data the model is trained on, if they say so."""
        self.data_fingerprint = getattr(
            batches, "data_fingerprint", self.data_fingerprint
        )

    def call(self, features, training=False):
        encoded = self.encode(features, training=training)
        candidates = ops.convert_to_tensor(features["candidates"])
        if training:
            encoded = self.guide(encoded, candidates[:, 0])
            if self._knows_positives_alone(candidates, features):
                return self._log_probability(encoded, candidates[:, 0])
        if "shared_negatives" not in features:
            return self.score(encoded, candidates, training=training)
        shared = ops.convert_to_tensor(features["shared_negatives"])
        if self.normalizes_scores:
            shared = ops.broadcast_to(
                ops.cast(shared, candidates.dtype),
                (ops.shape(candidates)[0], ops.shape(shared)[0]),
            )
            candidates = ops.concatenate([candidates, shared], axis=1)
            return self.score(encoded, candidates, training=training)
        parts = [candidates, shared]
        return ops.concatenate(
            [self.score(encoded, part, training=training) for part in parts],
            axis=-1,
        )

    def compile(self, optimizer=None, loss=None, **kwargs):
        """Configures training; without arguments as the model's recipe does.

        A model that was made from a recipe, by `mgnm_tf.make_model` or
        `from_recipe`, takes what is not given from its `training_recipe`.
        One that its constructor made, or that was loaded, takes what the MGNM
        paper has, which learns slowly: `SigmoidCrossEntropy()` and
        `LazyAdam(1e-3)`. Negatives and the length of histories belong to the
        batches, see `mgnm_tf.make_dataset`.

        Args:
            optimizer: defaults to that of the recipe at its learning rate,
                without a schedule, which needs the number of steps.
            loss: defaults to the objective of the recipe.
            **kwargs: passed on to `keras.Model.compile`.
        """
        recipe = self.training_recipe
        if optimizer is None:
            optimizer = recipe_optimizer(recipe.optimizer, self)
        if loss is None:
            loss = get_loss(recipe.objective, self.num_items)
        super().compile(optimizer=optimizer, loss=loss, **kwargs)
        # Already here, so that a model that is saved before it is fitted
        # loads with the same variables of the optimizer.
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config):
        # Keras skips this for models with a `compile` of their own.
        self.compile(**keras.saving.deserialize_keras_object(config))

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        if x is not None and "log_sampling_probability" in x:
            correction = ops.cast(x["log_sampling_probability"], y_pred.dtype)
            if len(y_pred.shape) == 3:
                correction = ops.expand_dims(correction, -2)
            y_pred = y_pred - correction
        if y is not None and len(y_pred.shape) > len(y.shape):
            # The losses of Keras know no levels.
            y = ops.broadcast_to(ops.expand_dims(y, 1), ops.shape(y_pred))
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        if len(y_pred.shape) == 3:
            y_pred = self.pool_levels(y_pred)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def input_signature(self) -> dict[str, keras.InputSpec]:
        """Returns the specification of the features a served model takes."""
        specs = {
            "user": ((None,), "int32"),
            "history": ((None, None), "int32"),
            "candidates": ((None, None), "int32"),
        }
        for key in self.required_features:
            specs[key] = OPTIONAL_FEATURES[key]
        return {
            key: keras.InputSpec(shape=shape, dtype=dtype, name=key)
            for key, (shape, dtype) in specs.items()
        }

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Writes a model that is served without this package.

        The signature `serving_default` takes the features by name (`user`,
        `history`, `candidates` and `required_features`), with free batch
        size, history length and number of candidates.

        Args:
            filepath: the folder to write.
            format: see `keras.Model.export`.
            **kwargs: passed on to `keras.Model.export`.
        """
        kwargs.setdefault("input_signature", [self.input_signature()])
        return super().export(filepath, format=format, **kwargs)

    def get_build_config(self):
        return None

    def get_config(self):
        return {
            **super().get_config(),
            "num_users": self.num_users,
            "num_items": self.num_items,
        }
