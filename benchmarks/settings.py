"""What a benchmark measures, and for how long."""

import inspect
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path

from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import model_names
from mgnm_tf.runs.config import TrainConfig

QUICK_MODELS = ("popularity", "gru4rec", "comirec_sa", "mgnm")
QUICK_WORLD = {"users": 2_000, "items": 1_500, "events": 20_000}


@dataclass(frozen=True)
class Settings:
    """One call of the suite.

    Args:
        models: names, or `name:preset`; empty for what each phase takes by
            itself: all models, or those of the quick form.
        log: a log or a data folder; empty for a made world.
        users: users of the made world. The default counts are those of
            Amazon Toys and Games.
        items: items of the made world.
        events: events of the made world.
        split: how a log is split.
        max_length: longest history.
        embedding_dim: width of the vectors; `None` leaves the models theirs.
        windows: how often each speed is measured.
        seconds: about how long each window lasts.
        quick: whether few models are measured, and few points of a curve.
    """

    models: Sequence[str] = ()
    log: str = ""
    users: int = 19_412
    items: int = 11_924
    events: int = 167_597
    split: str = "leave_one_out"
    max_length: int = 100
    embedding_dim: int | None = None
    windows: int = 5
    seconds: float = 3.0
    quick: bool = False

    def labels(self, default: Sequence[str] = ()) -> list[str]:
        """Returns the models to measure.

        Args:
            default: what a phase takes if nothing is asked for; empty for
                all models, or those of the quick form.
        """
        if self.models:
            return list(self.models)
        if default:
            return list(default)
        return list(QUICK_MODELS) if self.quick else model_names()

    def config(self, label: str) -> TrainConfig:
        """Returns how the model is trained: the paper's objective.

        Args:
            label: a name, or `name:preset`.

        Raises:
            UserError: there is no such model or preset.
        """
        name, _, preset = label.partition(":")
        known = inspect.signature(model_class(name)).parameters
        options = {}
        if self.embedding_dim is not None and "embedding_dim" in known:
            options["embedding_dim"] = self.embedding_dim
        return TrainConfig(
            name, preset or None, options, max_length=self.max_length
        )

    def arguments(self) -> list[str]:
        """Returns the options of the command that give these settings."""
        options = {
            "--models": ",".join(self.models) or "all",
            "--log": self.log and str(Path(self.log).absolute()),
            "--users": self.users,
            "--items": self.items,
            "--events": self.events,
            "--split": self.split,
            "--max-length": self.max_length,
            "--embedding-dim": self.embedding_dim,
            "--windows": self.windows,
            "--seconds": self.seconds,
        }
        given = [
            str(part)
            for option, value in options.items()
            if value not in ("", None)
            for part in (option, value)
        ]
        return given + ["--quick"] * self.quick

    def to_dict(self) -> dict:
        """Returns all values, as JSON types."""
        return asdict(self)


def check_models(labels: Sequence[str]) -> None:
    """Checks names and presets before anything is measured.

    Raises:
        UserError: one is unknown; the nearest one is named.
    """
    for label in labels:
        name, _, preset = label.partition(":")
        presets = model_class(name).presets
        if preset and preset not in presets:
            raise UserError(
                f"{name} has no preset {preset!r}; known: {', '.join(presets)}."
            )
