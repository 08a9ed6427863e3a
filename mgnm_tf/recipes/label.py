"""How a recipe is named: `model:recipe+part`."""

from dataclasses import dataclass

from mgnm_tf.errors import UserError

RECOMMENDED = "recommended"
"""The recipe that the bare name of a model means."""


@dataclass(frozen=True)
class Label:
    """The parts of a name.

    Args:
        model: the name of a model.
        recipe: the name of a recipe, `None` where none is named.
        parts: what is added to it, in order.
    """

    model: str
    recipe: str | None
    parts: tuple[str, ...]

    def __str__(self):
        name = self.model if self.recipe is None else self._with_recipe()
        return "+".join([name, *self.parts])

    def _with_recipe(self) -> str:
        return f"{self.model}:{self.recipe}"


def read_label(text: str) -> Label:
    """Reads `model`, `model:recipe`, `model+part` or `model:recipe+part`.

    Raises:
        UserError: it has another form.
    """
    name, *parts = text.strip().split("+")
    model, colon, recipe = name.partition(":")
    pieces = [model, *parts, *([recipe] if colon else [])]
    if not all(pieces) or ":" in recipe or any(":" in part for part in parts):
        raise UserError(
            "A model is named `model`, `model:recipe` or `model:recipe+part`. "
            f"Received: {text!r}"
        )
    return Label(model, recipe if colon else None, tuple(parts))
