"""Is the difference between two models more than chance?"""

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
    """Tests two models on the same users, metric by metric.

    The unit of the tests is a user: the mean of the metric over the samples
    of the user, as `Evaluation.per_user` returns it. Both tests are
    two-sided. Models that agree on every user have p = 1.

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


def compare_many(
    per_user: Mapping[str, pd.DataFrame], reference: str, metric: str
) -> pd.DataFrame:
    """Tests every model against one of them, corrected by Holm.

    Args:
        per_user: name of the model -> its values, see `compare_pairs`.
        reference: the model that all others are compared with.
        metric: the column to test.

    Returns:
        One row for each other model: `model`, the columns of
        `compare_pairs` with a the reference and b the model, and
        `t_pvalue_holm` and `wilcoxon_pvalue_holm`, corrected over the rows.

    Raises:
        UserError: `reference` is not in `per_user`, or see `compare_pairs`.
    """
    if reference not in per_user:
        raise UserError(
            f"There are no values of the reference model {reference!r}; "
            f"known: {', '.join(per_user)}."
        )
    rows = []
    for name, values in per_user.items():
        if name != reference:
            pair = compare_pairs(per_user[reference], values, [metric])
            rows.append(pair.assign(model=name))
    if not rows:
        raise UserError(f"There is no model to compare {reference!r} with.")
    table = pd.concat(rows, ignore_index=True)
    table.insert(0, "model", table.pop("model"))
    for test in ("t", "wilcoxon"):
        table[f"{test}_pvalue_holm"] = holm(table[f"{test}_pvalue"])
    return table


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
