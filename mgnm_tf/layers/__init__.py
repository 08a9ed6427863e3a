"""Keras layers, each usable alone; they know nothing but Keras."""

from mgnm_tf.layers.attentive_pooling import AttentivePooling
from mgnm_tf.layers.augru_cell import AUGRUCell
from mgnm_tf.layers.causal_transformer import CausalTransformer
from mgnm_tf.layers.dynamic_routing import DynamicRouting
from mgnm_tf.layers.feed_forward import FeedForward
from mgnm_tf.layers.graph_pooling import GraphPooling
from mgnm_tf.layers.graph_propagation import GraphPropagation
from mgnm_tf.layers.interest_attention import InterestAttention
from mgnm_tf.layers.interest_graph import InterestGraph
from mgnm_tf.layers.interest_scale import InterestScale
from mgnm_tf.layers.item_embedding import ItemEmbedding
from mgnm_tf.layers.level_pooling import LevelPooling
from mgnm_tf.layers.max_interest import MaxInterest
from mgnm_tf.layers.memory_cell import MemoryCell
from mgnm_tf.layers.recency_prior import RecencyPrior
from mgnm_tf.layers.sequence_encoder import SequenceEncoder
from mgnm_tf.layers.sequential_capsule import SequentialCapsule
from mgnm_tf.layers.squash import Squash
from mgnm_tf.layers.target_attention import TargetAttention
from mgnm_tf.layers.temporal_attention import TemporalAttention
from mgnm_tf.layers.temporal_neighbors import TemporalNeighbors
from mgnm_tf.layers.time_encoding import TimeEncoding
from mgnm_tf.layers.time_lstm import TimeLSTM
from mgnm_tf.layers.time_lstm_cell import TimeLSTMCell
from mgnm_tf.layers.user_aware_adjacency import UserAwareAdjacency
from mgnm_tf.layers.user_embedding import UserEmbedding

__all__ = [
    "AUGRUCell",
    "AttentivePooling",
    "CausalTransformer",
    "DynamicRouting",
    "FeedForward",
    "GraphPooling",
    "GraphPropagation",
    "InterestAttention",
    "InterestGraph",
    "InterestScale",
    "ItemEmbedding",
    "LevelPooling",
    "MaxInterest",
    "MemoryCell",
    "RecencyPrior",
    "SequenceEncoder",
    "SequentialCapsule",
    "Squash",
    "TargetAttention",
    "TemporalAttention",
    "TemporalNeighbors",
    "TimeEncoding",
    "TimeLSTM",
    "TimeLSTMCell",
    "UserAwareAdjacency",
    "UserEmbedding",
]
