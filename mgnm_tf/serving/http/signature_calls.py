"""Calls of signatures that wait together, made as one."""

import json
import re
from collections.abc import Hashable
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mgnm_tf.serving.http.refusals import Refusal
from mgnm_tf.serving.http.rest_tensors import read_inputs
from mgnm_tf.serving.http.rest_tensors import write_outputs
from mgnm_tf.serving.http.settings import Settings
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.serving.requests.request_blocks import requests_of_arrays

_CELLS = 1 << 18
"""The most events of all histories of a call, filled up to the longest."""
_ANSWERS = 1 << 20
"""The most values that a request may ask for."""
_RECOMMEND = ("recommend", "serving_default")
_PER_USER = ("user_id", "history", "history_time", "time")

Tensors = dict[str, np.ndarray]


class SignatureCall:
    """What a body of TensorFlow Serving's REST interface asks for.

    Args:
        body: what was sent, read from JSON.
        settings: the limits.
    """

    def __init__(self, body: Any, settings: Settings):
        self._body = body
        self._settings = settings
        self._rows: int | None = None

    def read(self, recommender: Recommender) -> tuple[str, Tensors]:
        """Returns the name of the signature and its inputs.

        Raises:
            Refusal: they do not fit the export, or are too large (400).
        """
        name = "serving_default"
        if isinstance(self._body, dict):
            name = self._body.get("signature_name") or name
        described = recommender.metadata["signatures"]
        if not isinstance(name, str) or name not in described:
            raise Refusal(
                400,
                "There is no such signature; the model has "
                f"{', '.join(sorted(described))}.",
            )
        inputs, self._rows = read_inputs(self._body, described[name]["inputs"])
        _check_sizes(inputs, self._settings)
        return name, inputs

    def write(self, outputs: Tensors) -> bytes:
        """Returns the answer as JSON, in the form of what was read.

        Raises:
            Refusal: an output has no row for each instance (400).
        """
        answer = write_outputs(outputs, self._rows)
        return json.dumps(answer, ensure_ascii=False).encode("utf-8")


def answer_calls(
    recommender: Recommender, calls: Sequence[SignatureCall]
) -> list[bytes | Exception]:
    """Answers calls, in their order; those that are alike as one.

    Lists of the same length for the same kind of user, which is what callers
    at once ask for, are one call of `recommend` with the users of all.

    Args:
        recommender: the export.
        calls: what is asked for.

    Returns:
        For each call its answer, or why there is none.
    """
    found: dict[int, bytes | Exception] = {}
    groups: dict[Hashable, list[tuple[int, str, Tensors]]] = {}
    for place, call in enumerate(calls):
        try:
            name, inputs = call.read(recommender)
        except Exception as error:
            found[place] = error
            continue
        key = _kind(name, inputs) or place
        groups.setdefault(key, []).append((place, name, inputs))
    for members in groups.values():
        for part in _parts(members):
            found |= _answers(recommender, calls, part)
    return [found[place] for place in range(len(calls))]


def _answers(recommender, calls, members):
    """Returns the answers of members of a group by their places."""
    found: dict[int, bytes | Exception] = {}
    try:
        outputs = _outputs(recommender, members)
    except Exception as error:
        return {place: error for place, *_ in members}
    for (place, *_), mine in zip(members, outputs, strict=True):
        try:
            found[place] = calls[place].write(mine)
        except Exception as error:
            found[place] = error
    return found


def _outputs(recommender, members):
    """Returns the outputs of each member."""
    _, name, first = members[0]
    each = [inputs for _, _, inputs in members]
    kind = _kind(name, first)
    if kind is None:
        return [_called(recommender, name, first)]
    joined = _joined(each)
    if recommender.index is None:
        # The same lists, by the fastest way to rank the whole catalogue.
        _, k, exclude_seen = kind
        ids, scores = recommender.rank(
            requests_of_arrays(joined), k, exclude_seen
        )
        outputs = {"item_ids": ids, "scores": scores}
    else:
        options = {key: first[key] for key in first if key not in _PER_USER}
        options = {key: value.ravel()[:1] for key, value in options.items()}
        outputs = _called(recommender, name, joined | options)
    ends = np.cumsum([len(inputs["user_id"]) for inputs in each])[:-1]
    parts = {key: np.split(value, ends) for key, value in outputs.items()}
    return [
        {key: value[place] for key, value in parts.items()}
        for place in range(len(each))
    ]


