import numpy as np
import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.serving.similar_items import SimilarItems
from tests.export.worlds import ITEMS
from tests.export.worlds import export_sums
from tests.serving.exports import export_interests


def test_largest_cosines_first_without_the_item_itself(tmp_path):
    recommender = Recommender.load(export_interests(tmp_path / "served"))
    ids, cosines = SimilarItems(recommender).to("milk", 3)
    vectors = recommender.item_vectors()
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = units @ units[ITEMS.index("milk")]
    order = [ITEMS[row] for row in np.argsort(-expected) if row != 1]
    assert ids == order[:3]
    np.testing.assert_allclose(cosines, np.sort(expected)[::-1][1:4], rtol=1e-5)
    everything, _ = SimilarItems(recommender).to("milk", 100)
    assert sorted(everything) == sorted(set(ITEMS) - {"milk"})
    with pytest.raises(UserError, match="does not know the item 'gone'"):
        SimilarItems(recommender).to("gone", 3)


def test_a_model_without_vectors(tmp_path):
    recommender = Recommender.load(export_sums(tmp_path / "served"))
    with pytest.raises(UserError, match="Sums has no item vectors"):
        SimilarItems(recommender).to("milk", 3)
