"""Tests against SciPy, hand cases and simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.significance import compare_pairs
from mgnm_tf.evaluation.significance import compare_seeds
from mgnm_tf.evaluation.significance import holm
from mgnm_tf.evaluation.significance import seeds_and_users


def table(shift=0.0, seed=0, users=40):
    """Returns made values of users, `shift` better than chance."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user_id": [f"u{n}" for n in range(users)],
            "samples": 1,
            "gauc": 0.5 + shift + 0.1 * random.normal(size=users),
            "ndcg@5": random.random(users),
        }
    )


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.9 times 4, 3, 2, 1.
    found = holm([0.03, 0.01, 0.9, 0.02])
    np.testing.assert_allclose(found, [0.06, 0.04, 0.9, 0.06])
    np.testing.assert_allclose(holm([0.5, 0.6]), [1.0, 1.0])
    assert holm([]).tolist() == []


def test_equals_scipy():
    a, b = table(0.05), table(seed=1)
    found = compare_pairs(a, b).set_index("metric")
    assert found.index.tolist() == ["gauc", "ndcg@5"]
    row = found.loc["gauc"]
    t_test = stats.ttest_rel(a["gauc"], b["gauc"])
    wilcoxon = stats.wilcoxon(a["gauc"] - b["gauc"])
    assert row["t"] == pytest.approx(t_test.statistic)
    assert row["t_pvalue"] == pytest.approx(t_test.pvalue)
    assert row["wilcoxon"] == pytest.approx(wilcoxon.statistic)
    assert row["wilcoxon_pvalue"] == pytest.approx(wilcoxon.pvalue)
    assert row["users"] == 40
    assert row["difference"] == pytest.approx(
        a["gauc"].mean() - b["gauc"].mean()
    )
    assert row["difference"] == pytest.approx(row["mean_a"] - row["mean_b"])


def test_users_are_aligned_by_id():
    a, b = table(0.02), table(seed=1)
    shuffled = b.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(
        compare_pairs(a, b), compare_pairs(a, shuffled)
    )


def test_equal_models_have_p_one():
    found = compare_pairs(table(), table())
    assert found["t_pvalue"].tolist() == [1.0, 1.0]
    assert found["wilcoxon_pvalue"].tolist() == [1.0, 1.0]
    assert found["difference"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(table(users=39), id="fewer"),
        pytest.param(table().replace("u3", "other"), id="another"),
        pytest.param(table().replace("u3", "u4"), id="twice"),
    ],
)
def test_other_users(other):
    with pytest.raises(UserError, match="same users on both sides"):
        compare_pairs(table(), other)


def test_one_user():
    with pytest.raises(UserError, match="at least 2 users"):
        compare_pairs(table(users=1), table(users=1))


def draw(random, seeds, users, shift=0.0, seed_effect=0.02):
    """Returns values (S, U) of a model with a seed and a user effect."""
    own = random.normal(shift, 0.1, users)
    of_seed = random.normal(0.0, seed_effect, (seeds, 1))
    return own + of_seed + random.normal(0.0, 0.05, (seeds, users))


def by_the_book(a, b, weights):
    """The test of the docstring, in loops."""
    total = sum(weights)

    def mean(values):
        return sum(w * v for w, v in zip(weights, values)) / total

    users = len(weights)
    means = [[mean(run) for run in runs] for runs in (a, b)]
    d = np.mean(means[0]) - np.mean(means[1])
    squares = 0.0
    for user in range(users):
        one = np.mean([run[user] for run in a])
        other = np.mean([run[user] for run in b])
        squares += (weights[user] * (one - other - d)) ** 2
    parts = [(squares / total**2 * users / (users - 1), users - 1)]
    for of_model in means:
        centre = np.mean(of_model)
        variance = sum((m - centre) ** 2 for m in of_model)
        variance /= len(of_model) - 1
        parts.append((variance / len(of_model), len(of_model) - 1))
    v = sum(part for part, _ in parts)
    df = v**2 / sum(part**2 / df for part, df in parts)
    t = d / np.sqrt(v)
    return {
        "difference": d,
        "t": t,
        "df": df,
        "pvalue": 2 * stats.t.cdf(-abs(t), df),
    }


