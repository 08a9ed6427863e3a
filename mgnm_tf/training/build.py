"""What a run is built from: the model, the objective, the batches."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.batches.pipeline import num_batches
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.dataset import check_data_set
from mgnm_tf.errors import UserError
from mgnm_tf.losses import get_loss
from mgnm_tf.metrics import MRR
from mgnm_tf.metrics import NDCG
from mgnm_tf.metrics import GroupAUC
from mgnm_tf.metrics import HitRate
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.recipe_optimizer import recipe_optimizer
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import read_options
from mgnm_tf.models.registry import refusals_of
from mgnm_tf.optimizers import LaterSchedule
from mgnm_tf.optimizers import StepDecay
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.training.item_inputs import read_item_inputs
from mgnm_tf.utils.initializers import draw_normal

_MOST_SCORES = 1 << 26
"""Products of interests and items that a batch may have: 256 MiB of them."""


def make_model(
    data: SequenceDataset,
    config: TrainConfig | str,
) -> SequentialRecommender:
    """Creates the model of a run with the tables that it holds of the data.

    Args:
        data: the data set.
        config: the configuration of the run, or a recipe, see `configure`.

    Raises:
        UserError: a name is unknown, or a value is refused, or the model has
            no use for features of items.
        DataError: the data lack what the model reads, or the features cannot
            be used.
        TypeError: `data` are no data set.
    """
    check_data_set(data)
    config = configure(config)
    options = read_options(config.model, config.options)
    inputs = read_item_inputs(config, data)
    if inputs is not None:
        options |= inputs.options(config.id_dropout)
    with refusals_of(config.model):
        model = model_class(config.model).from_data(
            data, config.max_length, **options
        )
    if inputs is not None:
        inputs.give(model, config.model)
    if config.initial_stddev is not None:
        draw_normal(model, config.initial_stddev)
    model.training_recipe = config
    return model


def count_parameters(model: keras.Model) -> int:
    """Returns the number of learned numbers, those that are counted too.

    Tables of the data and states of seeds are left out: they are integers, or
    numbers of items.
    """
    return sum(
        math.prod(weight.shape)
        for weight in model.weights
        if keras.backend.is_float_dtype(weight.dtype)
        and weight.name != "item_numbers"
    )


def compile_model(
    model: SequentialRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    steps_per_execution: int | None = None,
    steps_before: int = 0,
) -> None:
    """Sets the objective, the optimizer and what is measured.

    Args:
        model: the model of the run.
        data: the data set.
        config: the configuration of the run.
        steps_per_execution: replaces that of `config` if given. Defaults to
            `None`.
        steps_before: steps that the optimizer has behind it; its schedule
            begins after them. Defaults to 0.

    Raises:
        UserError: a batch has more pairs than the model can hold, or all
            items more scores than the memory.
    """
    _check_positions(model, config)
    _check_pairs(model, data, config)
    _check_scores(model, data, config)
    batches = training_batches(data, config)
    execution, steps = steps_of(batches, config.steps_per_execution)
    if steps_per_execution is None:
        steps_per_execution = execution
    model.compile(
        optimizer=_make_optimizer(config, steps, model, steps_before),
        loss=get_loss(config.objective, data.num_items),
        metrics=[
            *(kind(k) for k in config.measured_places for kind in _AT_K),
            GroupAUC(),
        ],
        steps_per_execution=steps_per_execution,
        jit_compile=config.jit_compile,
    )


def _candidates(negatives: int | str, data: SequenceDataset) -> int:
    """Returns how many candidates a row has, the positive included."""
    count = data.num_items if isinstance(negatives, str) else negatives
    return 1 + count


def _positives_alone(model: SequentialRecommender, config: TrainConfig) -> bool:
    """Whether the model reckons with all items without their scores."""
    return config.objective == "softmax" and model.trains_over_catalogue


def _check_positions(model: SequentialRecommender, config: TrainConfig) -> None:
    """Refuses to train at every position what reads a history as a whole."""
    if config.every_position and "positions" not in model.capabilities:
        raise UserError(
            f"{config.model} reads a history as a whole and cannot learn at "
            "every position of it: leave `every_position` out, or take a "
            "causal model (gru4rec, hstu, sasrec)."
        )


def _check_scores(
    model: SequentialRecommender, data: SequenceDataset, config: TrainConfig
) -> None:
    """Refuses scores of all items that fill the memory."""
    if _positives_alone(model, config):
        return
    candidates = _candidates(config.negatives, data)
    largest = _most_rows(model, candidates)
    if config.negatives != "all" or config.batch_size <= largest:
        return
    raise UserError(
        f"The softmax over all {data.num_items:,} items does not fit into "
        f"memory with a batch_size of {config.batch_size:,}; give "
        + (f"a batch_size of at most {largest:,}, or " if largest else "")
        + "objective=sampled_softmax."
    )


def _most_rows(model: SequentialRecommender, candidates: int) -> int:
    """Returns for how many histories all items are scored at a time."""
    count = 1
    if "interests" in model.capabilities:
        length = getattr(model, "max_length", 1)
        features = {
            name: np.zeros([1, length][: len(spec.shape)], spec.dtype)
            for name, spec in model.input_signature().items()
        }
        count = model.interests(features).shape[1]
    return _MOST_SCORES // (candidates * count)


def _check_pairs(
    model: SequentialRecommender, data: SequenceDataset, config: TrainConfig
) -> None:
    """Refuses batches of more pairs than the model can score at a time."""
    candidates = _candidates(config.negatives, data) + config.shared_negatives
    pairs = config.batch_size * candidates
    if model.max_pairs is None or pairs <= model.max_pairs:
        return
    remedies = []
    negatives = config.negatives
    if negatives == "all":
        negatives = 10
        remedies.append(
            "drawn negatives instead of all items, for example "
            "objective=sampled_softmax, shared_negatives=0 and negatives=10"
        )
    elif config.shared_negatives:
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


def _make_optimizer(
    config: TrainConfig,
    steps: int,
    model: SequentialRecommender,
    steps_before: int,
) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a run; `steps` are those of an epoch."""
    chosen = config.optimizer
    rate = chosen.learning_rate
    if chosen.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            rate, config.epochs * steps, alpha=0.05
        )
    elif chosen.schedule == "step":
        rate = StepDecay(
            rate, steps, chosen.step_epochs, chosen.decay, chosen.shift
        )
    if steps_before and chosen.schedule != "constant":
        rate = LaterSchedule(rate, steps_before)
    return recipe_optimizer(chosen, model, rate)


