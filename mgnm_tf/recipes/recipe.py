"""What a recipe holds, and which values it may have."""

import re
from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import BaseModel
from pydantic import BeforeValidator
from pydantic import ConfigDict
from pydantic import Field
from pydantic import model_validator

from mgnm_tf.utils.validation import check_nothing_drawn
from mgnm_tf.utils.validation import unknown_name


def _no_flag(value: Any) -> Any:
    """Refuses true and false where a number is expected."""
    if isinstance(value, bool):
        raise ValueError(f"must be a number. Received: {value}")
    return value


def _none_of_text(value: Any) -> Any:
    """Reads the word that stands for `None` in TOML."""
    return None if value == "none" else value


def _as_names(value: Any) -> Any:
    """Returns names in a text, with commas between them, as several."""
    if isinstance(value, str):
        return tuple(name for name in value.split(",") if name)
    return value


Count = Annotated[int, BeforeValidator(_no_flag), Field(ge=0)]
Positive = Annotated[int, BeforeValidator(_no_flag), Field(ge=1)]
Rate = Annotated[float, BeforeValidator(_no_flag), Field(ge=1e-12, le=1e3)]
RateOrNone = Annotated[Rate | None, BeforeValidator(_none_of_text)]
Share = Annotated[float, BeforeValidator(_no_flag), Field(ge=0.0, le=1e3)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_names)]

OBJECTIVES: dict[str, dict[str, int | str]] = {
    "bce": {"negatives": 5, "shared_negatives": 0},
    "bpr": {"negatives": 5, "shared_negatives": 0},
    "sampled_softmax": {"negatives": 0, "shared_negatives": 1000},
    "softmax": {"negatives": "all", "shared_negatives": 0},
    "gbce": {"negatives": 0, "shared_negatives": 1000},
}
"""The negatives that an objective draws when nothing else is asked for."""


def default_draws(
    objective: str, negatives: int | str | None = None
) -> dict[str, int | str]:
    """Returns what is drawn where nothing else is asked for.

    Args:
        objective: a key of `OBJECTIVES`.
        negatives: what is asked for; beside `"all"` nothing is drawn.
    """
    return OBJECTIVES["softmax" if negatives == "all" else objective]


OLD_NAMES = {
    "objective": {"paper": "bce"},
    "key": {
        "correct_sampling": "`correct_sampling` is called `logq_correction` "
        "now.",
        "preset": "There is no `preset` any more: name the recipe with the "
        "model, as in `mgnm:paper`.",
    },
}
"""What was renamed: an objective to its name, a key to what is said of it."""

_MONITOR = re.compile(r"val_(ndcg|hit|mrr)@([1-9]\d*)")
_OTHER_MONITORS = {"val_gauc": "max", "val_loss": "min", "loss": "min"}


def places_of(monitor: str) -> tuple[int, ...]:
    """Returns the k of what is monitored, if it has one."""
    match = _MONITOR.fullmatch(monitor)
    return (int(match[2]),) if match else ()


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_WITH_EPSILON = ("lazy_adam", "adam", "adamw", "adagrad", "rmsprop")


