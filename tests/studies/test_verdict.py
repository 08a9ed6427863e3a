"""The verdict of made-up users whose differences are known."""

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.evaluation.significance import seeds_and_users
from mgnm_tf.studies.verdict import Interval
from mgnm_tf.studies.verdict import difference
from mgnm_tf.studies.verdict import mean_of
from mgnm_tf.studies.verdict import mean_over_users
from mgnm_tf.studies.verdict import relative
from mgnm_tf.studies.verdict import verdict_of

METRIC = "ndcg@5"


def users_of(mean, noise=0.05, count=2000, seed=0):
    """Returns values of users around a mean; models share the users."""
    random = np.random.default_rng(seed)
    values = mean + noise * random.standard_normal(count)
    return pd.DataFrame(
        {
            "user_id": [f"u{number}" for number in range(count)],
            "samples": 1,
            METRIC: values - values.mean() + mean,
        }
    )


def simple(item_knn=0.10, popularity=0.03):
    return {
        "popularity": users_of(popularity, seed=1),
        "item_knn": users_of(item_knn, seed=2),
    }


def text_of(verdict):
    return " ".join([verdict.headline, *verdict.sentences])


def test_a_mean_and_its_interval():
    random = np.random.default_rng(0)
    values, weights = random.random(50), np.ones(50)
    found = mean_over_users(values, weights)
    error = values.std(ddof=1) / np.sqrt(50)
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.mean == pytest.approx(2.0096 * error, rel=1e-4)
    assert found.low < found.mean < found.high and found.pvalue < 1e-9


def test_the_difference_is_that_of_the_test_over_seeds_and_users():
    """With one run each, which has no spread over seeds."""
    random = np.random.default_rng(1)
    tables = []
    for seed in (3, 4):
        table = users_of(0.1 + 0.01 * seed, seed=seed, count=80)
        table["samples"] = random.integers(1, 5, 80)
        tables.append(table)
    tables[1]["samples"] = tables[0]["samples"]
    one, two = (np.stack([table[METRIC]] * 2) for table in tables)
    expected = seeds_and_users(one, two, tables[0]["samples"].to_numpy())
    shuffled = tables[1].sample(frac=1.0, random_state=0)
    found = difference(tables[0], shuffled, METRIC)
    assert found.mean == pytest.approx(expected["difference"])
    assert found.pvalue == pytest.approx(expected["pvalue"])


def test_nothing_is_more_than_all_below():
    gain = Interval(-0.5, -1.3, 0.3, 0.2)
    assert relative(gain, 1.0) == ["-50", "-100", "+30"]
    assert relative(Interval(-1.2, -2.0, -1.1, 0.0), 1.0) == ["-100"] * 3


def test_an_interval_beside_a_corrected_value_says_that_it_is_none():
    trained = {"mgnm": users_of(0.16, seed=3)}
    said = text_of(verdict_of(simple(), trained, METRIC))
    assert "not corrected" not in said and "Holm" not in said
    trained["sasrec"] = users_of(0.14, seed=4)
    said = text_of(verdict_of(simple(), trained, METRIC))
    assert ", not corrected for 2 comparisons; p < 0.001 corrected by" in said


def test_what_does_not_vary_and_one_user():
    assert mean_over_users(np.zeros(3), np.ones(3)).pvalue == 1.0
    assert mean_over_users(np.ones(3), np.ones(3)).pvalue == 0.0
    alone = mean_over_users(np.ones(1), np.ones(1))
    assert (alone.low, alone.pvalue) == (-np.inf, 1.0)


def test_a_better_model_is_named_with_its_gain():
    trained = {"mgnm": users_of(0.16, seed=3), "sasrec": users_of(0.14, seed=4)}
    verdict = verdict_of(simple(), trained, METRIC)
    assert verdict.headline == "MGNM is worth its training here."
    assert (verdict.model, verdict.enough, verdict.level) == ("mgnm", False, ())
    said = text_of(verdict)
    assert "has NDCG@5 0.1600, item-kNN 0.1000: +60 %" in said
    assert "MGNM is ahead of SASRec" in said
    assert "All of this is one seed" in said


def test_models_that_are_level_are_named_together():
    trained = {
        "mgnm": users_of(0.1601, seed=3),
        "sasrec": users_of(0.1600, seed=4),
        "gru4rec": users_of(0.12, seed=5),
    }
    verdict = verdict_of(simple(), trained, METRIC)
    assert verdict.headline == (
        "Training is worth it here: MGNM and SASRec beat item-kNN."
    )
    assert verdict.level == ("sasrec",)
    assert "It is not told apart from SASRec." in text_of(verdict)
    assert "MGNM is ahead of GRU4Rec" in text_of(verdict)


