"""A page that shows why items are recommended: one HTML file."""

import os
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from mgnm_tf.report.explanation import Explainer
from mgnm_tf.report.explanation import Interests
from mgnm_tf.report.explanation import UserExplanation
from mgnm_tf.utils.files import atomic_output

COLOURS = 6
"""Colours of levels in the style sheet; more levels start again."""
OPEN_USERS = 3
"""With more users, only the first one is unfolded."""
STRONG_FROM = 0.64
"""From this part of the highest weight on, a cell has the other text colour.

With the colours of the style sheet, either text has a contrast of 4.5 here.
"""


def write_explanation(
    recommender: Any,
    histories: Mapping[str, Sequence[str]],
    path: str | os.PathLike,
    k: int = 10,
    titles: Mapping[str, str] | None = None,
) -> Path:
    """Writes a page on the recommendations of some users.

    For each user: the history, how much each of its items feeds each
    interest (a heat map), where the model predicts it which interest is
    expected next, and the recommendations with the interest and level behind
    each. For all users: which levels win how often, counted
    over a sample of the catalogue.

    Args:
        recommender: a loaded `mgnm_tf.serving.Recommender`.
        histories: user id -> item ids, oldest first.
        path: the file to make.
        k: number of recommendations. Defaults to `10`.
        titles: item id -> what to call it. Defaults to `None`: its id.

    Returns:
        The path of the page.

    Raises:
        UserError: the model has not got several interests, or the file
            exists or cannot be written.
    """
    path = Path(path)
    with atomic_output(path) as partial:
        explainer = Explainer(recommender, k)
        page = render(
            list(explainer.explain(histories)),
            explainer.interests,
            explainer.sample_size,
            model=str(recommender.metadata.get("model", "the model")),
            titles=titles,
            mixes=explainer.mixes,
        )
        partial.write_text(page, encoding="utf-8")
    return path


def render(
    users: Sequence[UserExplanation],
    interests: Interests,
    sample_size: int,
    model: str,
    titles: Mapping[str, str] | None = None,
    mixes: bool = False,
) -> str:
    """Returns the page.

    Args:
        users: what is shown of each user.
        interests: those of the model.
        sample_size: number of items whose winners were counted.
        model: the name of the model.
        titles: item id -> what to call it. Defaults to `None`: its id.
        mixes: whether the model mixes its interests by how much each is
            expected. Defaults to `False`: the nearest one scores.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mgnm_tf.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = titles or {}
    environment.filters["title"] = lambda item: names.get(item, item)
    environment.filters["percent"] = _percent
    environment.filters["score"] = lambda score: f"{score:#.3g}"
    groups = interests.group_names
    counted = [user for user in users if not user.empty]
    return environment.get_template("explain.html").render(
        model=model,
        word="level" if interests.has_levels else "interest",
        mixes=mixes,
        legend=[
            {"name": name, "colour": index % COLOURS}
            for index, name in enumerate(groups)
        ],
        everyone={
            kind: _bar([getattr(user, kind) for user in counted], groups)
            for kind in ("sampled", "recommended")
        },
        sample_size=sample_size,
        open_users=len(users) if len(users) <= OPEN_USERS else 1,
        columns=_columns(interests),
        blocks=_blocks(interests),
        sections=[
            {
                "user": user,
                "bar": _bar([user.sampled], groups),
                "expected": None
                if user.expected is None
                else _bar([interests.share(user.expected)], groups),
                "heat": _heat(user),
            }
            for user in users
        ],
    )


def _bar(counts: Sequence[np.ndarray], names: Sequence[str]) -> dict[str, Any]:
    """Returns the segments of a bar, and what it says in words."""
    sums = np.sum(counts, axis=0) if counts else np.zeros(len(names))
    shares = (sums / max(sums.sum(), 1)).tolist()
    return {
        "segments": [
            {"colour": index % COLOURS, "share": share}
            for index, share in enumerate(shares)
            if share
        ],
        "words": ", ".join(
            f"{name}: {_percent(share)}"
            for name, share in zip(names, shares, strict=True)
        ),
    }


def _columns(interests: Interests) -> list[dict[str, Any]]:
    """Returns name and look of each interest, a column of the heat map."""
    places = np.arange(len(interests.levels))
    colours = interests.group_index(places) % COLOURS
    first = np.diff(interests.levels, prepend=-1) != 0
    return [
        {
            "name": interests.name(place),
            "number": int(interests.numbers[place]),
            "colour": int(colours[place]),
            "first": bool(first[place]),  # of its level
        }
        for place in places.tolist()
    ]


def _blocks(interests: Interests) -> list[dict[str, Any]]:
    """Returns the headings above the columns, one for each level."""
    levels, counts = np.unique(interests.levels, return_counts=True)
    return [
        {
            "name": f"Level {level}" if interests.has_levels else "Interest",
            "width": count,
        }
        for level, count in zip(levels.tolist(), counts.tolist(), strict=True)
    ]


def _heat(user: UserExplanation) -> dict[str, Any]:
    """Returns the cells of a heat map, scaled to its highest weight."""
    weights = np.array([event.weights for event in user.events])
    highest = float(weights.max()) if weights.size else 0.0
    tones = weights / (highest or 1.0)
    return {
        "highest": highest,
        "rows": [
            [
                {
                    "tone": f"{tone:.2f}",
                    "strong": round(tone, 2) >= STRONG_FROM,
                    "text": f"{100 * weight:.0f}" if weight >= 0.005 else "",
                }
                for weight, tone in zip(*pair, strict=True)
            ]
            for pair in zip(weights.tolist(), tones.tolist(), strict=True)
        ],
    }


def _percent(share: float) -> str:
    if 0 < share < 0.005:
        return "<1%"
    return f"{100 * share:.0f}%"
