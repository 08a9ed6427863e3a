"""A stand-in for a loaded model, with the interface of `Recommender`."""

import numpy as np
import pandas as pd


class MadeUpRecommender:
    """Recommends from random vectors; the same user always gets the same.

    Args:
        item_ids: the ids of the catalogue.
        levels: number of levels.
        count: number of interests of a level.
        max_length: the longest history that is read.
    """

    metadata = {"model": "MGNM <paper>"}

    def __init__(self, item_ids, levels=4, count=4, max_length=50):
        self.item_ids = np.array(item_ids, dtype=object)
        self.max_length = max_length
        self.level = np.repeat(np.arange(levels), count)
        self.interest = np.tile(np.arange(1, count + 1), levels)
        random = np.random.default_rng(1)
        self.vectors = random.normal(size=(len(item_ids), 8))
        self.row = {item: i for i, item in enumerate(item_ids)}

    def item_vectors(self, ids):
        return self.vectors[[self.row[one] for one in ids]]

    def interests(self, histories, users=None, times=None):
        (history,) = histories
        known = [i for i, one in enumerate(history) if one in self.row]
        read = known[-self.max_length :]
        count = len(self.level)
        attention = np.zeros((1, count, len(history)), "float32")
        interests = np.zeros((1, count, 8), "float32")
        if read:
            items = self.item_vectors(history[i] for i in read)
            random = np.random.default_rng(len(history))
            logits = items @ random.normal(size=(8, count))
            weights = np.exp(1.2 * logits.T)
            weights /= weights.sum(axis=1, keepdims=True)
            attention[0][:, read] = weights
            interests[0] = weights @ items
        return {
            "interests": interests,
            "attention": attention,
            "level": self.level.astype("int32"),
            "interest": self.interest.astype("int32"),
        }

    def recommend(self, histories, k=20, users=None):
        (history,) = histories
        best = MadeUpRecommender.interests(self, histories)["interests"][0]
        scores = (best @ self.vectors.T).max(axis=0)
        scores[[self.row[one] for one in history if one in self.row]] = -np.inf
        order = np.argsort(-scores, kind="stable")[:k]
        ids = np.where(np.isfinite(scores), self.item_ids, "")
        return pd.DataFrame(
            {
                "user_id": users[0],
                "rank": np.arange(1, len(order) + 1),
                "item_id": ids[order],
                "score": scores[order].astype("float32"),
            }
        )


class MadeUpMixture(MadeUpRecommender):
    """The same, of a model that mixes its interests by a prediction.

    Args:
        item_ids: the ids of the catalogue.
        shares: how much each interest is expected, of every user.
    """

    metadata = {
        "model": "TiMiRec",
        "signatures": {"interests": {}, "interest_distribution": {}},
    }

    def __init__(self, item_ids, shares):
        super().__init__(item_ids, levels=1, count=len(shares))
        self.shares = np.array(shares)

    def interest_distribution(self, histories, users=None, times=None):
        found = super().interests(histories)
        return {**found, "distribution": self.shares[None]}

    def interests(self, histories, users=None, times=None):
        raise AssertionError("those that are mixed are asked for")
