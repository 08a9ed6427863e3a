"""From a trained model to a SavedModel, and the proof of it."""

from mgnm_tf.export.export import export
from mgnm_tf.export.vocabularies import Vocabularies

__all__ = ["Vocabularies", "export"]