class Optimizer(_Part):
    """The optimizer and its learning rate.

    Args:
        name: `"lazy_adam"` is `mgnm_tf.LazyAdam`, the others are Keras's.
        learning_rate: the step size, the highest of a schedule.
        schedule: `"constant"`; `"cosine"`: falls along a half cosine to a
            twentieth of `learning_rate` in the last of all epochs; or
            `"step"`: falls by a factor every few epochs, to
            `learning_rate * decay ** ((epoch + shift) // step_epochs)` in
            epoch 0, 1, ...
        step_epochs: see `schedule`.
        decay: see `schedule`.
        shift: see `schedule`.
        l2: weight of an L2 term in the gradient of `"adam"`, over all rows
            of a table, see `mgnm_tf.optimizers.L2Adam`. It is no part of the
            loss.
        weight_decay: decoupled decay, see `keras.optimizers.Optimizer`; 0
            leaves it out.
        decay_exclude: last names of the variables (`"bias"`, `"gamma"`,
            `"beta"`) that neither `l2` nor `weight_decay` shrinks.
        amsgrad: whether `"adam"` or `"adamw"` divides by the largest second
            moment so far.
        epsilon: what is added to the divisor; `None` is the optimizer's own:
            1e-8 of an `"adam"` with `l2`, as in PyTorch, 1e-7 of others.
    """

    name: Literal["lazy_adam", "adam", "adamw", "adagrad", "rmsprop", "sgd"] = (
        "lazy_adam"
    )
    learning_rate: Rate = 1e-3
    schedule: Literal["constant", "cosine", "step"] = "constant"
    step_epochs: Positive = 3
    decay: Rate = 0.1
    shift: Count = 0
    l2: Share = 0.0
    weight_decay: Share = 0.0
    decay_exclude: Names = ()
    amsgrad: bool = False
    epsilon: RateOrNone = None

    @model_validator(mode="after")
    def _check_optimizer(self):
        for key, given, names in (
            ("l2", self.l2, ("adam",)),
            ("amsgrad", self.amsgrad, ("adam", "adamw")),
            ("epsilon", self.epsilon is not None, _WITH_EPSILON),
        ):
            if given and self.name not in names:
                raise ValueError(
                    f"`{key}` needs the optimizer {' or '.join(names)}. "
                    f"Received: {key}={getattr(self, key)} with {self.name}"
                )
        return self


