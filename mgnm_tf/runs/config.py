"""What a training run is made of."""

from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from typing import Any
from typing import Literal

from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range
from mgnm_tf.utils.validation import unknown_name

MONITORS = {
    "val_ndcg@5": "max",
    "val_hit@5": "max",
    "val_mrr@5": "max",
    "val_gauc": "max",
    "val_loss": "min",
    "loss": "min",
}
"""What a run can be stopped by, and whether more or less of it is better."""


@dataclass(frozen=True)
class TrainConfig:
    """One training run: model, objective, batches, when to stop.

    Two runs with equal configurations on the same data are the same run: on
    a CPU they end with the same weights.

    Args:
        model: the name of a model, see `mgnm models`.
        preset: a named set of constructor arguments of the model, or several
            with `+` between them, of which the later ones win. `None` is
            the model's own defaults.
        options: constructor arguments of the model that replace those of
            the preset; strings are read by the declared type.
        objective: `"paper"` (sigmoid cross-entropy), `"sampled_softmax"` or
            `"gbce"`, see `mgnm_tf.losses`.
        negatives: negatives drawn for each positive. `None` is 5 for the
            paper's objective and 0 for the others.
        shared_negatives: negatives that a whole batch shares. `None` is 0
            for the paper's objective and 1,000 for the others.
        sampling: how negatives are drawn, `"uniform"` over the catalogue or
            by `"popularity"`.
        correct_sampling: whether the loss corrects for how likely a negative
            was drawn.
        batch_size: positives in a batch.
        max_length: longest history, in events; older events are left out.
        learning_rate: step size of `LazyAdam`.
        learning_rate_schedule: `"constant"`, or `"cosine"`: falls along a half
            cosine to a twentieth of `learning_rate` in the last of `epochs`.
        epochs: the most passes over the training data.
        patience: epochs without improvement of `monitor` after which
            training ends. `0` ends at the first such epoch.
        monitor: the value that decides which epoch is the best one, a key of
            `MONITORS`.
        validation_negatives: negatives of each validation record.
        seed: seed of the weights, of the order and of the negatives.
        steps_per_execution: steps between two returns to Python. `None`
            chooses by the length of an epoch.
        mixed_precision: whether to compute in float16 with float32 weights.
        jit_compile: whether XLA compiles the step.

    Raises:
        UserError: a value is outside its range, or a name is unknown.
    """

    model: str
    preset: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    objective: Literal["paper", "sampled_softmax", "gbce"] = "paper"
    negatives: int | None = None
    shared_negatives: int | None = None
    sampling: Literal["uniform", "popularity"] = "uniform"
    correct_sampling: bool = False
    batch_size: int = 256
    max_length: int = 100
    learning_rate: float = 1e-3
    learning_rate_schedule: Literal["constant", "cosine"] = "constant"
    epochs: int = 20
    patience: int = 3
    monitor: str = "val_ndcg@5"
    validation_negatives: int = 1000
    seed: int = 0
    steps_per_execution: int | None = None
    mixed_precision: bool = False
    jit_compile: bool = False

    def __post_init__(self):
        try:
            self._check_names()
            self._fill_negatives()
            self._check_numbers()
        except (TypeError, ValueError) as error:
            raise UserError(str(error)) from error

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainConfig":
        """Makes a configuration from `to_dict`'s result.

        Raises:
            UserError: a key is unknown or a value cannot be used.
        """
        known = [entry.name for entry in fields(cls)]
        for key in values:
            if key not in known:
                raise UserError(unknown_name("training option", key, known))
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Returns all values, as JSON types."""
        return asdict(self)

    @property
    def mode(self) -> str:
        """Whether more ("max") or less ("min") of `monitor` is better."""
        return MONITORS[self.monitor]

    def difference(self, other: "TrainConfig") -> str:
        """Returns "name is a, was b" of what differs in `other`, or ""."""
        mine, theirs = self.to_dict(), other.to_dict()
        return ", ".join(
            f"{key} is {mine[key]!r}, was {theirs[key]!r}"
            for key in mine
            if mine[key] != theirs[key]
        )

    def _check_names(self) -> None:
        check_choice(self.objective, "objective", OBJECTIVES)
        check_choice(self.sampling, "sampling", ("uniform", "popularity"))
        check_choice(self.monitor, "monitor", MONITORS)
        check_choice(
            self.learning_rate_schedule,
            "learning_rate_schedule",
            ("constant", "cosine"),
        )

    def _fill_negatives(self) -> None:
        for name, default in OBJECTIVES[self.objective].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)

    def _check_numbers(self) -> None:
        for name, minimum in MINIMA.items():
            check_positive_int(getattr(self, name), name, minimum)
        if self.steps_per_execution is not None:
            check_positive_int(self.steps_per_execution, "steps_per_execution")
        check_range(self.learning_rate, "learning_rate", 1e-12, 1e3)
        if not self.negatives and not self.shared_negatives:
            raise ValueError(
                "Training needs something to tell the positive from: "
                "`negatives` and `shared_negatives` are both 0."
            )


OBJECTIVES = {
    "paper": {"negatives": 5, "shared_negatives": 0},
    "sampled_softmax": {"negatives": 0, "shared_negatives": 1000},
    "gbce": {"negatives": 0, "shared_negatives": 1000},
}
"""The negatives that an objective draws when nothing else is asked for."""

MINIMA = {
    "negatives": 0,
    "shared_negatives": 0,
    "batch_size": 1,
    "max_length": 1,
    "epochs": 1,
    "patience": 0,
    "validation_negatives": 1,
    "seed": 0,
}