@pytest.mark.parametrize(
    ("mean", "noise", "p"),
    [(0.1025, 0.01, "p = 0.0"), (0.09, 0.05, "-10 %")],
    ids=["sure but small", "worse"],
)
def test_what_counts_is_enough(mean, noise, p):
    trained = {"gru4rec": users_of(mean, noise, seed=3)}
    verdict = verdict_of(simple(), trained, METRIC)
    assert verdict.headline == "item-kNN is enough here."
    assert verdict.enough and verdict.model == "item_knn"
    assert p in text_of(verdict)
    assert "Worth a training would be 5 % more" in text_of(verdict)


@pytest.mark.parametrize(
    ("mean", "noise", "count"),
    [(0.2, 0.3, 40), (0.11, 0.6, 2000), (0.09, 0.6, 2000)],
    ids=["few users", "large but by chance", "worse but by chance"],
)
def test_data_that_cannot_tell_are_said_to(mean, noise, count):
    """A gain that is not shown, and not ruled out either."""
    base = {name: table.head(count).copy() for name, table in simple().items()}
    trained = {"gru4rec": users_of(mean, noise, count, seed=3)}
    gain = difference(trained["gru4rec"], base["item_knn"], METRIC)
    assert gain.pvalue >= 0.05 and gain.high > 0.005
    verdict = verdict_of(base, trained, METRIC, ["A cut."])
    assert verdict.headline == (
        "These data cannot tell whether a training is worth it."
    )
    assert (verdict.model, verdict.enough) == ("item_knn", False)
    said = text_of(verdict)
    assert "enough" not in said and "A cut." in said
    assert "not ruled out either: the interval goes beyond 5 %" in said


def test_one_model_that_is_not_ruled_out_leaves_it_open():
    trained = {
        "sasrec": users_of(0.1, 0.01, seed=3),
        "gru4rec": users_of(0.099, 0.6, seed=4),
    }
    verdict = verdict_of(simple(), trained, METRIC)
    assert verdict.headline.startswith("These data cannot tell")
    assert "GRU4Rec, has" in text_of(verdict)


def test_chance_is_corrected_for_the_number_of_models():
    """A p-value of 0.03 counts alone, and not as one of four."""
    lucky = users_of(0.11, 0.2, seed=3)
    base = simple()
    alone = difference(lucky, base["item_knn"], METRIC).pvalue
    assert 0.0125 < alone < 0.05
    others = {
        name: users_of(0.1, 0.2, seed=seed)
        for seed, name in enumerate(("sasrec", "gru4rec", "comirec_sa"), 4)
    }
    assert verdict_of(base, {"mgnm": lucky}, METRIC).model == "mgnm"
    many = verdict_of(base, {"mgnm": lucky, **others}, METRIC)
    assert many.model == "item_knn" and not many.enough


def test_popularity_may_be_what_is_to_be_beaten():
    base = simple(item_knn=0.02, popularity=0.05)
    verdict = verdict_of(base, {"mgnm": users_of(0.03, seed=3)}, METRIC)
    assert verdict.headline == "popularity is enough here."


def test_cuts_are_said_and_leave_the_order_open():
    cut = "MGNM was trained for 4 of the 16 epochs of its recipe."
    trained = {"mgnm": users_of(0.16, seed=3), "sasrec": users_of(0.14, seed=4)}
    verdict = verdict_of(simple(), trained, METRIC, [cut])
    said = text_of(verdict)
    assert cut in said and "the order of the trained models is open" in said
    assert "ahead of" not in said and "told apart" not in said
    assert "best" not in said
    assert verdict.headline == (
        "Training is worth it here: MGNM and SASRec beat item-kNN."
    )
    assert verdict.level == ("sasrec",)
    worse = {"mgnm": users_of(0.05, seed=3)}
    verdict = verdict_of(simple(), worse, METRIC, [cut])
    assert verdict.headline.endswith("as far as such short trainings can tell.")
    assert cut in text_of(verdict)


def test_nothing_trained_is_said():
    verdict = verdict_of(simple(), {}, METRIC, ["MGNM was left out."])
    assert (
        verdict.headline == "No model was trained: item-kNN is what there is."
    )
    assert verdict.sentences == ("MGNM was left out.",)
    assert not verdict.enough


def test_a_lead_by_the_order_of_rows_is_told():
    trained = {"mgnm": users_of(0.16, seed=3)}
    everyone = {**simple(), **trained}
    later = {**everyone, "mgnm": users_of(0.101, 0.3, seed=5)}
    said = text_of(verdict_of(simple(), trained, METRIC, (), later))
    assert "On the 2,000 records that are later" in said
    assert "its lead may be made of the order of the rows" in said
    said = text_of(verdict_of(simple(), trained, METRIC, (), everyone))
    assert "On the 2,000 records that are later" in said
    assert "the order of the rows" not in said


def test_a_mean_weights_users_by_their_records():
    table = pd.DataFrame(
        {"user_id": ["a", "b"], "samples": [1, 3], METRIC: [0.0, 1.0]}
    )
    assert mean_of(table, METRIC).mean == pytest.approx(0.75)
