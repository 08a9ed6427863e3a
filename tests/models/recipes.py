"""Models of MGNM's recipes and of the parts that the studies add."""

from pathlib import Path

from mgnm_tf.models.mgnm import MGNM
from mgnm_tf.models.registry import read_options
from mgnm_tf.models.registry import recipes_of
from mgnm_tf.models.registry import resolve_recipe
from mgnm_tf.recipes.toml import read_recipes

PARTS = read_recipes(
    Path(__file__).parents[2] / "studies" / "parts" / "mgnm.toml"
)
OWN = recipes_of("mgnm")
RECIPES = [
    *(f"mgnm:{name}" for name, one in OWN.items() if not one.about.part),
    *(f"mgnm+{name}" for name, one in OWN.items() if one.about.part),
    *(f"mgnm:paper+{name}" for name in PARTS),
]
"""Every recipe, and every part on one."""


def make_mgnm(label, num_users, num_items, max_length=8, **options):
    """Returns an MGNM by a label of `RECIPES`."""
    _, merged = resolve_recipe(label, options, further=PARTS)
    arguments = read_options("mgnm", merged.recipe.model)
    return MGNM(num_users, num_items, max_length=max_length, **arguments)
