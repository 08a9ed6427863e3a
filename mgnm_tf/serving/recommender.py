"""An exported model in use: histories in, recommendations out."""

import logging
import os
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from mgnm_tf.errors import UserError
from mgnm_tf.export import export_folder
from mgnm_tf.export.feature_map import FeatureMap
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.index.interest_index import InterestIndex
from mgnm_tf.serving.diverse_lists import POOL
from mgnm_tf.serving.diverse_lists import DiverseLists
from mgnm_tf.serving.item_vectors import ItemVectors
from mgnm_tf.serving.ranking.catalogue_ranking import CatalogueRanking
from mgnm_tf.serving.ranking.changing_items import ChangingItems
from mgnm_tf.serving.ranking.joined_blocks import join_blocks
from mgnm_tf.serving.ranking.onnx_reader import TOGETHER
from mgnm_tf.serving.ranking.retrieval import Retrieval
from mgnm_tf.serving.ranking.side_by_side import side_by_side
from mgnm_tf.serving.recommend_arguments import check_recommend
from mgnm_tf.serving.requests.known_ids import KnownIds
from mgnm_tf.serving.requests.read_requests import read_candidates
from mgnm_tf.serving.requests.read_requests import read_requests
from mgnm_tf.serving.requests.request_blocks import Requests

logger = logging.getLogger(__name__)


