"""What is ranked against what, and how the ranks are averaged."""

import dataclasses
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


@dataclass(frozen=True)
class Protocol:
    """How a model is evaluated; two models are compared on the same one.

    Every event of the part with an earlier event in its sequence is a
    sample: the positive is ranked by the model's score among negatives, ties
    counting by half.

    Args:
        part: "validation" or "test". Defaults to `"test"`.
        negatives: how many items are drawn uniformly for each sample, with
            replacement and never the positive, or "all" to rank the
            positive among the whole catalogue. Defaults to 1000.
        exclude: what is no negative besides the positive: "history", the
            visible history; "user", all items of the sequence up to the
            part; "none". Defaults to `"history"`.
        k: number of places of HIT, NDCG and MRR. Defaults to 5.
        gauc_weighting: GAUC is the mean over users of the AUC of a user,
            which is the mean AUC of the user's samples. "samples" weights
            users by their number of samples (the mean over all samples),
            "users" weights them equally. Defaults to `"samples"`.
        seed: seed of the negatives. Defaults to 0.
        max_length: the longest visible history. Defaults to 100.
    """

    part: str = "test"
    negatives: int | str = 1000
    exclude: str = "history"
    k: int = 5
    gauc_weighting: str = "samples"
    seed: int = 0
    max_length: int = 100

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
        check_positive_int(self.k, "k")
        check_choice(self.gauc_weighting, "gauc_weighting", _WEIGHTING)
        check_positive_int(self.seed, "seed", 0)
        check_positive_int(self.max_length, "max_length")

    @property
    def metric_names(self) -> tuple[str, str, str, str]:
        """The names of the metrics, in the order in which they are shown."""
        return ("gauc", f"ndcg@{self.k}", f"hit@{self.k}", f"mrr@{self.k}")

    def describe(self) -> str:
        """Returns the protocol as one sentence."""
        if self.negatives == "all":
            candidates = "the whole catalogue"
        else:
            candidates = (
                f"{self.negatives:,} items drawn uniformly (seed {self.seed})"
            )
        return (
            f"Each {self.part} event is ranked among {candidates}, "
            f"{_EXCLUDED[self.exclude]}, from at most the last "
            f"{self.max_length} events before it; ties count by half; HIT, "
            f"NDCG and MRR look at the first {self.k} places; GAUC is the "
            "mean AUC of the samples of a user, averaged with "
            f"{_WEIGHTING[self.gauc_weighting]}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Protocol":
        """Makes a protocol from the result of `to_dict`.

        Raises:
            UserError: a key is not a field.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in names:
                raise UserError(unknown_name("protocol option", key, names))
        return cls(**values)
