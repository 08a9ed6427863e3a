"""An exported model in use: histories in, recommendations out."""

import os
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


class Recommender:
    """Recommends items from an exported model.

    Raw ids in, raw ids out. A user whom the model does not know is served by
    the mean user, unknown items of a history are ignored, and an empty
    history is served the most popular items.

    Letters in shapes: B users, C candidates, n interests, d width, m the
    longest history given.

    Args:
        served: what `tf.saved_model.load` returned for an export.
        metadata: the content of `export.json`.
        item_ids: str (M,), the items of the model in the order of its rows.
        index: finds candidates in a large catalogue. Defaults to `None`: the
            whole catalogue is scored.
    """

    def __init__(
        self,
        served: Any,
        metadata: Mapping[str, Any],
        item_ids: np.ndarray,
        index: Any = None,
    ):
        self.served = served
        self.metadata = metadata
        self.item_ids = item_ids
        self.index = index

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Recommender":
        """Opens a folder that `mgnm export` or `export` made.

        Args:
            path: the folder.

        Raises:
            UserError: the folder is not there, foreign or damaged.
        """
        raise NotImplementedError

    def recommend(
        self,
        histories: Sequence[Sequence[str]] | pd.DataFrame,
        k: int = 20,
        users: Sequence[str] | None = None,
        times: Sequence[int] | None = None,
        exclude_seen: bool = True,
        diversity: float = 0.0,
    ) -> pd.DataFrame:
        """Recommends k items to each user.

        Args:
            histories: the items of each user, oldest first: a sequence of
                sequences of ids; or a table `user_id`, `item_id` and, for
                models that read times, `timestamp`, in time order.
            k: number of items. Defaults to `20`.
            users: the id of each row of `histories`, if it is no table.
                Defaults to `None`: unknown users, numbered from 0.
            times: the moment of each recommendation in seconds, for models
                that read times. Defaults to `None`: that of the last event.
            exclude_seen: whether items of the history are left out. Defaults
                to `True`.
            diversity: weight of the difference between the items of a list.
                Defaults to `0.0`.

        Returns:
            Columns `user_id`, `rank` (from 1), `item_id`, `score`; the users
            in the order given (of a table: of their first rows).

        Raises:
            UserError: an argument cannot be used.
        """
        raise NotImplementedError

    def score(
        self,
        histories: Sequence[Sequence[str]] | pd.DataFrame,
        candidates: Sequence[Sequence[str]],
        users: Sequence[str] | None = None,
        times: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Scores candidates of each user.

        Args:
            histories: as for `recommend`.
            candidates: (B, C) ids.
            users: as for `recommend`.
            times: as for `recommend`.

        Returns:
            float32 (B, C); -inf for an item that the model does not know.
        """
        raise NotImplementedError

    def interests(
        self,
        histories: Sequence[Sequence[str]] | pd.DataFrame,
        users: Sequence[str] | None = None,
        times: Sequence[int] | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns the interests of each user.

        Args:
            histories: as for `recommend`.
            users: as for `recommend`.
            times: as for `recommend`.

        Returns:
            `interests` float32 (B, n, d); from models with several interests
            also `attention` float32 (B, n, m), how much each item of the
            history feeds each interest, `level` int32 (n,) and `interest`
            int32 (n,).

        Raises:
            UserError: the model has no interests.
        """
        raise NotImplementedError
