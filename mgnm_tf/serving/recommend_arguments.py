"""What `recommend` may be asked for."""

from typing import Any

import numpy as np

from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


def check_recommend(k: Any, exclude_seen: Any, diversity: Any) -> None:
    """Checks arguments of `Recommender.recommend`.

    Args:
        k: number of items.
        exclude_seen: whether items of the history are left out.
        diversity: weight of the difference between the items of a list.

    Raises:
        UserError: one is of another kind, or out of its range.
    """
    try:
        check_positive_int(k, "k")
        check_range(diversity, "diversity")
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from error
    if not isinstance(exclude_seen, (bool, np.bool_)):
        raise UserError(
            f"`exclude_seen` must be True or False. Received: {exclude_seen!r}"
        )
