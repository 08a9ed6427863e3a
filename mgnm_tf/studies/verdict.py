"""Is a trained model worth it on these data, and how sure is that?"""

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from mgnm_tf.evaluation.significance import holm

LEAST_GAIN = 0.05
"""What a trained model has to be better by, relative to the simple one."""

ALPHA = 0.05
"""The p-value below which a difference counts."""

CONFIDENCE = 0.95
"""Of the intervals."""


@dataclass(frozen=True)
class Interval:
    """A mean over users with its 95 % interval, users taken as drawn.

    Args:
        mean: the mean.
        low: the lower end.
        high: the upper end.
        pvalue: of the mean being 0, two-sided.
    """

    mean: float
    low: float
    high: float
    pvalue: float


@dataclass(frozen=True)
class Verdict:
    """What a comparison of one seed says.

    Args:
        headline: the verdict in a few words.
        sentences: how it comes about, and how sure it is.
        model: the model to go on with.
        enough: whether a model that counts is enough, which is said only if
            a gain that is worth a training can be ruled out.
        level: trained models that are not told apart from the best one; all
            others if trainings were cut.
    """

    headline: str
    sentences: tuple[str, ...]
    model: str
    enough: bool
    level: tuple[str, ...] = ()


def mean_over_users(values: np.ndarray, weights: np.ndarray) -> Interval:
    """Returns the weighted mean over users and its interval.

    The variance is that of users drawn at random (clusters of records), see
    `seeds_and_users`; seeds are not in it.

    Args:
        values: float (U,), a metric, or a difference, of each user.
        weights: float (U,), how many records each has.
    """
    weights = np.asarray(weights, float) / np.sum(weights)
    users, mean = len(weights), float(values @ weights)
    if users < 2:
        return Interval(mean, -math.inf, math.inf, 1.0)
    spread = weights * (values - mean)
    error = math.sqrt(users / (users - 1) * float(spread @ spread))
    if error == 0.0:
        return Interval(mean, mean, mean, 1.0 if mean == 0.0 else 0.0)
    width = error * stats.t.ppf((1 + CONFIDENCE) / 2, users - 1)
    pvalue = 2 * stats.t.sf(abs(mean) / error, users - 1)
    return Interval(mean, mean - width, mean + width, float(pvalue))


def difference(
    first: pd.DataFrame, second: pd.DataFrame, metric: str
) -> Interval:
    """Returns the difference of two models on the same users, in pairs.

    Args:
        first: `Evaluation.per_user` of the first model.
        second: that of the second one.
        metric: the metric.
    """
    pair = first.merge(second, on="user_id", validate="one_to_one")
    values = (pair[f"{metric}_x"] - pair[f"{metric}_y"]).to_numpy(float)
    return mean_over_users(values, pair["samples_x"].to_numpy(float))


def mean_of(table: pd.DataFrame, metric: str) -> Interval:
    """Returns a metric of one model, from its `Evaluation.per_user`."""
    return mean_over_users(
        table[metric].to_numpy(float), table["samples"].to_numpy(float)
    )


def verdict_of(
    simple: Mapping[str, pd.DataFrame],
    trained: Mapping[str, pd.DataFrame],
    metric: str,
    cuts: Sequence[str] = (),
    later: Mapping[str, pd.DataFrame] | None = None,
) -> Verdict:
    """Decides whether a trained model is worth it.

    It is if it is better than the best model that counts by `LEAST_GAIN`,
    relatively, with p < `ALPHA`, corrected by Holm over the trained models.
    If none is, the model that counts is enough where the intervals of all end
    below that gain; otherwise the data cannot tell.

    Args:
        simple: models that count -> `Evaluation.per_user`.
        trained: models that were trained -> the same, of the same users.
        metric: the metric that decides.
        cuts: what was cut of the trainings, as sentences; with any, nothing
            is said of the order of the trained models.
        later: model -> the same of the records alone that are later than the
            event before them, if others are not.
    """
    means = {
        name: mean_of(table, metric).mean
        for name, table in {**simple, **trained}.items()
    }
    base = max(simple, key=means.__getitem__)
    if not trained:
        return Verdict(
            f"No model was trained: {shown(base)} is what there is.",
            tuple(cuts),
            base,
            enough=False,
        )
    gains = {
        name: difference(table, simple[base], metric)
        for name, table in trained.items()
    }
    corrected = _corrected(gains)
    better = [
        name
        for name, gain in gains.items()
        if corrected[name] < ALPHA and gain.mean >= LEAST_GAIN * means[base]
    ]
    unclear = [
        name
        for name, gain in gains.items()
        if gain.high > LEAST_GAIN * means[base]
    ]
    best = max(better or unclear or trained, key=means.__getitem__)
    against = _against(
        best, base, means, gains[best], corrected, metric, bool(cuts)
    )
    if not better:
        return Verdict(
            _unclear() if unclear else _enough(base, bool(cuts)),
            (against, *_what_is_asked(base, bool(unclear)), *cuts),
            base,
            enough=not unclear,
        )
    level, order = _order(best, trained, metric, bool(cuts))
    headline = f"{shown(best)} is worth its training here"
    if beside := [name for name in level if name in better]:
        headline = (
            f"Training is worth it here: {_listed([best, *beside])} beat "
            f"{shown(base)}"
        )
    return Verdict(
        f"{headline}.",
        (
            against,
            *_on_later(best, base, later, metric),
            *order,
            "All of this is one seed: what another one would change was not "
            "measured; the first command below does that.",
            *cuts,
        ),
        best,
        enough=False,
        level=tuple(level),
    )


