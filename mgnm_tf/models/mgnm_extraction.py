"""How MGNM reads interests off the levels of its graph."""

import keras
from keras import ops

from mgnm_tf.layers.interest.sequential_capsule import SequentialCapsule
from mgnm_tf.layers.sequence.sequence_encoder import SequenceEncoder
from mgnm_tf.types import Tensor
from mgnm_tf.utils.masking import last_valid

EXTRACTORS = ("capsule", "bilstm", "sum", "self_attention")
"""The values of `interest_extractor`."""

CAPSULE_OPTIONS = (
    "num_interests",
    "routing_iterations",
    "sequence_encoder",
    "encoder_initializer",
    "encoder_input",
    "encoded_iterations",
    "routing_softmax",
    "routing_gradient",
    "routing_noise",
    "routing_prior",
    "squash",
    "projection_initializer",
    "max_length",
    "seed",
)
"""The arguments of MGNM that `SequentialCapsule` takes by the same name."""


def create_extractor(model) -> keras.layers.Layer | None:
    """Returns the layer that reads interests, not built.

    Args:
        model: an `MGNM`; its `interest_extractor` decides.

    Returns:
        `None` where nothing is learned to read them.
    """
    common = {"name": "extractor", "dtype": model.dtype_policy}
    if model.interest_extractor == "capsule":
        return SequentialCapsule(
            projection=model.capsule_projection,
            activation=model.interest_activation,
            **{name: getattr(model, name) for name in CAPSULE_OPTIONS},
            **common,
        )
    if model.interest_extractor == "bilstm":
        return SequenceEncoder("bilstm", max_length=model.max_length, **common)
    return None


def extract(
    model, levels: Tensor, valid_mask: Tensor, training: bool
) -> tuple[Tensor, Tensor | None]:
    """Returns the interests of all levels, and the weights of the items.

    Args:
        model: an `MGNM` with its `extractor` made.
        levels: (B, L + 1, m, d).
        valid_mask: bool, (B, m).
        training: whether the step trains.

    Returns:
        (B, L + 1, K, d), and (B * (L + 1), K, m) or `None`.
    """
    if model.interest_extractor == "self_attention":
        return levels, None
    count, dim = model.num_layers + 1, model.embedding_dim
    mask = ops.repeat(valid_mask, count, axis=0)
    if model.interest_extractor == "sum":
        return ops.sum(levels, axis=2, keepdims=True), mask[:, None]
    folded = ops.reshape(levels, (-1, ops.shape(levels)[2], dim))
    if model.interest_extractor == "bilstm":
        encoded = model.extractor(folded, valid_mask=mask)
        interests = last_valid(encoded, mask)
        return ops.reshape(interests, (-1, count, 1, dim)), None
    interests, coupling = model.extractor(
        folded, valid_mask=mask, training=training, return_coupling=True
    )
    shape = (-1, count, model.num_interests, dim)
    return ops.reshape(interests, shape), coupling
