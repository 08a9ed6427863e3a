"""Checks of a batch of features outside of a compiled graph."""

from collections.abc import Iterable
from collections.abc import Mapping

import numpy as np
from keras import ops

from mgnm_tf.types import Tensor

_ITEM_KEYS = ("history", "candidates", "shared_negatives")


def check_batch(batch: object, needed: Iterable[str]) -> None:
    """Refuses arrays in the place of a batch, and a batch that lacks some.

    Args:
        batch: what a model is given: a batch, or a stream of them, which
            passes.
        needed: the keys of a batch.

    Raises:
        TypeError: it is an array or a tensor.
        ValueError: a key is missing.
    """
    words = ", ".join(f"`{key}`" for key in needed)
    if isinstance(batch, np.ndarray) or ops.is_tensor(batch):
        raise TypeError(
            f"A batch is a dict with {words}, or a stream of them, see "
            f"mgnm_tf.make_dataset. Received: {type(batch).__name__} of shape "
            f"{tuple(batch.shape)}"
        )
    if isinstance(batch, dict):
        missing = [f"`{key}`" for key in needed if key not in batch]
        if missing:
            found = ", ".join(f"`{key}`" for key in batch) or "nothing"
            raise ValueError(
                f"A batch must hold {words}. Missing: {', '.join(missing)}. "
                f"Received: {found}"
            )


def check_features(
    features: Mapping[str, Tensor], num_users: int, num_items: int
) -> None:
    """Checks that a model can read a batch as it is meant.

    An embedding table answers to an id outside its range with zeros or with
    a foreign row, depending on the device, and a history with padding before
    an item has other scores; hence this check.

    Args:
        features: arrays or tensors with values: `user`, `history`,
            `candidates`, `shared_negatives`, `history_time`, whichever are
            there.
        num_users: number of known users; 0 is "unknown user".
        num_items: number of items; 0 is padding.

    Raises:
        TypeError: ids are not integers.
        ValueError: an id is out of its range, a history has padding before
            an item, or its times run backwards; the message names the first.
    """
    limits = {"user": num_users} | dict.fromkeys(_ITEM_KEYS, num_items)
    for key, limit in limits.items():
        if key not in features:
            continue
        ids = np.asarray(ops.convert_to_numpy(features[key]))
        if not np.issubdtype(ids.dtype, np.integer):
            raise TypeError(
                f"`{key}` must hold integer ids. Received: dtype={ids.dtype}"
            )
        wrong = np.argwhere((ids < 0) | (ids > limit))
        if len(wrong):
            place = tuple(int(index) for index in wrong[0])
            raise ValueError(
                f"`{key}` must hold ids from 0 to {limit}. "
                f"Received: {ids[place]} at {_words(place)}"
            )
        if key == "history":
            _check_padding(ids)
    if "history" in features and "history_time" in features:
        history, times = (
            np.asarray(ops.convert_to_numpy(features[key]))
            for key in ("history", "history_time")
        )
        if history.shape == times.shape:
            _check_times(history, times)


def _check_padding(history: np.ndarray) -> None:
    """Refuses a history (B, m) with a 0 before an item."""
    if history.ndim != 2:
        raise ValueError(
            "`history` must be (batch, length). Received: shape="
            f"{history.shape}"
        )
    early = np.argwhere((history[:, :-1] == 0) & (history[:, 1:] != 0))
    if len(early):
        row, column = map(int, early[0])
        raise ValueError(
            "`history` must hold the items oldest first and 0 behind them "
            "only (`keras.utils.pad_sequences` does so with padding='post'). "
            f"Received: 0 at {_words((row, column))}, before item "
            f"{history[row, column + 1]}"
        )


def _check_times(history: np.ndarray, times: np.ndarray) -> None:
    """Refuses times (B, m) that fall from an item to the next."""
    falls = (times[:, 1:] < times[:, :-1]) & (history[:, 1:] != 0)
    early = np.argwhere(falls)
    if len(early):
        row, column = map(int, early[0])
        raise ValueError(
            "`history_time` must not run backwards: the items of a history "
            f"stand oldest first. Received: {times[row, column + 1]} after "
            f"{times[row, column]} at {_words((row, column + 1))}"
        )


def _words(place: tuple[int, ...]) -> str:
    """Writes the place of an entry: row 1, column 2."""
    return ", ".join(
        f"{name} {index}"
        for name, index in zip(("row", "column"), place, strict=False)
    )
