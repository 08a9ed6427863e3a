"""The raw ids that an exported model speaks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError

_LINE_BREAKS = ("\n", "\r")


@dataclass(frozen=True, eq=False, repr=False)
class Vocabularies:
    """Raw ids of users and items, and what is known of each item.

    Entry i belongs to row i + 1 of the model; row 0 (unknown user, padding)
    has no entry. Any text is an id, but for the empty one, which is padding,
    and those with line breaks, which a list of ids could not hold.

    Letters in shapes: U known users, M items.

    Args:
        user_ids: str (U,), the known users.
        item_ids: str (M,).
        item_counts: int64 (M,), how often an item occurs in the training
            part. A user without a history is served the most frequent ones.
        item_categories: int32 (M,), the category of each item, 0 for none.
            Defaults to `None`: there are none.

    Raises:
        UserError: ids are not text, empty, repeated or hold a line break, or
            the arrays do not fit together.

    Example:

    >>> from mgnm_tf.export.vocabularies import Vocabularies
    >>> words = Vocabularies(["ann"], ["tea", "milk"], [3, 1])
    >>> words.item_ids[1], int(words.item_counts[0])
    ('milk', 3)
    """

    user_ids: np.ndarray
    item_ids: np.ndarray
    item_counts: np.ndarray
    item_categories: np.ndarray | None = None

    def __post_init__(self):
        for name in ("user_ids", "item_ids"):
            object.__setattr__(self, name, _ids(getattr(self, name), name))
        if not len(self.item_ids):
            raise UserError("`item_ids` is empty; a model has items.")
        for name, dtype in (
            ("item_counts", "int64"),
            ("item_categories", "i4"),
        ):
            if getattr(self, name) is None:
                continue
            values = np.asarray(getattr(self, name))
            if values.shape != self.item_ids.shape or values.dtype.kind != "i":
                raise UserError(
                    f"`{name}` must hold {len(self.item_ids)} integers, one "
                    f"for each item. Received: shape {values.shape}, dtype "
                    f"{values.dtype}"
                )
            object.__setattr__(self, name, values.astype(dtype))

    @classmethod
    def from_data(cls, data: SequenceDataset) -> "Vocabularies":
        """Takes the vocabularies of the data that a model was trained on.

        Args:
            data: the split data.

        Raises:
            UserError: an id holds a line break.
        """
        trained = np.asarray(data.items)[np.asarray(data.parts) == 0]
        counts = np.bincount(trained, minlength=data.num_items + 1)
        categories = data.item_categories
        return cls(
            user_ids=data.user_ids[: data.num_users],
            item_ids=data.item_ids,
            item_counts=counts[1:],
            item_categories=None if categories is None else categories[1:],
        )


def _ids(ids: Sequence[str], name: str) -> np.ndarray:
    """Returns ids as an array of objects, after checking each."""
    array = np.empty(len(ids), object)
    array[:] = list(ids)
    for place, one in enumerate(array):
        if not isinstance(one, str) or not one:
            raise UserError(
                f"`{name}` must be text that is not empty. Received: {one!r} "
                f"at {place}"
            )
        if any(character in one for character in _LINE_BREAKS):
            raise UserError(
                f"`{name}` holds an id with a line break, which cannot be "
                f"exported: {one!r} at {place}."
            )
    if len(set(array)) != len(array):
        first = {}
        place = next(
            i for i, one in enumerate(array) if first.setdefault(one, i) != i
        )
        raise UserError(
            f"`{name}` must be different from each other. Received: "
            f"{array[place]!r} at {first[array[place]]} and {place}"
        )
    return array
