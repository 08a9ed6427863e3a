"""Vectors of new items from their features."""

import json

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.item_features import ItemFeatures
from mgnm_tf.data.item_features import read_item_features
from mgnm_tf.errors import UserError
from mgnm_tf.export.export_run import export_run
from mgnm_tf.export.feature_map import FeatureMap
from mgnm_tf.export.feature_map import learn_features
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.models.registry import create_model
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.training.fit import train
from tests.training.worlds import small_data

RANDOM = np.random.default_rng(0)
COUNTS = RANDOM.integers(1, 50, 60)


def features_of(count, random):
    """Returns numbers far from 0, and classes."""
    classes = np.empty(count, object)
    classes[:] = [[f"c{one}"] for one in random.integers(0, 3, count)]
    numbers = {
        "price": 100 + 5 * random.normal(size=(count, 1)),
        "text": random.normal(size=(count, 2)),
    }
    ids = [f"i{place}" for place in range(count)]
    return ItemFeatures(ids, numbers, {"category": classes})


def planted(features):
    """Returns vectors that follow from the features."""
    turn = np.random.default_rng(1)
    of_class = {f"c{one}": turn.normal(size=4) for one in range(3)}
    classes = np.array(
        [of_class[one] for (one,) in features.classes["category"]]
    )
    return (
        classes
        + features.numbers["price"] / 10 * turn.normal(size=4)
        + features.numbers["text"] @ turn.normal(size=(2, 4))
    )


def test_planted_vectors_are_found_for_items_that_were_not_there():
    features, new = features_of(60, RANDOM), features_of(9, RANDOM)
    learned = FeatureMap.fit(features, planted(features), COUNTS)
    assert learned.penalty == 1.0
    assert learned.length == 0.0
    error = learned(new) - planted(new)
    spread = planted(new) - planted(new).mean(axis=0)
    assert np.square(error).sum() < 0.01 * np.square(spread).sum()


def test_features_that_say_nothing_are_shrunk_away():
    features = features_of(60, RANDOM)
    vectors = RANDOM.normal(size=(60, 4))
    learned = FeatureMap.fit(features, vectors, COUNTS)
    assert learned.penalty == 1000.0
    mean = np.average(vectors, axis=0, weights=np.sqrt(COUNTS))
    np.testing.assert_allclose(learned(features).mean(axis=0), mean, atol=0.1)


def test_vectors_have_length_1_where_those_of_the_model_have():
    features = features_of(60, RANDOM)
    vectors = planted(features)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = FeatureMap.fit(features, vectors, COUNTS)(features)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_it_is_written_and_read(tmp_path):
    features = features_of(60, RANDOM)
    learned = FeatureMap.fit(features, planted(features), COUNTS)
    learned.save(tmp_path / "features")
    again = FeatureMap.load(tmp_path / "features")
    np.testing.assert_array_equal(again(features), learned(features))
    (tmp_path / "features" / "map.npz").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be read"):
        FeatureMap.load(tmp_path / "features")


def test_columns_that_are_missing_are_named():
    features = features_of(60, RANDOM)
    learned = FeatureMap.fit(features, planted(features), COUNTS)
    rest = ItemFeatures(["a"], {"price": np.ones((1, 1))}, {})
    with pytest.raises(UserError, match="2 numbers in the column 'text'"):
        learned(rest)
    rest.numbers["text"] = np.ones((1, 2))
    with pytest.raises(UserError, match="text in the column 'category'"):
        learned(rest)
    unknown = np.empty(1, object)
    unknown[0] = ["never seen"]
    rest.classes["category"] = unknown
    assert np.isfinite(learned(rest)).all()


def test_too_few_items_and_models_without_vectors_are_refused():
    words = Vocabularies(["u"], ["a", "b"], [3, 1])
    features = read_item_features(
        pd.DataFrame({"item_id": ["b", "z"], "price": [1.0, 2.0]})
    )
    model = create_model("youtube_dnn", 1, 2, {"embedding_dim": 4})
    with pytest.raises(UserError, match="name 1 items of the model; at least"):
        learn_features(model, words, features)
    with pytest.raises(UserError, match="ItemKNN does not score items by vec"):
        learn_features(create_model("item_knn", 1, 2), words, features)


@pytest.mark.usefixtures("eagerly")
def test_an_export_knows_new_items_by_their_features(tmp_path):
    pytest.importorskip("faiss", reason="needs the extra [retrieval]")
    data = small_data(25)
    config = TrainConfig(
        model="youtube_dnn", max_length=5, epochs=1, batch_size=64
    )
    run = train(data, config, tmp_path / "run", verbose=0)
    categories = np.asarray(data.item_categories)[1:].astype(str)
    table = pd.DataFrame(
        {"item_id": data.item_ids, "category": categories, "price": 1.0}
    )
    table.to_parquet(tmp_path / "features.parquet")
    export_run(
        run,
        tmp_path / "e",
        data,
        index=True,
        item_features=tmp_path / "features.parquet",
    )
    header = json.loads((tmp_path / "e" / "export.json").read_text())
    assert header["item_features"]["numbers"] == {"price": 1}
    assert "features/map.npz" in header["sha256"]
    recommender = Recommender.load(tmp_path / "e")
    new = table.head(2).assign(item_id=["new 1", "new 2"])
    recommender.add_items(features=new)
    assert {"new 1", "new 2"} <= set(recommender.recommended_items())
    again = Recommender.load(tmp_path / "e")
    expected = recommender.feature_map(read_item_features(new))
    found = again.item_vectors(["new 1", "new 2"])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(UserError, match="or as `features` alone"):
        again.add_items(["new 3"], features=new)
    with pytest.raises(UserError, match="or as `features` alone"):
        again.add_items()
    again.feature_map = None
    with pytest.raises(UserError, match="does not know items by features"):
        again.add_items(features=new)
