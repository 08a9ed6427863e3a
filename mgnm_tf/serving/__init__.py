"""From an export to recommendations: raw ids in, raw ids out."""

from mgnm_tf.serving.bulk.recommend_file import ListOptions
from mgnm_tf.serving.bulk.recommend_folder import FolderDone
from mgnm_tf.serving.bulk.recommend_folder import recommend_folder
from mgnm_tf.serving.bulk.recommend_partitions import recommend_partitions
from mgnm_tf.serving.recommender import Recommender

__all__ = [
    "FolderDone",
    "ListOptions",
    "Recommender",
    "recommend_folder",
    "recommend_partitions",
]
