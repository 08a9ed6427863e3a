"""Paired tests against SciPy and against hand cases."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.significance import compare_many
from mgnm_tf.evaluation.significance import compare_pairs
from mgnm_tf.evaluation.significance import holm


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


def test_many_models_are_corrected_together():
    tables = {
        "best": table(0.1),
        "near": table(0.09, seed=1),
        "far": table(seed=2),
    }
    found = compare_many(tables, "best", "gauc").set_index("model")
    assert found.index.tolist() == ["near", "far"]
    np.testing.assert_allclose(found["t_pvalue_holm"], holm(found["t_pvalue"]))
    np.testing.assert_allclose(
        found["wilcoxon_pvalue_holm"], holm(found["wilcoxon_pvalue"])
    )
    assert found.loc["far", "t_pvalue_holm"] < 0.01
    assert found.loc["near", "t_pvalue_holm"] > 0.05
    assert found.loc["far", "difference"] > 0.05


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


def test_unknown_reference():
    with pytest.raises(UserError, match="'best'; known: a, b"):
        compare_many({"a": table(), "b": table()}, "best", "gauc")
    with pytest.raises(UserError, match="no model to compare"):
        compare_many({"a": table()}, "a", "gauc")