class Recommender(ChangingItems):
    """Recommends items from an exported model.

    Raw ids in, raw ids out. A user whom the model does not know is served by
    the mean user, unknown items of a history are ignored, and an empty
    history is served the most popular items. What of a request the model does
    not know is logged as a warning, unless `warns_of_unknown` is set to
    False.

    Letters in shapes: B users, C candidates, n interests, d width, m the
    longest history given.

    Args:
        served: what `tf.saved_model.load` returned for an export.
        metadata: the content of `export.json`.
        vocabularies: the ids of the model.
        retrieval: finds candidates in a large catalogue. Defaults to `None`:
            the whole catalogue is scored.
        signatures: name -> function. Defaults to `None`: those of `served`.
        feature_map: vectors of new items from their features. Defaults to
            `None`.
        path: the export folder, where TensorFlow need not do all. Defaults
            to `None`.
    """

    def __init__(
        self,
        served: Any,
        metadata: Mapping[str, Any],
        vocabularies: Vocabularies,
        retrieval: Retrieval | None = None,
        signatures: Mapping[str, Any] | None = None,
        feature_map: FeatureMap | None = None,
        path: str | os.PathLike | None = None,
    ):
        self.served = served
        self.metadata = metadata
        self.vocabularies = vocabularies
        self.item_ids = vocabularies.item_ids
        self._retrieval = retrieval
        self.feature_map = feature_map
        # An export of an earlier version does not say.
        reads_users = metadata.get("reads_users", True)
        self.known_ids = KnownIds(vocabularies, reads_users)
        self.warns_of_unknown = True
        self._item_vectors = ItemVectors(
            served, metadata, self.known_ids, retrieval
        )
        self.diverse = DiverseLists(
            self.known_ids, vocabularies.item_categories, self._item_vectors
        )
        self._signatures = signatures or served.signatures
        # Both take a request, k and `exclude_seen`.
        self._ranking: Any = retrieval
        if retrieval is None:
            self._ranking = CatalogueRanking(
                served, metadata, vocabularies, signatures, path
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Recommender":
        """Opens a folder that `mgnm export` or `export` made.

        Args:
            path: the folder.

        Raises:
            UserError: the folder is not there, foreign or damaged.
        """
        path = Path(path)
        metadata = export_folder.read_header(path)
        try:
            served = tf.saved_model.load(path / export_folder.SAVED_MODEL)
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise UserError(
                f"{path / export_folder.SAVED_MODEL} cannot be loaded: {error}"
            ) from error
        vocabularies = export_folder.read_vocabularies(path)
        retrieval = Retrieval.load(path, served, metadata, vocabularies)
        features = path / export_folder.FEATURES
        feature_map = FeatureMap.load(features) if features.exists() else None
        return cls(
            served,
            metadata,
            vocabularies,
            retrieval,
            feature_map=feature_map,
            path=path,
        )

    @property
    def num_items(self) -> int:
        """How many items there are to recommend."""
        return len(self.item_ids if self.index is None else self.index)

    @property
    def index(self) -> InterestIndex | None:
        """Finds candidates; `None` where the whole catalogue is scored."""
        return None if self._retrieval is None else self._retrieval.index

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
                sequences of ids; or a table `user_id`, `item_id` and, needed
                by models that read times, `timestamp`, which orders it.
                Numbers are seconds; dates and datetime64 are times, too.
            k: number of items; of fewer all are taken. Defaults to `20`.
            users: the id of each row of `histories`, if it is no table.
                Defaults to `None`: unknown users, numbered from 0.
            times: the moment of each recommendation, for models that read
                times; of the same kinds. Defaults to `None`: that of the last
                event.
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
        requests = self._requests(histories, users, times)
        blocks = self.blocks(requests, k, exclude_seen, diversity)
        tables = [table for _, table in blocks if len(table)]
        if len(tables) == 1:
            return tables[0]
        if not tables:
            return pd.DataFrame(columns=["user_id", "rank", "item_id", "score"])
        return pd.concat(tables, ignore_index=True)

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
        requests = self._requests(histories, users, times)
        listed = read_candidates(candidates, len(requests))
        return self.score_requests(requests, listed)

    def score_requests(
        self, requests: Requests, candidates: np.ndarray
    ) -> np.ndarray:
        """Scores candidates, str (B, C), of B users, as `score` does."""
        scores = np.empty(candidates.shape, np.float32)
        for start, stop, inputs in requests.blocks(self._rows_at_a_time):
            inputs["candidates"] = candidates[start:stop]
            scores[start:stop] = self._call("score", inputs)["scores"]
        return scores

    def rank(
        self, requests: Requests, k: int, exclude_seen: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the best k <= `num_items` items of each user, as arrays.

        Ids str (B, k) and scores float32 (B, k), best first; "" with the
        score -inf where fewer are left.
        """
        ids = np.full((len(requests), k), "", object)
        scores = np.full((len(requests), k), -np.inf, np.float32)
        for part, *best in self._ranked(requests, k, exclude_seen):
            ids[part], scores[part] = best
        return ids, scores

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
        if "interests" not in self._signatures:
            raise UserError(
                f"{self.metadata['model']} has no interest vectors."
            )
        return self._of_interests("interests", histories, users, times)

    def interest_distribution(
        self,
        histories: Sequence[Sequence[str]] | pd.DataFrame,
        users: Sequence[str] | None = None,
        times: Sequence[int] | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns which interest of each user is expected to be next.

        Args:
            histories: as for `recommend`.
            users: as for `recommend`.
            times: as for `recommend`.

        Returns:
            `distribution` float32 (B, K), which sums to 1; `interests`
            float32 (B, K, d) that it mixes; and their `attention`, `level` and
            `interest`, see `interests`.

        Raises:
            UserError: the model does not predict it.
        """
        if "interest_distribution" not in self._signatures:
            raise UserError(
                f"{self.metadata['model']} does not predict which interest is "
                "next."
            )
        return self._of_interests(
            "interest_distribution", histories, users, times
        )

    def _of_interests(self, signature, histories, users, times):
        """Calls a signature block by block; joins what it says of users."""
        requests = self._requests(histories, users, times)
        blocks = requests.blocks(self._rows_at_a_time)
        found = (self._call(signature, inputs) for *_, inputs in blocks)
        return join_blocks(found, max([1, *np.diff(requests.offsets)]))

    def item_vectors(self, items: Sequence[str] | None = None) -> np.ndarray:
        """Returns the vectors that interests are multiplied with.

        Args:
            items: ids (C,). Defaults to `None`: all items of the model.

        Returns:
            float32 (C, d).

        Raises:
            UserError: the model has no item vectors, or does not know an
                item.
        """
        return self._item_vectors.of(items)

    def recommended_items(self) -> np.ndarray:
        """Returns the ids of the items that can be recommended, str (C,)."""
        retrieval = self._retrieval
        return self.item_ids if retrieval is None else retrieval.items()

    def blocks(
        self,
        requests: Requests,
        k: int = 20,
        exclude_seen: bool = True,
        diversity: float = 0.0,
    ) -> Iterator[tuple[int, pd.DataFrame]]:
        """Recommends to many users, a block of them after the other.

        Args:
            requests: what `read_history` returned.
            k: see `recommend`. Defaults to `20`.
            exclude_seen: see `recommend`. Defaults to `True`.
            diversity: see `recommend`. Defaults to `0.0`.

        Returns:
            An iterator over the number of users that are done, and a table
            like that of `recommend` of the latest of them.

        Raises:
            UserError: an argument cannot be used.
        """
        check_recommend(k, exclude_seen, diversity)
        if k > self.num_items:
            logger.info(
                "There are %d items, so a user gets at most %d, not %d.",
                *(self.num_items, self.num_items, k),
            )
            k = max(1, self.num_items)
        wanted = min(POOL * k, self.num_items) if diversity else k
        for part, ids, scores in self._ranked(requests, wanted, exclude_seen):
            if diversity:
                ids, scores = self.diverse.choose(ids, scores, k, diversity)
            row, column = np.nonzero(scores > -np.inf)
            table = {
                "user_id": requests.labels[part][row],
                "rank": column + 1,
                "item_id": ids[row, column],
                "score": scores[row, column],
            }
            yield part.stop, pd.DataFrame(table)

    # === Steps ===

    def _requests(self, histories, users, times) -> Requests:
        reads_times = self.metadata["reads_times"]
        requests = read_requests(histories, users, times, reads_times)
        if self.warns_of_unknown:
            self.known_ids.note(requests)
        return requests

    def _call(self, name: str, inputs: Mapping[str, np.ndarray]):
        """Calls a signature; returns its tensors by name."""
        tensors = {key: tf.convert_to_tensor(x) for key, x in inputs.items()}
        return self._signatures[name](**tensors)

    def _ranked(self, requests, k, exclude_seen):
        """Yields where users are, and ids and scores (B, k), by blocks."""
        most, threads = self._ranking.rows_at_a_time, 1
        if len(requests) > TOGETHER:
            threads = self._ranking.threads
            most = min(most, max(TOGETHER, -(-len(requests) // threads)))

        def best(block):
            start, stop, inputs = block
            found = self._ranking.best(inputs, k, exclude_seen)
            return slice(start, stop), *found

        return side_by_side(best, requests.blocks(most), threads)

    @property
    def _rows_at_a_time(self) -> int:
        return self.metadata["rows_at_a_time"]
