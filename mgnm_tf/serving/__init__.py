"""From a trained model to recommendations: raw ids in, raw ids out."""

from mgnm_tf.serving.export import export
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.serving.vocabularies import Vocabularies

__all__ = ["Recommender", "Vocabularies", "export"]