class Training(_Part):
    """How a model is trained; without a value, as in the MGNM paper.

    Args:
        objective: `"bce"` (sigmoid cross-entropy), `"bpr"`,
            `"sampled_softmax"`, `"softmax"` (exact, over the catalogue) or
            `"gbce"`, see `mgnm_tf.losses`.
        negatives: negatives drawn for each positive, or `"all"`: the whole
            catalogue. `None` is what `OBJECTIVES` says.
        shared_negatives: negatives that a whole batch shares. `None` is what
            `OBJECTIVES` says.
        sampling: how negatives are drawn, `"uniform"` over the catalogue or
            by `"popularity"`.
        training_exclude: what `negatives` avoid besides the positive:
            `"history"`, the visible history; `"user"`, all events of the user
            in the training part, later ones too; or `"none"`. Shared negatives
            avoid nothing.
        every_position: whether a history is read once and each of its events
            has its next item as a target, for models that see no later event
            than the one they read; see `mgnm_tf.make_dataset`. `batch_size`
            counts histories then.
        logq_correction: whether the loss corrects for how likely a negative
            was drawn.
        optimizer: see `Optimizer`.
        batch_size: positives in a batch.
        max_length: longest history, in events; older events are left out.
        epochs: the most passes over the training data.
        least_steps: the fewest training steps that all epochs together have:
            a log on which `epochs` are fewer gets more of them, see
            `mgnm_tf.training.length`. 0 for none. A recipe, or a user, that
            gives `epochs` means as many.
        patience: epochs without improvement of `monitor` after which
            training ends. `0` ends at the first such epoch.
        monitor: the value that decides which epoch is the best one:
            `val_ndcg@K`, `val_hit@K` or `val_mrr@K` with any K, `val_gauc`,
            `val_loss` or `loss`.
        validation_negatives: negatives of each validation record, or
            `"all"`.
        validation_exclude: what is no negative of a validation record besides
            its positive, as in `mgnm_tf.Protocol`: `"history"`, the visible
            history; `"user"`, all events of the user up to that part; or
            `"none"`, as sessions are tested, whose clicks go back to items.
        initial_stddev: the standard deviation of a normal draw of the
            kernels, biases and tables at the start, recurrent cells left
            out; `None` leaves them as the model makes them.
        id_dropout: where a run has features of items, the share of the items
            that a training step looks up without their own rows of the item
            table, by their features alone; see `ItemEmbedding`.
        after: the recipe (`"stage_one"` of the same model, or
            `"model:recipe"`) that is trained first and whose best weights
            this one starts from; `""` for none.
    """

    objective: Literal["bce", "bpr", "sampled_softmax", "softmax", "gbce"] = (
        "bce"
    )
    negatives: Count | Literal["all"] | None = None
    shared_negatives: Count | None = None
    sampling: Literal["uniform", "popularity"] = "uniform"
    training_exclude: Literal["history", "user", "none"] = "history"
    every_position: bool = False
    logq_correction: bool = False
    optimizer: Optimizer = Optimizer()
    batch_size: Positive = 256
    max_length: Positive = 100
    epochs: Positive = 20
    least_steps: Count = 0
    patience: Count = 3
    monitor: str = "val_ndcg@5"
    validation_negatives: Positive | Literal["all"] = 1000
    validation_exclude: Literal["history", "user", "none"] = "history"
    initial_stddev: RateOrNone = None
    id_dropout: Annotated[
        float, BeforeValidator(_no_flag), Field(ge=0.0, le=1.0)
    ] = 0.1
    after: str = ""

    @model_validator(mode="before")
    @classmethod
    def _refuse_old_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        for old, sentence in OLD_NAMES["key"].items():
            if old in values:
                raise ValueError(sentence)
        objective = values.get("objective")
        if (now := OLD_NAMES["objective"].get(str(objective))) is not None:
            raise ValueError(
                f"The objective {objective!r} is called {now!r} now."
            )
        return values

    @model_validator(mode="after")
    def _check(self):
        if not _MONITOR.fullmatch(self.monitor) and (
            self.monitor not in _OTHER_MONITORS
        ):
            known = [f"val_{name}@5" for name in ("ndcg", "hit", "mrr")]
            raise ValueError(
                unknown_name(
                    "monitor", self.monitor, known + [*_OTHER_MONITORS]
                )
            )
        negatives, shared = self.drawn()
        if self.objective == "softmax" and (negatives != "all" or shared):
            raise ValueError(
                "The objective 'softmax' is over the whole catalogue: "
                "`negatives` must be 'all' and `shared_negatives` 0. For drawn "
                "negatives take 'sampled_softmax'."
            )
        if negatives == "all":
            check_nothing_drawn(shared, self.sampling, self.logq_correction)
        if self.every_position and negatives not in (0, "all"):
            raise ValueError(
                "`every_position` needs negatives that all positions share: "
                "`negatives` must be 0, beside `shared_negatives`, or 'all'."
            )
        if not negatives and not shared:
            raise ValueError(
                "Training needs something to tell the positive from: "
                "`negatives` and `shared_negatives` are both 0."
            )
        return self

    def drawn(self) -> tuple[int | str, int]:
        """Returns `negatives` and `shared_negatives` with defaults filled."""
        default = default_draws(self.objective, self.negatives)
        pair = (self.negatives, self.shared_negatives)
        filled = [
            default[name] if value is None else value
            for name, value in zip(default, pair, strict=True)
        ]
        return filled[0], int(filled[1])

    @property
    def mode(self) -> str:
        """Whether more ("max") or less ("min") of `monitor` is better."""
        return _OTHER_MONITORS.get(self.monitor, "max")

    @property
    def monitored_places(self) -> tuple[int, ...]:
        """The k of `monitor`, if it has one."""
        return places_of(self.monitor)


class About(_Part):
    """Where the numbers of a recipe come from.

    Args:
        model: the model that it is for, where it stands in a file of its
            own.
        source: paper and section, released code, or the study that found
            the numbers.
        tuned: whether they were found by a search on validation data.
        part: whether it changes something of another recipe and is none by
            itself.
        replaces: the keys (`"model.dropout"`) that it means to set otherwise
            than the parts before it.
    """

    model: str = ""
    source: str = ""
    tuned: bool = False
    part: bool = False
    replaces: tuple[str, ...] = ()


class Recipe(_Part):
    """Everything that a training is made of but data, seed and device.

    What it does not name is left to the recipes that it is added to, to the
    constructor of the model, and to `Training`.

    Args:
        about: see `About`.
        model: constructor arguments of the model; `"none"` is `None`.
        training: see `Training`.
    """

    about: About = About()
    model: dict[str, Any] = Field(default_factory=dict)
    training: Training = Training()