_NAMES = {
    "item_knn": "item-kNN",
    "popularity": "popularity",
    "mgnm": "MGNM",
    "mgnm+long_history": "MGNM (long histories)",
    "sasrec": "SASRec",
    "gru4rec": "GRU4Rec",
    "comirec_sa": "ComiRec-SA",
}


def shown(label: str) -> str:
    """Returns how a model is called in sentences."""
    return _NAMES.get(label, label)


def _listed(labels: Sequence[str]) -> str:
    *most, last = map(shown, labels)
    return f"{', '.join(most)} and {last}" if most else last


def _corrected(tests: Mapping[str, Interval]) -> dict[str, float]:
    pvalues = holm([one.pvalue for one in tests.values()])
    return dict(zip(tests, map(float, pvalues), strict=True))


def _enough(base: str, cut: bool) -> str:
    if cut:
        return (
            f"{shown(base)} is enough here, as far as such short trainings "
            "can tell."
        )
    return f"{shown(base)} is enough here."


def _unclear() -> str:
    return "These data cannot tell whether a training is worth it."


def _what_is_asked(base: str, unclear: bool) -> tuple[str, ...]:
    least = f"{100 * LEAST_GAIN:.0f} %"
    asked = (
        f"Worth a training would be {least} more with p < {ALPHA} (corrected "
        "by Holm)."
    )
    if not unclear:
        return (asked,)
    return (
        asked,
        f"That is not shown, and not ruled out either: the interval goes "
        f"beyond {least}. {shown(base)} costs less until more users tell.",
    )


def _against(
    best: str,
    base: str,
    means: Mapping[str, float],
    gain: Interval,
    pvalues: Mapping[str, float],
    metric: str,
    cut: bool,
) -> str:
    name = shown(best)
    # Of trainings that were cut none is said to be the best.
    who = name if cut else f"The best trained model, {name},"
    text = (
        f"{who} has {metric.upper()} {means[best]:.4f}, {shown(base)} "
        f"{means[base]:.4f}: "
    )
    return text + _relative(gain, means[base], pvalues[best], len(pvalues))


def relative(gain: Interval, base: float) -> list[str]:
    """Returns a difference and the ends of its interval in percent.

    Args:
        gain: the difference.
        base: what it is a difference to, above 0. No metric is below 0, so
            nothing is more than 100 % below it.
    """
    return [
        f"{max(100 * value / base, -100.0):+.0f}"
        for value in (gain.mean, gain.low, gain.high)
    ]


def _relative(
    gain: Interval, base: float, pvalue: float, compared: int = 1
) -> str:
    """Says a difference, its interval and how likely it is chance.

    Args:
        gain: the difference.
        base: what it is a difference to.
        pvalue: as it is to be said, corrected or not.
        compared: for how many models `pvalue` is corrected.
    """
    chance = "p < 0.001" if pvalue < 0.001 else f"p = {pvalue:.3f}"
    alone = ""
    if compared > 1:
        alone = f", not corrected for {compared} comparisons"
        chance += " corrected by Holm"
    if base <= 0.0:
        return f"{gain.mean:+.4f} ({chance})."
    mean, low, high = (f"{text} %" for text in relative(gain, base))
    return (
        f"{mean} (95 % interval over users {low} to {high}{alone}; {chance})."
    )


def _on_later(
    best: str,
    base: str,
    later: Mapping[str, pd.DataFrame] | None,
    metric: str,
) -> tuple[str, ...]:
    """Says what is left on the records whose order is known."""
    if not later:
        return ()
    gain = difference(later[best], later[base], metric)
    value = mean_of(later[best], metric).mean
    simple = mean_of(later[base], metric).mean
    records = int(later[best]["samples"].sum())
    text = (
        f"On the {records:,} records that are later than the event before "
        f"them it is {value:.4f} against {simple:.4f}: "
    ) + _relative(gain, simple, gain.pvalue)
    if gain.pvalue >= ALPHA or gain.mean < LEAST_GAIN * simple:
        text += (
            " So its lead may be made of the order of the rows in the file; "
            "do not count on it."
        )
    return (text,)


def _order(
    best: str,
    trained: Mapping[str, pd.DataFrame],
    metric: str,
    cut: bool,
) -> tuple[list[str], tuple[str, ...]]:
    """Returns the models that are level with the best one, and says it."""
    others = [name for name in trained if name != best]
    if not others:
        return [], ()
    if cut:
        return others, (
            "As trainings were cut, the order of the trained models is open.",
        )
    behind = {
        name: difference(trained[best], trained[name], metric)
        for name in others
    }
    corrected = _corrected(behind)
    level = [name for name in behind if corrected[name] >= ALPHA]
    told = [name for name in behind if name not in level]
    lines = []
    if told:
        lines.append(
            f"{shown(best)} is ahead of {_listed(told)} (p < {ALPHA} over "
            "users, corrected by Holm)."
        )
    if level:
        lines.append(f"It is not told apart from {_listed(level)}.")
    return level, tuple(lines)
