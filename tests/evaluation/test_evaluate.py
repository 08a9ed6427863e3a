"""Evaluation of whole data sets, and its figures."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.pipeline import make_dataset
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import Evaluation
from mgnm_tf.evaluation.evaluate import evaluate
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.metrics import MRR
from mgnm_tf.metrics import NDCG
from mgnm_tf.metrics import GroupAUC
from mgnm_tf.metrics import HitRate
from tests.data.toy import toy_data
from tests.evaluation.models import Fixed
from tests.evaluation.models import SumVector


@pytest.fixture(scope="module")
def data():
    return toy_data()


@pytest.fixture(scope="module")
def model(data):
    return SumVector(data.num_users, data.num_items)


def by_hand():
    """Returns an evaluation of three samples of two users."""
    samples = pd.DataFrame(
        {
            "user_id": ["b", "a", "b"],
            "item_id": ["x", "x", "ü,1"],
            "position": [3, 5, 9],
            "rank": np.array([0, 4.5, 10], "float32"),
            "num_negatives": [10, 10, 20],
        }
    )
    return Evaluation(Protocol(), samples)


def test_figures_by_hand():
    found = by_hand().metrics()
    assert list(found) == ["gauc", "ndcg@5", "hit@5", "mrr@5"]
    assert found == pytest.approx(
        {
            "gauc": (1 + 0.55 + 0.5) / 3,
            "ndcg@5": (1 + 1 / np.log2(6.5)) / 3,
            "hit@5": 2 / 3,
            "mrr@5": (1 + 1 / 5.5) / 3,
        }
    )


def test_per_user_by_hand():
    table = by_hand().per_user()
    assert table["user_id"].tolist() == ["a", "b"]
    assert table["samples"].tolist() == [1, 2]
    np.testing.assert_allclose(table["gauc"], [0.55, 0.75], rtol=1e-7)
    np.testing.assert_allclose(table["hit@5"], [1.0, 0.5])


def test_weighting_of_gauc():
    other = dataclasses.replace(
        by_hand(), protocol=Protocol(gauc_weighting="users")
    )
    assert other.metrics()["gauc"] == pytest.approx((0.55 + 0.75) / 2)
    assert other.metrics()["hit@5"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_equal_to_keras_metrics(data, model, part):
    metrics = [GroupAUC(), NDCG(), HitRate(), MRR()]
    model.compile(metrics=metrics)
    inside = model.evaluate(
        make_dataset(data, part, negatives=50, seed=2, batch_size=7),
        verbose=0,
        return_dict=True,
    )
    offline = evaluate(model, data, Protocol(part, 50, seed=2)).metrics()
    for name, value in offline.items():
        assert inside[name] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("negatives", [30, "all"])
def test_batch_and_chunk_size_change_nothing(data, model, negatives):
    protocol = Protocol(negatives=negatives)
    first = evaluate(model, data, protocol)
    second = evaluate(model, data, protocol, batch_size=7, chunk_size=11)
    pd.testing.assert_frame_equal(first.samples, second.samples)


def test_samples_stand_in_the_order_of_the_data(data, model):
    samples = evaluate(model, data, Protocol(negatives=5)).samples
    positions = data.positions("test")
    assert samples["position"].tolist() == positions.tolist()
    assert samples["user_id"].tolist() == [
        f"user {n}" for n in data.sequences[positions]
    ]
    assert samples["item_id"].tolist() == [
        f"item {n}" for n in data.items[positions]
    ]


@pytest.mark.parametrize("exclude", ["history", "user", "none"])
def test_catalogue_without_what_is_excluded(data, exclude):
    # The higher the id, the better: ranks follow from the ids alone.
    model = Fixed(data.num_users, data.num_items, np.arange(61))
    protocol = Protocol("validation", "all", exclude, max_length=6)
    samples = evaluate(model, data, protocol).samples
    for row in samples.itertuples():
        sequence = data.sequences[row.position]
        start = data.offsets[sequence]
        excluded = {
            "history": data.items[max(start, row.position - 6) : row.position],
            "user": data.items[start : row.position + 1],
            "none": [],
        }[exclude]
        positive = data.items[row.position]
        others = set(range(1, 61)) - {*map(int, excluded), int(positive)}
        assert row.num_negatives == len(others)
        assert row.rank == sum(other > positive for other in others)


def test_constant_model_has_gauc_one_half(data):
    model = Fixed(data.num_users, data.num_items, np.ones(61))
    for negatives in (40, "all"):
        found = evaluate(model, data, Protocol(negatives=negatives)).metrics()
        assert found["gauc"] == 0.5
        assert found["hit@5"] == 0.0


def test_seed_of_the_protocol_changes_the_lists(data, model):
    first = evaluate(model, data, Protocol(negatives=20)).samples
    second = evaluate(model, data, Protocol(negatives=20, seed=1)).samples
    assert (first["rank"] != second["rank"]).any()


def test_features_that_the_model_needs_are_there(data):
    class Timed(SumVector):
        required_features = ("history_time", "candidate_category")

        def encode(self, features, training=False):
            assert set(self.required_features) <= features.keys()
            return super().encode(features)

    model = Timed(data.num_users, data.num_items)
    for negatives in (10, "all"):
        evaluate(model, data, Protocol(negatives=negatives))


@pytest.mark.parametrize(
    ("sizes", "name"), [((41, 60), "num_users"), ((40, 59), "num_items")]
)
def test_model_of_other_data(data, sizes, name):
    with pytest.raises(UserError, match=f"made for {name}=.* data have"):
        evaluate(SumVector(*sizes), data)


def test_saved_and_loaded(tmp_path):
    evaluation = by_hand()
    path = tmp_path / "new" / "ranks.parquet"
    evaluation.save(path)
    loaded = Evaluation.load(path)
    assert loaded.protocol == evaluation.protocol
    pd.testing.assert_frame_equal(loaded.samples, evaluation.samples)
    assert loaded.metrics() == evaluation.metrics()
    with pytest.raises(OutputExistsError):
        evaluation.save(path)
    evaluation.save(path, overwrite=True)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_load_errors(tmp_path):
    path = tmp_path / "ranks.parquet"
    with pytest.raises(UserError, match="does not exist"):
        Evaluation.load(path)
    path.write_text("user_id,rank\n")
    with pytest.raises(UserError, match="not a Parquet file"):
        Evaluation.load(path)
    pd.DataFrame({"rank": [1]}).to_parquet(path)
    with pytest.raises(UserError, match="does not hold the ranks"):
        Evaluation.load(path)


def test_early_stopping_sees_the_metric(data, model):
    model.compile(metrics=[NDCG()])
    history = model.fit(
        make_dataset(data, batch_size=128),
        validation_data=make_dataset(data, "validation", negatives=20),
        callbacks=[keras.callbacks.EarlyStopping("val_ndcg@5", mode="max")],
        shuffle=False,
        verbose=0,
    )
    assert 0 <= history.history["val_ndcg@5"][0] <= 1
