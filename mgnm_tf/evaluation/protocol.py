"""What is ranked against what, and how the ranks are averaged."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import unknown_name

_EXCLUDED = {
    "history": "without the items of the visible history",
    "user": "without the items of the user up to that part",
    "none": "the visible history included",
}
_WEIGHTING = {
    "samples": "users weighted by their samples",
    "users": "all users weighted the same",
}
TIES = {"half": 0.5, "above": 1.0}
"""What a negative of the same score as the positive counts."""
_TIED = {"half": "by half", "above": "against the positive"}
_AGGREGATE = {
    "samples": "",
    "user_pool": (
        " are means over users, each by the best of the user's samples "
        "among their pooled negatives, and"
    ),
}


@dataclass(frozen=True)
class Protocol:
    """How a model is evaluated; two models are compared on the same one.

    Every event of the part with an earlier event in its sequence is a
    sample: the positive is ranked by the model's score among negatives, for
    ties see `tied_scores`. A sample without a negative, because everything
    else is excluded, does not count.

    Args:
        part: "validation" or "test". Defaults to `"test"`.
        negatives: how many items are drawn uniformly for each sample, with
            replacement and never the positive, or "all" to rank the
            positive among the whole catalogue. Defaults to 1000.
        exclude: what is no negative besides the positive: "history", the
            visible history; "user", all items of the sequence up to the
            part; "none". Defaults to `"history"`.
        k: number of places of HIT, NDCG and MRR, or several; models are
            ordered by the first. A tuple once the protocol is made. Defaults
            to 5.
        gauc_weighting: GAUC is the mean over users of the AUC of a user,
            which is the mean AUC of the user's samples. "samples" weights
            users by their number of samples (the mean over all samples),
            "users" weights them equally. Defaults to `"samples"`.
        seed: seed of the negatives. Defaults to 0.
        max_length: the longest visible history. Defaults to 100.
        later_only: whether samples count only whose time is later than that
            of the last event before them; the order of events of one time is
            that of the source. Defaults to `False`.
        shuffle_ties: a seed that draws the order of the history's events of
            one time, among those of earlier parts than `part`, or `None` for
            the order of the source. Defaults to `None`.
        aggregate: what HIT, NDCG and MRR are means of. "samples": the text
            of the MGNM paper. "user_pool": the form of its released code,
            see `Evaluation.per_user`. Defaults to `"samples"`.
        tied_scores: what a negative counts whose score is that of the
            positive: "half", or "above", as much as one above it, so that a
            model with the same score for all items ranks its positives last.
            Defaults to `"half"`.
    """

    part: str = "test"
    negatives: int | str = 1000
    exclude: str = "history"
    k: int | Sequence[int] = 5
    gauc_weighting: str = "samples"
    seed: int = 0
    max_length: int = 100
    later_only: bool = False
    shuffle_ties: int | None = None
    aggregate: str = "samples"
    tied_scores: str = "half"

    def __post_init__(self):
        check_choice(self.part, "part", ("validation", "test"))
        if self.negatives != "all":
            if isinstance(self.negatives, str):
                raise ValueError(
                    "`negatives` must be a number or 'all'. "
                    f"Received: negatives={self.negatives!r}"
                )
            check_positive_int(self.negatives, "negatives")
        check_choice(self.exclude, "exclude", _EXCLUDED)
        object.__setattr__(self, "k", _places(self.k))
        check_choice(self.gauc_weighting, "gauc_weighting", _WEIGHTING)
        check_positive_int(self.seed, "seed", 0)
        check_positive_int(self.max_length, "max_length")
        if not isinstance(self.later_only, bool):
            raise TypeError(
                "`later_only` must be True or False. "
                f"Received: later_only={self.later_only!r}"
            )
        if self.shuffle_ties is not None:
            check_positive_int(self.shuffle_ties, "shuffle_ties", 0)
        check_choice(self.aggregate, "aggregate", _AGGREGATE)
        check_choice(self.tied_scores, "tied_scores", TIES)

    @property
    def depends_on_length(self) -> bool:
        """Whether models must see histories of one length.

        Only then do they rank the same lists: what is excluded is the
        visible history.
        """
        return self.exclude == "history"

    @property
    def places(self) -> tuple[int, ...]:
        """The numbers of places of `k`, in its order."""
        return _places(self.k)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names of the metrics, in the order in which they are shown."""
        return (
            "gauc",
            *(
                f"{name}@{k}"
                for k in self.places
                for name in ("ndcg", "hit", "mrr")
            ),
        )

    @property
    def main_metric(self) -> str:
        """The metric by which the best model is chosen."""
        return f"ndcg@{self.places[0]}"

    @property
    def name(self) -> str:
        """A name for a folder: the part, and what differs from the default.

        For example `test_negatives-all_k-5-10`.
        """
        words = [self.part]
        for field in dataclasses.fields(self)[1:]:
            value = getattr(self, field.name)
            if value == getattr(Protocol(), field.name):
                continue
            values = value if isinstance(value, tuple) else (value,)
            if value is True:
                values = ()
            words.append("-".join([field.name, *map(str, values)]))
        return "_".join(word.replace("_", "-") for word in words)

    def weights_users_alike(self, metric: str) -> bool:
        """Whether a metric is a mean over users, and not over samples."""
        if metric == "gauc":
            return self.gauc_weighting == "users"
        return self.aggregate == "user_pool"

    def for_catalogue(self, num_items: int) -> "Protocol":
        """Returns the protocol that is followed on so many items.

        Negatives are drawn with replacement. Where as many are asked for as
        there are items besides the positive, or more, the whole catalogue is
        ranked.

        Args:
            num_items: number of items of the data.
        """
        if isinstance(self.negatives, str) or self.negatives < num_items - 1:
            return self
        return dataclasses.replace(self, negatives="all")

    def describe(self) -> str:
        """Returns the protocol as one sentence."""
        if self.negatives == "all":
            candidates = "the whole catalogue"
        else:
            candidates = (
                f"{self.negatives:,} items drawn uniformly (seed {self.seed})"
            )
        event = f"{self.part} event"
        if self.later_only:
            event += " that is later than the event before it"
        order = ""
        if self.shuffle_ties is not None:
            order = (
                " (earlier parts' events of one time in an order drawn with "
                f"seed {self.shuffle_ties})"
            )
        *most, last = map(str, self.places)
        places = f"{', '.join(most)} and {last}" if most else last
        return (
            f"Each {event} is ranked among {candidates}, "
            f"{_EXCLUDED[self.exclude]}, from at most the last "
            f"{self.max_length} events before it{order}; ties count "
            f"{_TIED[self.tied_scores]}; "
            f"HIT, NDCG and MRR{_AGGREGATE[self.aggregate]} look at the first "
            f"{places} places; GAUC is the mean AUC of the samples of a user, "
            f"averaged with {_WEIGHTING[self.gauc_weighting]}."
        )

    def difference(self, other: "Protocol") -> str:
        """Returns "name is a, was b" of what differs in `other`, or "".

        The longest history counts only where the lists depend on it.
        """
        mine, theirs = self.to_dict(), other.to_dict()
        if not (self.depends_on_length or other.depends_on_length):
            del mine["max_length"]
        return ", ".join(
            f"{key} is {mine[key]!r}, was {theirs[key]!r}"
            for key in mine
            if mine[key] != theirs[key]
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        first, *more = self.places
        k = [first, *more] if more else first
        return {**dataclasses.asdict(self), "k": k}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Protocol":
        """Makes a protocol from the result of `to_dict`, also an older one.

        Raises:
            UserError: a key is not a field.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in names:
                raise UserError(unknown_name("protocol option", key, names))
        return cls(**values)


def _places(k: int | Sequence[int]) -> tuple[int, ...]:
    """Returns the numbers of places as a tuple."""
    several = tuple(k) if isinstance(k, (tuple, list)) else (k,)
    places = tuple(check_positive_int(one, "k") for one in several)
    if not places or len(set(places)) < len(places):
        raise ValueError(
            "`k` must be a number of places, or several that differ. "
            f"Received: k={k!r}"
        )
    return places
