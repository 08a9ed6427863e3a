"""What a benchmark measures, and for how long."""

import inspect
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path

from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import model_names
from mgnm_tf.models.registry import recipes_of
from mgnm_tf.models.registry import resolve_recipe
from mgnm_tf.recipes.label import read_label
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure

QUICK_MODELS = ("popularity", "gru4rec", "comirec_sa", "mgnm:paper")
QUICK_WORLD = {"users": 2_000, "items": 1_500, "events": 20_000}


@dataclass(frozen=True)
class Settings:
    """One call of the suite.

    Args:
        models: `name` or `name:recipe`; empty for what each phase takes by
            itself: all models, or those of the quick form.
        log: a log or a data folder; empty for a synthetic log.
        users: users of the synthetic log. The default counts are those of
            Amazon Toys and Games.
        items: items of the synthetic log.
        events: events of the synthetic log.
        catalogue: made item vectors of the phase `indexes`.
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
    catalogue: int = 292_286
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
        names = QUICK_MODELS if self.quick else model_names()
        return [paper_label(name) for name in names]

    def config(self, label: str) -> TrainConfig:
        """Returns how the model is trained: the paper's objective.

        Args:
            label: `name` or `name:recipe`.

        Raises:
            UserError: there is no such model or recipe.
        """
        options = {}
        name = read_label(label).model
        if self.embedding_dim is not None and "embedding_dim" in (
            inspect.signature(model_class(name)).parameters
        ):
            options["embedding_dim"] = self.embedding_dim
        return configure(
            label, options=options, max_length=self.max_length, **PAPER
        )

    def arguments(self) -> list[str]:
        """Returns the options of the command that give these settings."""
        options = {
            "--models": ",".join(self.models) or "all",
            "--log": self.log and str(Path(self.log).absolute()),
            "--users": self.users,
            "--items": self.items,
            "--events": self.events,
            "--catalogue": self.catalogue,
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


PAPER = {
    "objective": "bce",
    "negatives": 5,
    "shared_negatives": 0,
    "learning_rate": 1e-3,
    "learning_rate_schedule": "constant",
    "batch_size": 256,
    "validation_negatives": 1000,
}
"""How speed is measured, whatever the recipe: the objective of the paper."""


def paper_label(name: str) -> str:
    """Returns the label of a model in the settings of the MGNM paper.

    Args:
        name: a name; a label with a recipe comes back as it is.
    """
    if ":" in name:
        return name
    recipes = recipes_of(name)
    for recipe in ("paper", "mgnm_paper"):
        if recipe in recipes:
            return f"{name}:{recipe}"
    return name


def check_models(labels: Sequence[str]) -> None:
    """Checks names and recipes before anything is measured.

    Raises:
        UserError: one is unknown; the nearest one is named.
    """
    for label in labels:
        resolve_recipe(label)
