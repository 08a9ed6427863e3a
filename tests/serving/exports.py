"""Small exports to be served."""

import keras
import numpy as np

from baselines.comirec_sa import ComiRecSA
from baselines.sasrec.tisasrec import TiSASRec
from mgnm_tf.export import export
from tests.export.worlds import words

CATEGORIES = np.array([1, 1, 2, 2, 1, 3, 0, 3, 2], "int32")
"""Of the items of `tests.export.worlds`."""


def export_interests(path, seed=0):
    """Exports a model with two interests, item vectors and categories."""
    keras.utils.set_random_seed(seed)
    model = ComiRecSA(3, 9, embedding_dim=4, num_interests=2, max_length=5)
    return export(model, words(item_categories=CATEGORIES), path)


def export_times(path):
    """Exports a model that reads times."""
    keras.utils.set_random_seed(0)
    model = TiSASRec(3, 9, embedding_dim=4, max_length=5, num_layers=1)
    return export(model, words(), path)