def make_batches(
    model: SequentialRecommender,
    data: SequenceDataset,
    config: TrainConfig,
    first_step: int = 0,
    share: tuple[int, int] | None = None,
) -> tuple[tf.data.Dataset, tf.data.Dataset | None]:
    """Makes the batches that a run trains on and is validated on.

    Args:
        model: the model of the run.
        data: the data set.
        config: the configuration of the run.
        first_step: where the endless stream of training batches begins.
            Defaults to 0.
        share: the worker, and of how many, see `make_dataset`. Defaults to
            `None`: a batch is not divided.

    Returns:
        Training and validation batches; a refit validates nothing.
    """
    common: dict[str, Any] = {
        "max_length": config.max_length,
        "features": tuple(model.required_features),
        "share": share,
    }
    training = make_dataset(
        data,
        "train",
        **common,
        batch_size=config.batch_size,
        negatives=0 if _positives_alone(model, config) else config.negatives,
        shared_negatives=config.shared_negatives,
        sampling=config.sampling,
        exclude=config.training_exclude,
        every_position=config.every_position,
        logq_correction=config.logq_correction,
        seed=config.seed,
        first_step=first_step,
    )
    if config.refit:
        return training, None
    candidates = _candidates(config.validation_negatives, data)
    batch_size = config.batch_size
    if config.validation_negatives == "all":
        batch_size = max(1, min(batch_size, _most_rows(model, candidates)))
    # The seed of the lists is that of `Protocol()`, not of the run, so that
    # runs with different seeds are measured alike.
    validation = make_dataset(
        data,
        "validation",
        **common,
        batch_size=model.max_batch_size(batch_size, candidates),
        negatives=config.validation_negatives,
        exclude=config.validation_exclude,
    )
    return training, validation


def training_batches(data: SequenceDataset, config: TrainConfig) -> int:
    """Returns the number of training batches of an epoch."""
    return num_batches(
        data,
        "train",
        batch_size=config.batch_size,
        every_position=config.every_position,
        max_length=config.max_length,
    )


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
