"""Is the difference between two models more than chance?"""

import math
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from mgnm_tf.errors import UserError


def compare_pairs(
    per_user_a: pd.DataFrame,
    per_user_b: pd.DataFrame,
    metrics: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Tests two evaluations on the same users, metric by metric.

    It tells two sets of trained weights apart, not two models; for those see
    `compare_seeds`. The unit of the tests is a user, whom `per_user` of an
    `Evaluation` describes; all users weigh the same. Both tests are
    two-sided. Evaluations that agree on every user have p = 1.

    Args:
        per_user_a: columns `user_id` and metrics.
        per_user_b: the same users, in any order.
        metrics: columns to test. Defaults to `None`, all that both have
            besides `user_id` and `samples`.

    Returns:
        One row a metric: `metric`, `users`, `mean_a`, `mean_b`,
        `difference` (a - b), `t`, `t_pvalue` (paired t-test), `wilcoxon`,
        `wilcoxon_pvalue` (Wilcoxon signed-rank test).

    Raises:
        UserError: the users differ, one stands twice, or there are fewer
            than 2.
    """
    a = per_user_a.set_index("user_id")
    b = per_user_b.set_index("user_id")
    unique = a.index.is_unique and b.index.is_unique
    if not unique or not a.index.sort_values().equals(b.index.sort_values()):
        raise UserError(
            "A paired test needs the same users on both sides, each once. "
            f"Received: {len(a)} and {len(b)} users, "
            f"{len(a.index.intersection(b.index))} in common."
        )
    if len(a) < 2:
        raise UserError(
            f"A paired test needs at least 2 users. Received: {len(a)}."
        )
    b = b.loc[a.index]
    if metrics is None:
        metrics = [
            name for name in a if name in b.columns and name != "samples"
        ]
    return pd.DataFrame(
        [{"metric": name, **_test(a[name], b[name])} for name in metrics]
    )


def compare_seeds(
    values: Mapping[str, np.ndarray], weights: np.ndarray, reference: str
) -> dict[str, float]:
    """Tests models against one of them, by users and seeds, with Holm.

    A p-value says how likely a difference at least as large would be between
    models that are alike, were users and seeds drawn anew.

    Letters in shapes: S runs of a model, one a seed; U users.

    Args:
        values: name of the model -> float (S, U), the mean of a metric over
            what is counted of each user.
        weights: float (U,), the weight of each user in the mean that the
            table shows: the number of the user's records where it is a mean
            over records, else 1.
        reference: the model that all others are compared with.

    Returns:
        each other model -> two-sided p-value, corrected over their number.
    """
    others = [name for name in values if name != reference]
    pvalues = [
        seeds_and_users(values[reference], values[name], weights)["pvalue"]
        for name in others
    ]
    return dict(zip(others, map(float, holm(pvalues)), strict=True))


def seeds_and_users(
    a: np.ndarray, b: np.ndarray, weights: np.ndarray
) -> dict[str, float]:
    """Tests the difference of two models whose seeds and users are random.

    ```
    d = mean(a) - mean(b)
    V = V_users + s_a^2 / S_a + s_b^2 / S_b
    V_users = U / (U - 1) * sum_u (w_u (D_u - d))^2 / (sum_u w_u)^2
    t = d / sqrt(V)
    ```

    The mean of a model weights each user u by w_u and each run alike; D_u is
    the difference of user u, each model averaged over its runs; s^2 is the
    variance of a model's mean over its S runs. Users that weigh their records
    make `V_users` robust against the likeness of the records of a user
    (clusters). The degrees of freedom are those of Satterthwaite: each of the
    three parts of V has U - 1, S_a - 1, S_b - 1.

    This is the closed form, for balanced data, of a mixed model with users
    crossed with models and seeds nested in them, both random. What is left of
    a user and a seed together is in `V_users` and in s^2 / S; it is counted
    twice, which errs on the side of no difference.

    Args:
        a: float (S_a, U), the runs of the first model: at least 2, which may
            agree on every user, as those of a model that draws nothing.
        b: float (S_b, U), the runs of the second, the same users.
        weights: float (U,), see `compare_seeds`.

    Returns:
        `difference` (a - b), `t`, `df` and `pvalue`, two-sided. Models that
        agree on every user have p = 1.

    Raises:
        ValueError: there are fewer than 2 users or runs of a model.

    References:
        Searle, Casella, McCulloch (1992), "Variance Components", chapter 4.
        Satterthwaite (1946), "An approximate distribution of estimates of
        variance components", Biometrics Bulletin 2(6).
    """
    if min(len(weights), len(a), len(b)) < 2:
        raise ValueError(
            "Users and runs must be at least 2 for a variance between them. "
            f"Received: {len(weights)} users, {len(a)} and {len(b)} runs"
        )
    weights = np.asarray(weights, dtype=float) / np.sum(weights)
    by_user = a.mean(axis=0) - b.mean(axis=0)
    difference = float(by_user @ weights)
    users = len(weights)
    spread = weights * (by_user - difference)
    parts = [(users / (users - 1) * float(spread @ spread), users - 1)]
    for runs in (a, b):
        if not _deterministic(runs):
            variance = np.var(runs @ weights, ddof=1)
            parts.append((float(variance) / len(runs), len(runs) - 1))
    variance = sum(part for part, _ in parts)
    result = {"difference": difference, "t": 0.0, "df": users - 1}
    if variance > 0.0:
        result["t"] = difference / variance**0.5
        result["df"] = variance**2 / sum(part**2 / df for part, df in parts)
    elif difference:
        result["t"] = math.copysign(math.inf, difference)
    pvalue = 2.0 * stats.t.sf(abs(result["t"]), result["df"])
    return {**result, "pvalue": float(pvalue)}


def _deterministic(runs: np.ndarray) -> bool:
    """Whether all runs agree on every user."""
    return bool((runs == runs[0]).all())


def holm(pvalues: Sequence[float]) -> np.ndarray:
    """Corrects p-values for their number, in the order given.

    The i-th smallest of n (from 0) is multiplied by n - i; a value is at
    least as large as those before it and at most 1.

    Reference: Holm (1979), "A simple sequentially rejective multiple test
    procedure", Scandinavian Journal of Statistics 6(2).
    """
    pvalues = np.asarray(pvalues, dtype=float)
    order = np.argsort(pvalues)
    scaled = pvalues[order] * np.arange(len(pvalues), 0, -1)
    corrected = np.empty_like(pvalues)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected


def _test(a: pd.Series, b: pd.Series) -> dict[str, float]:
    """Returns one row of `compare_pairs`."""
    difference = (a - b).to_numpy()
    row = {
        "users": len(a),
        "mean_a": a.mean(),
        "mean_b": b.mean(),
        "difference": difference.mean(),
        "t": 0.0,
        "t_pvalue": 1.0,
        "wilcoxon": 0.0,
        "wilcoxon_pvalue": 1.0,
    }
    # SciPy answers NaN where nothing differs.
    if difference.any():
        paired = stats.ttest_rel(a, b)
        signed = stats.wilcoxon(a, b)
        row |= {
            "t": paired.statistic,
            "t_pvalue": paired.pvalue,
            "wilcoxon": signed.statistic,
            "wilcoxon_pvalue": signed.pvalue,
        }
    return row
