"""Keras layers, each usable alone; they know nothing but Keras."""

from mgnm_tf.layers.embedding.item_embedding import ItemEmbedding
from mgnm_tf.layers.embedding.user_embedding import UserEmbedding
from mgnm_tf.layers.graph.gated_graph_step import GatedGraphStep
from mgnm_tf.layers.graph.graph_propagation import GraphPropagation
from mgnm_tf.layers.graph.session_graph import SessionGraph
from mgnm_tf.layers.graph.session_graph_encoder import SessionGraphEncoder
from mgnm_tf.layers.graph.star_graph_encoder import StarGraphEncoder
from mgnm_tf.layers.graph.user_aware_adjacency import UserAwareAdjacency
from mgnm_tf.layers.interest.atten_mixer_readout import AttenMixerReadout
from mgnm_tf.layers.interest.bilstm_extractor import BiLSTMExtractor
from mgnm_tf.layers.interest.capsule_extractor import CapsuleExtractor
from mgnm_tf.layers.interest.dynamic_routing import DynamicRouting
from mgnm_tf.layers.interest.interest_extractor import InterestExtractor
from mgnm_tf.layers.interest.interest_predictor import InterestPredictor
from mgnm_tf.layers.interest.item_extractor import ItemExtractor
from mgnm_tf.layers.interest.label_aware_attention import LabelAwareAttention
from mgnm_tf.layers.interest.recency_prior import RecencyPrior
from mgnm_tf.layers.interest.sequential_capsule import SequentialCapsule
from mgnm_tf.layers.interest.squash import Squash
from mgnm_tf.layers.interest.sum_extractor import SumExtractor
from mgnm_tf.layers.scoring.feed_forward import FeedForward
from mgnm_tf.layers.scoring.interest_attention import InterestAttention
from mgnm_tf.layers.scoring.interest_scale import InterestScale
from mgnm_tf.layers.scoring.level_pooling import LevelPooling
from mgnm_tf.layers.scoring.max_interest import MaxInterest
from mgnm_tf.layers.scoring.target_attention import TargetAttention
from mgnm_tf.layers.sequence.attentive_pooling import AttentivePooling
from mgnm_tf.layers.sequence.relative_bias import RelativeBias
from mgnm_tf.layers.sequence.sequence_encoder import SequenceEncoder
from mgnm_tf.layers.sequence.soft_attention_readout import SoftAttentionReadout
from mgnm_tf.layers.sequence.transduction_unit import TransductionUnit

__all__ = [
    "AttenMixerReadout",
    "AttentivePooling",
    "BiLSTMExtractor",
    "CapsuleExtractor",
    "DynamicRouting",
    "FeedForward",
    "GatedGraphStep",
    "GraphPropagation",
    "InterestAttention",
    "InterestExtractor",
    "InterestPredictor",
    "InterestScale",
    "ItemEmbedding",
    "ItemExtractor",
    "LabelAwareAttention",
    "LevelPooling",
    "MaxInterest",
    "RecencyPrior",
    "RelativeBias",
    "SequenceEncoder",
    "SequentialCapsule",
    "SessionGraph",
    "SessionGraphEncoder",
    "SoftAttentionReadout",
    "Squash",
    "StarGraphEncoder",
    "SumExtractor",
    "TargetAttention",
    "TransductionUnit",
    "UserAwareAdjacency",
    "UserEmbedding",
]
