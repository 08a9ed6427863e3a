"""The layers of MGNM, made from its options."""

import keras

from mgnm_tf.layers.embedding.user_embedding import UserEmbedding
from mgnm_tf.layers.graph.graph_propagation import GraphPropagation
from mgnm_tf.layers.graph.user_aware_adjacency import UserAwareAdjacency
from mgnm_tf.layers.interest.bilstm_extractor import BiLSTMExtractor
from mgnm_tf.layers.interest.capsule_extractor import CapsuleExtractor
from mgnm_tf.layers.interest.interest_extractor import InterestExtractor
from mgnm_tf.layers.interest.interest_predictor import InterestPredictor
from mgnm_tf.layers.interest.item_extractor import ItemExtractor
from mgnm_tf.layers.interest.sum_extractor import SumExtractor
from mgnm_tf.layers.scoring.interest_attention import InterestAttention
from mgnm_tf.layers.scoring.interest_scale import InterestScale
from mgnm_tf.layers.scoring.level_pooling import LevelPooling
from mgnm_tf.layers.sequence.sequence_encoder import KINDS
from mgnm_tf.layers.sequence.sequence_encoder import SequenceEncoder
from mgnm_tf.utils.initializers import get_initializer
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

EXTRACTORS = ("capsule", "bilstm", "sum", "self_attention")
"""The values of `interest_extractor`."""

WITHOUT_ATTENTION = ("bilstm", "self_attention")
"""Those whose interests are no weighted sums of the items."""

FIRST_STAGE = (
    "item_embedding",
    "user_embedding",
    "propagation",
    "extractor",
    "history_encoder",
    "scale",
)
"""The layers that a model whose target interest is predicted takes over."""

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


def check_options(model) -> None:
    """Checks what no layer of a model checks.

    Args:
        model: an `MGNM` that has its options.

    Raises:
        TypeError: a number is none.
        ValueError: an option is unknown or out of range.
    """
    check_positive_int(model.embedding_dim, "embedding_dim")
    check_positive_int(model.max_length, "max_length")
    check_choice(model.interest_extractor, "interest_extractor", EXTRACTORS)
    check_choice(model.history_encoder, "history_encoder", (None, *KINDS))
    check_choice(model.l2_scope, "l2_scope", ("batch", "all"))
    check_range(model.dropout, "dropout", 0.0, 1.0)
    check_range(model.adjacency_l1, "adjacency_l1")
    check_range(model.l2, "l2")


def create_layers(model) -> None:
    """Creates and builds every layer of a model, as its attributes.

    Saved files know the layers by these names, and the draws of the first
    weights depend on the order.

    Args:
        model: an `MGNM` that has its options.
    """
    policy = {"dtype": model.dtype_policy}
    dim, count = model.embedding_dim, model.num_layers + 1
    items_shape = (None, None, dim)
    seeds = (None, None)
    if model.seed is not None:
        seeds = (2 * model.seed, 2 * model.seed + 1)
    model.item_embedding = model.make_item_embedding(
        dim,
        embeddings_initializer=get_initializer(
            model.embeddings_initializer, seeds[0]
        ),
        unit_norm=model.temperature is not None,
    )
    model.user_embedding = None
    if model.user_aware and model.num_layers:
        model.user_embedding = UserEmbedding(
            model.num_users,
            dim,
            dropout=model.user_dropout,
            embeddings_initializer=get_initializer(
                model.embeddings_initializer, seeds[1]
            ),
            seed=model.seed,
            name="user_embedding",
            **policy,
        )
    model.adjacency = UserAwareAdjacency(
        user_aware=model.user_aware,
        scale=model.adjacency_scale,
        offset=model.adjacency_offset,
        name="adjacency",
        **policy,
    )
    model.propagation = GraphPropagation(
        model.num_layers,
        normalization=model.adjacency_normalization,
        use_weights=model.graph_weights,
        use_bias=model.graph_bias,
        name="propagation",
        **policy,
    )
    model.propagation.build(items_shape)
    model.history_dropout = keras.layers.Dropout(
        model.dropout, seed=model.seed, name="history_dropout", **policy
    )
    model.extractor = create_extractor(model)
    model.extractor.build((None, count, None, dim))
    model.encoder = None
    if model.history_encoder is not None:
        model.encoder = SequenceEncoder(
            model.history_encoder,
            max_length=model.max_length,
            name="history_encoder",
            **policy,
        )
        model.encoder.build(items_shape)
    model.scale = InterestScale(
        model.temperature, model.interest_bias, name="scale", **policy
    )
    model.scale.build((None, None, None, dim))
    model.attention = InterestAttention(name="attention", **policy)
    model.pooling = LevelPooling(model.level_pooling, name="pooling", **policy)
    model.predictor = None
    if model.distillation_temperature is not None:
        model.predictor = create_predictor(model)
        model.predictor.build()
        model.first_stage = FIRST_STAGE


def create_extractor(model) -> InterestExtractor:
    """Returns the layer that reads interests off levels, not built.

    Args:
        model: an `MGNM`; its `interest_extractor` decides.
    """
    common = {"name": "extractor", "dtype": model.dtype_policy}
    if model.interest_extractor == "capsule":
        return CapsuleExtractor(
            projection=model.capsule_projection,
            activation=model.interest_activation,
            **{name: getattr(model, name) for name in CAPSULE_OPTIONS},
            **common,
        )
    if model.interest_extractor == "bilstm":
        return BiLSTMExtractor(max_length=model.max_length, **common)
    if model.interest_extractor == "sum":
        return SumExtractor(**common)
    return ItemExtractor(**common)


def create_predictor(model) -> InterestPredictor:
    """Returns the layer that says which interest comes next, not built.

    Args:
        model: an `MGNM` that has its extractor.

    Raises:
        ValueError: its temperature is out of range, or there are no two
            interests to tell from each other.
    """
    check_range(
        model.distillation_temperature, "distillation_temperature", 1e-3, 1e3
    )
    count = (model.extractor.interests_per_level or 0) * (model.num_layers + 1)
    if count < 2:
        raise ValueError(
            "Which interest a positive wants can be distilled from two "
            "interests on, whose number is the same for all histories. "
            f"Received: interest_extractor={model.interest_extractor!r}, "
            f"num_interests={model.num_interests}, "
            f"num_layers={model.num_layers} with distillation_temperature="
            f"{model.distillation_temperature}"
        )
    return InterestPredictor(
        model.num_items,
        model.embedding_dim,
        count,
        name="predictor",
        dtype=model.dtype_policy,
    )