def _called(recommender, name, inputs):
    tensors = {key: tf.constant(value) for key, value in inputs.items()}
    try:
        found = recommender.served.signatures[name](**tensors)
    except tf.errors.InvalidArgumentError as error:
        raise Refusal(400, _sentence(error.message)) from error
    return {key: tensor.numpy() for key, tensor in found.items()}


def _kind(name: str, inputs: Tensors) -> tuple[str, int, bool] | None:
    """Returns what calls that can be one share; `None` for one alone.

    What does not fit together is left to the signature, which says why.
    """
    if name not in _RECOMMEND:
        return None
    values = [np.unique(inputs[option]) for option in ("k", "exclude_seen")]
    rows = len(inputs["user_id"])
    fits = all(len(inputs[key]) == rows for key in _PER_USER if key in inputs)
    times = inputs.get("history_time")
    if times is not None:
        fits = fits and times.shape == inputs["history"].shape
    if not fits or not rows or any(len(value) != 1 for value in values):
        return None
    k, exclude_seen = (value.item() for value in values)
    return ("recommend", k, exclude_seen) if k > 0 else None


def _parts(members):
    """Cuts a group where its joined histories would be too large."""
    parts, rows, width = [], 0, 0
    for member in members:
        count, length = member[2]["user_id"].size, 1
        if "history" in member[2]:
            length = max(1, member[2]["history"].shape[-1])
        rows, width = rows + count, max(width, length)
        if not parts or rows * width > _CELLS:
            parts.append([])
            rows, width = count, length
        parts[-1].append(member)
    return parts


def _joined(each: Sequence[Tensors]) -> Tensors:
    """Joins what users of several calls have, histories filled up."""
    width = max(inputs["history"].shape[1] for inputs in each)
    joined = {}
    for key in _PER_USER:
        if key not in each[0]:
            continue
        arrays = [inputs[key] for inputs in each]
        if arrays[0].ndim == 2:
            nothing = "" if arrays[0].dtype == object else 0
            arrays = [
                np.pad(
                    array,
                    [(0, 0), (0, width - array.shape[1])],
                    constant_values=nothing,
                )
                for array in arrays
            ]
        joined[key] = np.concatenate(arrays)
    return joined


def _check_sizes(inputs: dict[str, np.ndarray], settings: Settings) -> None:
    """Refuses what would take all memory."""
    rows = len(inputs["user_id"])
    if rows > settings.max_rows:
        raise Refusal(
            400,
            f"A request may have at most {settings.max_rows:,} users. "
            f"Received: {rows:,}",
        )
    width = inputs["history"].shape[1]
    if width > settings.max_history:
        raise Refusal(
            400,
            f"`history` must have at most {settings.max_history:,} items. "
            f"Received: {width:,}",
        )
    if inputs["history"].size > _CELLS:
        raise Refusal(
            400,
            f"`history` must have at most {_CELLS:,} places. Received: "
            f"{inputs['history'].size:,}",
        )
    answers = 0
    if "k" in inputs and inputs["k"].size:
        k = int(inputs["k"].max())
        if k > settings.max_items:
            raise Refusal(
                400,
                f"`k` must be at most {settings.max_items:,}. Received: k={k}",
            )
    if "vectors" in inputs:
        answers = rows * len(inputs["vectors"])
    if answers > _ANSWERS:
        raise Refusal(
            400,
            f"A request may ask for at most {_ANSWERS:,} scores. Received: "
            f"{answers:,}",
        )


def _sentence(message: str) -> str:
    """Returns what a check of the graph says, without the rest.

    `assertion failed: [What was expected.] [Condition ...] [...]`
    """
    found = re.search(r"\[([^\]]+?)\.?\]", message)
    said = found[1] if found else "The inputs do not fit together"
    return f"{said}."
