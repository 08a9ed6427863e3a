"""From an export to recommendations: raw ids in, raw ids out."""

from mgnm_tf.serving.recommender import Recommender

__all__ = ["Recommender"]
