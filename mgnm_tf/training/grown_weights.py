"""The weights and the optimizer of a model whose vocabularies grew."""

from typing import Any

import keras
import numpy as np

from mgnm_tf.data.growth import Growth
from mgnm_tf.errors import UserError
from mgnm_tf.models.base import SequentialRecommender

_TINY = {"num_users": 7, "num_items": 11, "num_categories": 5}
"""Sizes of the models that show which axis of a weight counts what."""

_OF_ITEMS = ("item_numbers",)
"""Weights that hold what the new data say of items."""


def grow_model(
    model: SequentialRecommender, source: SequentialRecommender, growth: Growth
) -> None:
    """Gives a model for new data the weights and the optimizer of another.

    Rows of known users, items and categories keep their values, wherever
    they stand now. A new item begins as the mean of the known items of its
    category, where it has none as that of the known items that stand beside
    it first, else as the mean of all; a new user or category as the mean of
    all. The moments of the optimizer are taken over with the rows; those of
    new rows are what a new optimizer has. Its count of steps goes on, its
    learning rate is that of `model`. Tables of the data stay those of
    `model`.

    Args:
        model: the model for the new data, compiled.
        source: the model for the earlier data, compiled with an optimizer of
            the same kind.
        growth: see `mgnm_tf.data.growth.growth_of`.

    Raises:
        UserError: a weight counts something else than users, items or
            categories, or several of them together.
    """
    axes = counted_axes(source)
    tables = set(source.required_tables) - {"item_categories"}
    found = {weight.path: weight for weight in source.weights}
    for weight in model.weights:
        old = found.get(weight.path)
        kept = weight.trainable or not (tables or weight.name in _OF_ITEMS)
        if old is None or not kept or not _is_float(weight):
            continue
        value = _grown(old, np.array(weight), axes.get(weight.path), growth)
        weight.assign(value)
    _grow_optimizer(model, source, axes, growth)


def counted_axes(
    model: SequentialRecommender,
) -> dict[str, tuple[int, str, int]]:
    """Returns which weights have a row for each user, item or category.

    The model is made a few times with tiny sizes, each of which is then
    raised by 1: the axis that is longer counts that.

    Args:
        model: the model.

    Returns:
        Path of a trainable weight -> the axis, what it counts ("num_users",
        "num_items" or "num_categories"), and how many rows there are beside
        one for each: 1 where row 0 is padding, 0 where there is none.

    Raises:
        UserError: an axis counts several of them.
    """
    config = model.get_config()
    sizes = {name: size for name, size in _TINY.items() if config.get(name)}
    cls = type(model)
    first = cls.from_config({**config, **sizes})
    axes: dict[str, tuple[int, str, int]] = {}
    for name, size in sizes.items():
        larger = cls.from_config({**config, **sizes, name: size + 1})
        for one, two in zip(first.weights, larger.weights, strict=True):
            grown = np.flatnonzero(np.subtract(two.shape, one.shape))
            if not len(grown) or not one.trainable:
                continue
            axis = int(grown[0])
            if one.path in axes or len(grown) > 1 or one.shape[axis] < size:
                raise _cannot(model, one.path)
            axes[one.path] = (axis, name, one.shape[axis] - size)
        if any(axes[path][2] < 0 for path in axes):
            raise _cannot(model, next(iter(axes)))
    return axes


def _cannot(model: SequentialRecommender, path: str) -> UserError:
    return UserError(
        f"{type(model).__name__} cannot go on with more users or items: the "
        f"rows of its weight {path} are not those of one of them; train it "
        "anew."
    )


def _is_float(weight: keras.Variable) -> bool:
    return bool(keras.backend.is_float_dtype(weight.dtype))


