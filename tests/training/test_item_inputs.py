"""Models that are trained with features of items."""

import json
import logging

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from mgnm_tf.data.item_features import read_item_features
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.export.export_run import export_run
from mgnm_tf.export.feature_map import FeatureMap
from mgnm_tf.losses import CatalogueSoftmax
from mgnm_tf.models.loading import load_model
from mgnm_tf.runs.config import configure
from mgnm_tf.runs.run import Run
from mgnm_tf.runs.run_folder import open_run
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import count_parameters
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model
from mgnm_tf.training.fit import train
from mgnm_tf.training.stages import stages_of
from tests.training.worlds import small_data

DATA = small_data(25)
MODELS = {
    "mgnm": {},
    "mgnm:paper": {},
    "sasrec": {},
    "gru4rec": {"tied": True},
    "mind": {},
    "comirec_sa": {},
    "caser": {"tied": True, "use_user": False},
    "timirec": {},
    "narm": {},
    "dsan": {},
}
REFUSED = {
    "popularity": {},
    "item_knn": {},
    "slirec": {},
    "gru4rec": {"tied": False, "temperature": None},
    "dhcn": {},
    "sgnnhn": {},
    "tgsrec": {},
}


@pytest.fixture(scope="module")
def table():
    """What is known of all items but the last two."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "item_id": DATA.item_ids,
            "price": random.normal(50, 9, DATA.num_items),
            "kind": np.asarray(DATA.item_categories)[1:].astype(str),
            "tags": [
                [f"t{one}" for one in random.integers(0, 5, 3)]
                for _ in DATA.item_ids
            ],
        }
    ).iloc[:-2]


@pytest.fixture(scope="module")
def file(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "items.parquet"
    # Others may be in it, and in any order.
    foreign = table.head(1).assign(item_id="nobody's")
    pd.concat([foreign, table[::-1]]).to_parquet(path)
    return str(path)


def configured(name, file, **settings):
    options = settings.pop("options", MODELS.get(name, {}))
    return configure(
        name,
        options={"embedding_dim": 8, **options},
        item_features=file,
        **{"max_length": 5, "batch_size": 32, "epochs": 1, **settings},
    )


@pytest.mark.parametrize("name", MODELS)
def test_items_are_scored_by_rows_and_features(name, file, table):
    config = configured(name, file, id_dropout=1.0)
    keras.utils.set_random_seed(0)
    model = make_model(DATA, config)
    plain = np.array(model.item_vectors())
    rows = np.random.default_rng(0).normal(size=(DATA.num_items + 1, 8))
    model.item_embedding.embeddings.assign(rows)
    vectors = np.array(model.item_vectors())
    assert (vectors[1:] != plain[1:]).all()
    # Without their rows: what a new item with these features will have.
    model.item_embedding.embeddings.assign(np.zeros_like(rows))
    new = FeatureMap.of_model(model)(read_item_features(table))
    vectors = np.array(model.item_vectors())
    assert np.ptp(vectors[1:-2]) > 0
    np.testing.assert_allclose(vectors[1:-2], new, atol=1e-5)
    np.testing.assert_array_equal(vectors[[0, -1, -2]], 0)
    # One step reaches the features, and no row that was left out.
    compile_model(model, DATA, config)
    batches, _ = make_batches(model, DATA, config)
    (features, labels), *_ = batches.take(1)
    before = [np.array(one) for one in model.item_embedding.trainable_weights]
    tf.config.run_functions_eagerly(True)
    try:
        model.train_on_batch(features, labels)
    finally:
        tf.config.run_functions_eagerly(False)
    after = [np.array(one) for one in model.item_embedding.trainable_weights]
    np.testing.assert_array_equal(after[0][1:-2], before[0][1:-2])
    assert all((x != y).any() for x, y in zip(before[1:], after[1:]))


@pytest.mark.parametrize("name", REFUSED)
def test_models_without_an_item_table_are_refused(name, file):
    config = configure(name, options=REFUSED[name], item_features=file)
    with pytest.raises(UserError, match=f"{name} does not score items by the"):
        make_model(DATA, config)


def test_all_items_are_known_by_features_in_the_exact_softmax(file):
    config = configured("youtube_dnn", file, id_dropout=1.0)
    model = make_model(DATA, config)
    model.compile(loss=CatalogueSoftmax())
    plain = np.array(model.scored_vectors())
    np.testing.assert_array_equal(plain, model.item_vectors())
    scored = np.array(model.scored_vectors(training=True))
    assert (scored[1:-2] != plain[1:-2]).any(axis=1).all()
    projected = model.item_embedding.projection(np.arange(DATA.num_items + 1))
    projected = keras.ops.normalize(projected, axis=-1)
    np.testing.assert_allclose(scored[1:-2], projected[1:-2], atol=1e-5)


def test_what_is_missing_is_counted(file, caplog):
    caplog.set_level(logging.WARNING, logger="mgnm_tf")
    model = make_model(DATA, configured("youtube_dnn", file))
    assert f"2 of {DATA.num_items} items have no features" in caplog.text
    plain = make_model(DATA, configured("youtube_dnn", ""))
    further = model.item_embedding.projection.trainable_weights
    expected = count_parameters(plain) + sum(x.numpy().size for x in further)
    assert count_parameters(model) == expected
    assert plain.item_features is None


def test_features_that_cannot_be_used(table, tmp_path):
    path = tmp_path / "items.parquet"
    table.assign(item_id=[f"x{one}" for one in table["item_id"]]).to_parquet(
        path
    )
    with pytest.raises(UserError, match=f"names none of the {DATA.num_items}"):
        make_model(DATA, configured("youtube_dnn", str(path)))
    with pytest.raises(DataError, match="There is no file"):
        make_model(DATA, configured("youtube_dnn", str(tmp_path / "none")))
    with pytest.raises(UserError, match="id_dropout"):
        configured("youtube_dnn", str(path), id_dropout=1.5)


def test_items_with_many_classes_do_not_widen_the_table(table, tmp_path):
    path = tmp_path / "items.parquet"
    tags = [list(row) for row in table["tags"]]
    tags[0] = [f"t{one}" for one in range(40)]
    table.assign(tags=tags).to_parquet(path)
    model = make_model(DATA, configured("youtube_dnn", str(path)))
    known = model.item_features
    assert known["classes_per_item"] < 6
    assert known["columns"]["most_classes"] == known["classes_per_item"]


def test_a_stage_has_the_features_of_its_run(file):
    config = configured("timirec", file, id_dropout=0.25)
    (stage,) = stages_of(config)
    assert (stage.item_features, stage.id_dropout) == (file, 0.25)


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    tf.config.run_functions_eagerly(True)
    path = tmp_path_factory.mktemp("runs") / "run"
    train(DATA, configured("youtube_dnn", file), path, verbose=0)
    tf.config.run_functions_eagerly(False)
    return path


def test_a_run_knows_its_features(run, file):
    model = Run(run).load_model()
    projection = model.item_embedding.projection
    assert np.array(projection.item_classes).any()
    assert model.item_features["id_dropout"] == 0.1
    again = load_model(run / "model.keras")
    np.testing.assert_array_equal(again.item_vectors(), model.item_vectors())
    assert Run(run).config.item_features == file
    assert len(Run(run).environment["item_features"]["sha256"]) == 64
    assert "item_features" not in (run / "recipe.toml").read_text()
    assert "id_dropout" in (run / "recipe.toml").read_text()


def test_an_export_knows_new_items_by_what_the_training_learned(
    run, table, tmp_path
):
    pytest.importorskip("faiss", reason="needs the extra [retrieval]")
    proof = export_run(run, tmp_path / "e", DATA, index=True)
    assert not proof.different
    header = json.loads((tmp_path / "e" / "export.json").read_text())
    assert header["item_features"]["learned"] == "in training"
    assert header["run"]["config"]["item_features"] == "items.parquet"
    recommender = Recommender.load(tmp_path / "e")
    new = table.head(3).assign(item_id=["new 1", "new 2", "new 3"])
    recommender.add_items(features=new)
    layer = Run(run).load_model().item_embedding
    expected = layer.projection(np.array([1, 2, 3]))
    if layer.unit_norm:
        expected = keras.ops.normalize(expected, axis=-1)
    found = recommender.item_vectors(["new 1", "new 2", "new 3"])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert {"new 1", "new 3"} <= set(recommender.recommended_items())
    with pytest.raises(UserError, match="in the column 'price'"):
        recommender.add_items(features=new.drop(columns="price"))
    with pytest.raises(UserError, match="leave --item-features out"):
        export_run(run, tmp_path / "f", DATA, item_features=new)
    assert not (tmp_path / "f").exists()


def test_an_unfinished_run_keeps_its_features(file, tmp_path):
    config = configured("youtube_dnn", file)
    environment = {
        "data": {"fingerprint": "a", "path": "", "name": "small"},
        "item_features": {"sha256": "b"},
    }
    with (
        pytest.raises(KeyboardInterrupt),
        open_run(tmp_path / "r", config, environment),
    ):
        raise KeyboardInterrupt
    environment["item_features"] = {"sha256": "c"}
    with (
        pytest.raises(UserError, match="with other item features than"),
        open_run(tmp_path / "r", config, environment),
    ):
        pass