def test_seeds_and_users_by_the_book():
    random = np.random.default_rng(0)
    a, b = draw(random, 4, 30, shift=0.02), draw(random, 3, 30)
    weights = random.integers(1, 9, 30)
    found = seeds_and_users(a, b, weights)
    assert found == pytest.approx(by_the_book(a, b, weights))
    assert found["pvalue"] != pytest.approx(
        seeds_and_users(a, b, np.ones(30))["pvalue"]
    )


def test_without_spread_over_seeds_it_is_the_paired_t_test():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 1, 50))
    found = seeds_and_users(
        np.repeat(a, 3, axis=0), np.repeat(b, 2, axis=0), np.ones(50)
    )
    expected = stats.ttest_rel(a[0], b[0])
    assert found["t"] == pytest.approx(expected.statistic)
    assert found["pvalue"] == pytest.approx(expected.pvalue)
    assert found["df"] == pytest.approx(49)


def test_users_weigh_their_samples():
    # The means over samples are equal, those over users are not.
    a = np.repeat([[0.8, 0.2, 0.2]], 3, axis=0)
    b = np.repeat([[0.2, 0.4, 0.4]], 3, axis=0)
    found = seeds_and_users(a, b, np.array([2, 3, 3]))
    assert found["difference"] == pytest.approx(0.0)
    assert found["pvalue"] == pytest.approx(1.0)
    assert seeds_and_users(a, b, np.ones(3))["difference"] > 0.05


def test_models_that_agree_and_models_that_always_differ():
    a = np.full((3, 5), 0.5)
    assert seeds_and_users(a, a, np.ones(5))["pvalue"] == 1.0
    assert seeds_and_users(a + 0.1, a, np.ones(5))["pvalue"] == 0.0


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("seed_effect", [0.0, 0.02, 0.2])
def test_five_in_a_hundred_of_equal_models_are_told_apart(seeds, seed_effect):
    random = np.random.default_rng(seeds)
    weights = random.geometric(0.3, 60)
    rejected = [
        seeds_and_users(
            draw(random, seeds, 60, seed_effect=seed_effect),
            draw(random, seeds, 60, seed_effect=seed_effect),
            weights,
        )["pvalue"]
        < 0.05
        for _ in range(2000)
    ]
    # A standard error is 0.005; few seeds and clusters err by a little more.
    assert 0.025 < np.mean(rejected) < 0.07


def test_differences_larger_than_those_of_seeds_are_found():
    random = np.random.default_rng(0)
    a, b = draw(random, 5, 500, shift=0.1), draw(random, 5, 500)
    assert seeds_and_users(a, b, np.ones(500))["pvalue"] < 1e-3


@pytest.mark.parametrize(("users", "runs"), [(1, 2), (5, 1)])
def test_too_few_for_a_variance(users, runs):
    values = np.ones((runs, users))
    with pytest.raises(ValueError, match="at least 2 for a variance"):
        seeds_and_users(values, np.ones((3, users)), np.ones(users))


def test_all_models_of_a_column_are_corrected_together():
    random = np.random.default_rng(0)
    values = {
        "near": draw(random, 3, 40),
        "best": draw(random, 3, 40, shift=0.3),
        "far": draw(random, 3, 40, shift=-0.3),
    }
    weights = random.integers(1, 5, 40)
    found = compare_seeds(values, weights, "best")
    assert list(found) == ["near", "far"]
    expected = [
        seeds_and_users(values["best"], values[name], weights)["pvalue"]
        for name in found
    ]
    np.testing.assert_allclose(list(found.values()), holm(expected))
    assert compare_seeds({"best": values["best"]}, weights, "best") == {}