def _places(
    name: str, further: int, growth: Growth
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the earlier and the new places of the rows that are kept."""
    rows = getattr(growth, name.removeprefix("num_"))
    old = np.flatnonzero(rows >= 0)
    new = rows[old]
    if not further:  # No row of padding: id 1 stands in row 0.
        return old[1:] - 1, new[1:] - 1
    # Rows after those of the ids (a mark of the end) stay at the end.
    added = getattr(growth, f"new_{name.removeprefix('num_')}")
    total = int(np.count_nonzero(rows[1:] >= 0)) + len(added)
    more = np.arange(1, further)
    return (
        np.concatenate([old, len(rows) - 1 + more]),
        np.concatenate([new, total + more]),
    )


def _grown(
    old: keras.Variable,
    new: np.ndarray,
    axis: tuple[int, str, int] | None,
    growth: Growth,
) -> np.ndarray:
    """Returns the value of a weight, rows of new ids included."""
    value = np.array(old)
    if axis is None:
        return value
    place, name, further = axis
    value, new = np.moveaxis(value, place, 0), np.moveaxis(new, place, 0)
    before, now = _places(name, further, growth)
    new[now] = value[before]
    shift = 0 if further else -1
    known = getattr(growth, name.removeprefix("num_"))[1:]
    known = known[known >= 0] + shift
    added = getattr(growth, f"new_{name.removeprefix('num_')}")
    if len(added):
        new[added + shift] = new[known].mean(axis=0)
    if name == "num_items":
        _start_items(new, growth, shift)
    return np.moveaxis(new, 0, place)


def _start_items(table: np.ndarray, growth: Growth, shift: int) -> None:
    """Gives new items the mean of what is most like them, in place."""
    added, category = growth.new_items, growth.item_categories
    size = int(category.max(initial=0)) + 1
    of_category, counts = _means(
        table, category[growth.items[1:]], growth.items[1:] + shift, size
    )
    counts[0] = 0  # That of the items without a category.
    alike = counts[category[added]] > 0
    beside, pairs = _means(
        table,
        growth.neighbors[:, 0],
        growth.neighbors[:, 1] + shift,
        len(category),
    )
    met = added[~alike & (pairs[added] > 0)]
    table[met + shift] = beside[met]
    table[added[alike] + shift] = of_category[category[added[alike]]]


def _means(
    table: np.ndarray, groups: np.ndarray, rows: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean row of each of `size` groups, and their counts."""
    sums = np.zeros((size, *table.shape[1:]), np.float64)
    np.add.at(sums, groups, table[rows])
    counts = np.bincount(groups, minlength=size)
    shape = (-1, *[1] * (table.ndim - 1))
    return sums / np.maximum(counts, 1).reshape(shape), counts


def _grow_optimizer(
    model: SequentialRecommender,
    source: SequentialRecommender,
    axes: dict[str, tuple[int, str, int]],
    growth: Growth,
) -> None:
    """Takes over the count of steps and the moments of an optimizer."""
    model.optimizer.iterations.assign(source.optimizer.iterations)
    found = _slots(source)
    for key, slot in _slots(model).items():
        if key not in found:
            continue
        path, _ = key
        value, axis = np.array(found[key]), axes.get(path)
        if axis is not None and value.ndim:
            place, name, further = axis
            new = np.moveaxis(np.array(slot), place, 0)
            before, now = _places(name, further, growth)
            new[now] = np.moveaxis(value, place, 0)[before]
            value = np.moveaxis(new, 0, place)
        slot.assign(value)


def _slots(model: SequentialRecommender) -> dict[tuple[str, str], Any]:
    """Returns the optimizer's variables that belong to a weight.

    Returns:
        (path of the weight, what the variable is, as "momentum") -> the
        variable.
    """
    paths = {
        weight.path.replace("/", "_"): weight.path
        for weight in model.trainable_variables
    }
    slots = {}
    for variable in model.optimizer.variables:
        fitting = [
            name for name in paths if variable.name.startswith(f"{name}_")
        ]
        if fitting:
            name = max(fitting, key=len)
            slots[paths[name], variable.name.removeprefix(name)] = variable
    return slots
