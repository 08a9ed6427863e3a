"""Evaluation of whole data sets, and its figures."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.errors import OutputExistsError
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import evaluate
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.metrics import MRR
from mgnm_tf.metrics import NDCG
from mgnm_tf.metrics import GroupAUC
from mgnm_tf.metrics import HitRate
from mgnm_tf.models.registry import model_class
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.training.build import make_model
from tests.data.toy import toy_data
from tests.data.worlds import log_of
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
    assert samples["position"].dtype == np.int64


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


def test_protocol_of_the_timirec_paper(data):
    """1,000 items that the user never met, with replacement; ties lose."""
    levels = np.random.default_rng(3).integers(0, 5, 61)
    model = Fixed(data.num_users, data.num_items, levels)
    protocol = Protocol(
        negatives=30, exclude="user", tied_scores="above", max_length=20
    )
    samples = evaluate(model, data, protocol).samples
    batches = make_dataset(
        data, "test", negatives=30, exclude="user", max_length=20, batch_size=9
    )
    lists = np.concatenate([x["candidates"] for x, _ in batches])
    by_positive = {}
    for positive, *drawn in lists.tolist():
        by_positive.setdefault(positive, []).append(drawn)
    repeated = 0
    for row in samples.itertuples():
        sequence = data.sequences[row.position]
        start, end = data.offsets[sequence : sequence + 2]
        never_met = set(range(1, 61)) - set(data.items[start:end].tolist())
        positive = int(data.items[row.position])
        possible = [
            drawn
            for drawn in by_positive[positive]
            if set(drawn) <= never_met
            and row.rank == sum(levels[drawn] >= levels[positive])
        ]
        assert possible
        repeated += len(possible[0]) - len(set(possible[0]))
        assert row.num_negatives == 30
    assert repeated


def test_ties_against_the_positive(data):
    model = Fixed(data.num_users, data.num_items, np.ones(61))
    for negatives in (40, "all"):
        protocol = Protocol(negatives=negatives, tied_scores="above")
        found = evaluate(model, data, protocol).metrics()
        assert found["gauc"] == found["hit@5"] == 0.0


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


def seen_all(others="abab"):
    """Users 0 and 1 have seen the whole catalogue before the target."""
    events = ["abcabc", "abcabc", others, others]
    return split_log(
        log_of(
            [
                (f"u{user}", item, time)
                for user, items in enumerate(events)
                for time, item in enumerate(items, 1)
            ]
        )
    )


@pytest.mark.parametrize("exclude", ["history", "user"])
@pytest.mark.parametrize("weighting", ["samples", "users"])
@pytest.mark.parametrize("negatives", ["all", 1])
def test_samples_without_a_negative_do_not_count(
    exclude, weighting, negatives, caplog
):
    data = seen_all()
    assert data.num_items == 3
    scores = [0, *({"a": 2, "b": 3, "c": 1}[item] for item in data.item_ids)]
    protocol = Protocol("test", negatives, exclude, 1, weighting)
    found = evaluate(Fixed(4, 3, scores), data, protocol)
    # What Keras measures while training is the same.
    if negatives == 1 and weighting == "samples":
        model = Fixed(4, 3, scores)
        model.compile(metrics=[GroupAUC(), NDCG(1), HitRate(1), MRR(1)])
        batches = make_dataset(data, "test", negatives=1, exclude=exclude)
        inside = model.evaluate(batches, verbose=0, return_dict=True)
        assert inside.items() >= found.metrics().items()
    # The item c is all that is left to the other two.
    perfect = {"gauc": 1.0, "ndcg@1": 1.0, "hit@1": 1.0, "mrr@1": 1.0}
    assert found.metrics() == perfect
    assert found.counts() == {"ranked": 4, "without_negatives": 2}
    assert "2 of the 4 test samples have no negative" in caplog.text
    assert (
        found.per_sample()["hit@1"].isna().tolist() == [True] * 2 + [False] * 2
    )
    assert found.per_user()["user_id"].tolist() == ["u2", "u3"]


@pytest.mark.parametrize("negatives", ["all", 1])
def test_there_must_be_a_sample_with_a_negative(negatives):
    data = seen_all("bcabca")
    with pytest.raises(UserError, match="None of the 4 test samples has a neg"):
        evaluate(Fixed(4, 3, np.arange(4)), data, Protocol("test", negatives))


def test_a_catalogue_smaller_than_the_negatives_is_ranked_as_a_whole(
    data, model, caplog
):
    found = evaluate(model, data, Protocol(negatives=59))
    assert found.protocol == Protocol(negatives="all")
    assert "59 negatives are asked for, but there are 60 items" in caplog.text
    whole = evaluate(model, data, Protocol(negatives="all"))
    pd.testing.assert_frame_equal(found.samples, whole.samples)
    caplog.clear()
    found = evaluate(model, data, Protocol(negatives=58))
    assert found.protocol.negatives == 58
    assert not caplog.records


def test_several_k_give_the_figures_of_each(data, model):
    several = evaluate(model, data, Protocol(negatives=30, k=(3, 10)))
    for k in (3, 10):
        alone = dataclasses.replace(several, protocol=Protocol(k=k)).metrics()
        assert alone.items() <= several.metrics().items()
    assert list(several.metrics()) == list(several.protocol.metric_names)


def test_the_pool_of_a_user_by_hand():
    samples = pd.DataFrame(
        {
            "user_id": ["a", "b", "b", "c", "c"],
            "rank": np.array([4, 1, 9, 0, 3], "float32"),
            "num_negatives": [10, 10, 10, 10, 0],
        }
    )
    pool = Evaluation(Protocol(aggregate="user_pool"), samples)
    table = pool.per_user()
    assert table["samples"].tolist() == [1, 2, 1]
    # User b: one of ten negatives above the best is two of twenty.
    assert table["hit@5"].tolist() == [1.0, 1.0, 1.0]
    np.testing.assert_allclose(table["mrr@5"], [1 / 5, 1 / 3, 1.0])
    np.testing.assert_allclose(table["ndcg@5"], 1 / np.log2([6, 4, 2]))
    found = pool.metrics()
    assert found["mrr@5"] == pytest.approx((1 / 5 + 1 / 3 + 1) / 3)
    plain = dataclasses.replace(pool, protocol=Protocol())
    assert found["gauc"] == plain.metrics()["gauc"] == pytest.approx(0.65)
    assert plain.metrics()["mrr@5"] == pytest.approx((1 / 5 + 1 / 2 + 1) / 4)


def test_the_pool_of_many_samples_is_near_that_of_the_scores():
    """The estimate against `calculate_group_metric` of WHUIR/MGNM."""
    random = np.random.default_rng(0)
    users, records, negatives = 400, 3, 1000
    positive = random.normal(2.0, 1.0, (users, records, 1))
    others = random.normal(size=(users, records, negatives))
    best = positive.max(axis=1, keepdims=True)
    released = (others > best).sum(axis=(1, 2))
    samples = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(users).astype(str), records),
            "rank": (others > positive).sum(axis=2).ravel().astype("float32"),
            "num_negatives": negatives,
        }
    )
    found = Evaluation(Protocol(k=50, aggregate="user_pool"), samples)
    hit = found.metrics()["hit@50"]
    assert hit == pytest.approx((released < 50).mean(), abs=0.02)
    samples_of = dataclasses.replace(found, protocol=Protocol(k=50))
    assert abs(samples_of.metrics()["hit@50"] - hit) > 0.1


def test_rows_of_any_index_are_the_same_samples():
    whole = by_hand()
    part = Evaluation(whole.protocol, whole.samples[1:])
    again = Evaluation(whole.protocol, whole.samples[1:].reset_index(drop=True))
    assert part.metrics() == again.metrics()
    pd.testing.assert_frame_equal(part.per_user(), again.per_user())


def made(data):
    return make_model(data, TrainConfig(model="popularity"))


def fitted(data):
    model = model_class("popularity")(data.num_users, data.num_items)
    model.fit(make_dataset(data, negatives=0), verbose=0)
    return model


def trained(data):
    model = SumVector(data.num_users, data.num_items)
    model.compile()
    model.fit(make_dataset(data, batch_size=512), shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize("make", [made, fitted, trained])
def test_a_model_knows_its_data(make):
    data = toy_data(num_users=40)
    twin = toy_data(num_users=40, seed=0)
    other = dataclasses.replace(data, items=np.roll(data.items, 1))
    model = make(data)
    evaluate(model, twin, Protocol(negatives=5))
    shuffled = Protocol(negatives=5, shuffle_ties=0)
    evaluate(model, twin, shuffled)
    with pytest.raises(UserError, match="other data of the same sizes"):
        evaluate(model, other, Protocol(negatives=5))
