"""The model card of an export."""

from collections.abc import Mapping
from typing import Any


def model_card(metadata: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """Writes the `README.md` of an export.

    Args:
        metadata: what `write_saved_model` returned.
        card: further sections: heading to text or to a dict.

    Returns:
        Markdown.
    """
    times = ""
    if metadata["reads_times"]:
        times = (
            "The model reads times: give `history_time` and `time`, in "
            "seconds since 1970, too."
        )
    parts = [
        f"# {metadata['model']}, exported for serving",
        "A TensorFlow SavedModel that recommends items from the history of a "
        "user: raw ids in, raw ids out. `1/` is the model in the layout of "
        "TensorFlow Serving, `vocabulary/` holds the ids as text, "
        "`export.json` signatures, versions and checksums.",
        "## Use",
        _USE,
        *_section("Sizes", _sizes(metadata)),
    ]
    for heading, content in _with_licence(card).items():
        parts += _section(heading, content)
    parts += ["## Signatures", _signatures(metadata["signatures"])]
    users = _USERS if metadata["reads_users"] else _NO_USERS
    rules = _RULES.format(users=users, **metadata)
    parts += ["## How requests are read", rules, times]
    parts += ["## Limits", _LIMITS]
    parts += _section("Versions", metadata["versions"])
    return "\n\n".join(part for part in parts if part) + "\n"


_USE = """\
In a process that has TensorFlow alone:

```python
import tensorflow as tf

served = tf.saved_model.load("1")
best = served.signatures["recommend"](
    user_id=tf.constant(["somebody"]),
    history=tf.constant([["an item", "a later item", ""]]),
    k=tf.constant(20),
    exclude_seen=tf.constant(True),
)
best["item_ids"], best["scores"]
```

With mgnm_tf:

```python
from mgnm_tf.serving import Recommender

Recommender.load(".").recommend([["an item", "a later item"]], k=20)
```"""

_RULES = """\
- A history is oldest first; `""` is padding, on either side or in between.
- Items that the model does not know are left out. Of the rest it reads the
  last {max_length}; `exclude_seen` looks at all.
- {users}
- An empty history is served by popularity: the score of an item is its share
  of all training events.
- A candidate that the model does not know has the score -inf. Where fewer
  than k items are left, the rest is `""` with the score -inf."""

_USERS = "A user whom the model does not know is served by its mean user."

_NO_USERS = """\
The model reads histories alone: `user_id` changes nothing, and no id of a
  user is in this folder."""

_LIMITS = """\
The model knows the items and users of its training data alone, and what it
recommends follows the habits in them. Scores order the items of one user;
they are no probabilities, and those of two users cannot be compared. The
figures above are offline figures: they say how well held-out events were
ranked, not what users will do with recommendations."""


def _sizes(metadata):
    sizes = {
        "users": metadata["num_users"],
        "items": metadata["num_items"],
        "longest history": metadata["max_length"],
    }
    interests = metadata["interests"]
    if interests and interests["count"]:
        sizes["interests of a user"] = interests["count"]
        sizes["width of an interest"] = interests["dim"]
    return sizes


def _with_licence(card: Mapping[str, Any]) -> dict[str, Any]:
    """Adds to the section on the data that their licence is not stated."""
    data = card.get("Data", {})
    if isinstance(data, Mapping) and not data.get("licence"):
        return {**card, "Data": {**data, "licence": "not stated"}}
    return dict(card)


def _section(heading: str, content: Any) -> list[str]:
    if isinstance(content, Mapping):
        rows = [f"| {_cell(key)} | {_cell(content[key])} |" for key in content]
        content = "\n".join(["| | |", "| --- | --- |", *rows])
    return [f"## {heading}", str(content)]


def _signatures(signatures: Mapping[str, Any]) -> str:
    lines = []
    for name, sides in sorted(signatures.items()):
        inputs, outputs = (
            ", ".join(
                f"`{key}` {_shape(one['shape'])} {one['dtype']}"
                for key, one in sides[side].items()
            )
            for side in ("inputs", "outputs")
        )
        lines.append(f"- `{name}`: {inputs} -> {outputs}")
    return "\n".join(lines)


def _shape(sizes: list[int | None] | None) -> str:
    if sizes is None:
        return "() or (?,)"
    return "(" + ", ".join("?" if s is None else str(s) for s in sizes) + ")"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, float):
        value = f"{value:.4f}"
    elif isinstance(value, int):
        value = f"{value:,}"
    elif isinstance(value, Mapping):
        value = ", ".join(f"{key} {_cell(value[key])}" for key in value)
    elif isinstance(value, (list, tuple)):
        value = "; ".join(map(_cell, value))
    text = "none" if value is None else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
