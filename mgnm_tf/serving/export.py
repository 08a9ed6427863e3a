"""Writes a model as a SavedModel that is served without this package."""

import os
from pathlib import Path

from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.serving.vocabularies import Vocabularies


def export(
    model: SequentialRecommender,
    vocabularies: Vocabularies,
    path: str | os.PathLike,
    *,
    max_length: int | None = None,
    card: str | None = None,
) -> Path:
    """Writes an export folder.

    Args:
        model: the trained model.
        vocabularies: its raw ids.
        path: the folder to make.
        max_length: the longest history that the model reads. Defaults to
            `None`: that of the model.
        card: the model card, Markdown. Defaults to `None`.

    Returns:
        The path of the folder.
    """
    raise NotImplementedError
