"""What a run is built from: the model, the objective, the batches."""

import math

import keras
import tensorflow as tf

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.pipeline import make_dataset
from mgnm_tf.data.pipeline import num_batches
from mgnm_tf.errors import UserError
from mgnm_tf.losses import get_loss
from mgnm_tf.metrics import MRR
from mgnm_tf.metrics import NDCG
from mgnm_tf.metrics import GroupAUC
from mgnm_tf.metrics import HitRate
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import read_options
from mgnm_tf.models.registry import refusals_of
from mgnm_tf.optimizers import LazyAdam
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure


def make_model(
    data: SequenceDataset,
    config: TrainConfig | str,
) -> SequentialRecommender:
    """Creates the model of a run with the tables that it holds of the data.

    Args:
        data: the data set.
        config: the configuration of the run, or a recipe, see `configure`.

    Raises:
        UserError: a name is unknown, or a value is refused.
        DataError: the data lack what the model reads.
    """
    config = configure(config)
    options = read_options(config.model, config.options)
    with refusals_of(config.model):
        return model_class(config.model).from_data(
            data, config.max_length, **options
        )


def count_parameters(model: keras.Model) -> int:
    """Returns the number of learned numbers, those that are counted too.

    Integers are left out: tables of the data, states of seeds.
    """
    return sum(
        math.prod(weight.shape)
        for weight in model.weights
        if keras.backend.is_float_dtype(weight.dtype)
    )


def compile_model(
    model: SequentialRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    steps_per_execution: int | None = None,
) -> None:
    """Sets the objective, the optimizer and what is measured.

    Args:
        model: the model of the run.
        data: the data set.
        config: the configuration of the run.
        steps_per_execution: replaces that of `config` if given. Defaults to
            `None`.

    Raises:
        UserError: a batch has more pairs than the model can hold.
    """
    _check_pairs(model, config)
    batches = num_batches(data, "train", batch_size=config.batch_size)
    execution, steps = steps_of(batches, config.steps_per_execution)
    if steps_per_execution is None:
        steps_per_execution = execution
    model.compile(
        optimizer=_make_optimizer(config, steps),
        loss=get_loss(config.objective, data.num_items),
        metrics=[
            *(kind(k) for k in config.measured_places for kind in _AT_K),
            GroupAUC(),
        ],
        steps_per_execution=steps_per_execution,
        jit_compile=config.jit_compile,
    )


def _check_pairs(model: SequentialRecommender, config: TrainConfig) -> None:
    """Refuses batches of more pairs than the model can score at a time."""
    candidates = 1 + config.negatives + config.shared_negatives
    pairs = config.batch_size * candidates
    if model.max_pairs is None or pairs <= model.max_pairs:
        return
    remedies = []
    negatives = config.negatives
    if config.shared_negatives:
        negatives = 10
        remedies.append(
            "negatives of its own instead of shared ones, for example "
            "shared_negatives=0 and negatives=10"
        )
    largest = model.max_pairs // (1 + negatives)
    if not largest:
        remedies.append("fewer negatives, or a smaller model")
    elif largest < config.batch_size:
        remedies.append(f"a batch_size of at most {largest:,}")
    raise UserError(
        f"{config.model} scores each pair of history and candidate by "
        f"itself, at most {model.max_pairs:,} at a time; a batch of "
        f"{config.batch_size} with {candidates:,} candidates each has "
        f"{pairs:,}. Give it {', and '.join(remedies)}."
    )


_AT_K = (NDCG, HitRate, MRR)

_OPTIMIZERS = {
    "lazy_adam": LazyAdam,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "adagrad": keras.optimizers.Adagrad,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}


def _make_optimizer(
    config: TrainConfig, steps: int
) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a run; `steps` are those of an epoch."""
    chosen = config.optimizer
    rate = chosen.learning_rate
    if chosen.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            rate, config.epochs * steps, alpha=0.05
        )
    return _OPTIMIZERS[chosen.name](
        rate, weight_decay=chosen.weight_decay or None
    )


def make_batches(
    model: SequentialRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    first_step: int = 0,
) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Makes the batches that a run trains on and is validated on.

    Args:
        model: the model of the run.
        data: the data set.
        config: the configuration of the run.
        first_step: where the endless stream of training batches begins.
            Defaults to 0.

    Returns:
        Training and validation batches.
    """
    common = {
        "max_length": config.max_length,
        "features": tuple(model.required_features),
    }
    training = make_dataset(
        data,
        "train",
        **common,
        batch_size=config.batch_size,
        negatives=config.negatives,
        shared_negatives=config.shared_negatives,
        sampling=config.sampling,
        logq_correction=config.logq_correction,
        seed=config.seed,
        first_step=first_step,
    )
    # The seed of the lists is that of `Protocol()`, not of the run, so that
    # runs with different seeds are measured alike.
    validation = make_dataset(
        data,
        "validation",
        **common,
        batch_size=model.max_batch_size(
            config.batch_size, 1 + config.validation_negatives
        ),
        negatives=config.validation_negatives,
    )
    return training, validation


def steps_of(batches: int, execution: int | None) -> tuple[int, int]:
    """Returns steps per execution and per epoch.

    Keras always runs whole executions, so the second is the multiple of the
    first that is nearest to `batches`. The stream of batches goes on across
    epochs; no batch is left out or repeated.
    """
    if execution is None:
        execution = min(20, math.ceil(batches / 20))
    execution = min(execution, batches)
    return execution, max(1, round(batches / execution)) * execution
