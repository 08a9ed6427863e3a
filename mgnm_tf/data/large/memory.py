"""How much memory a preparation may take."""

import os
import re

from mgnm_tf.errors import UserError

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_LEAST = 256 << 20


def read_memory(text: str) -> int:
    """Reads an amount of memory.

    Args:
        text: a number and its unit: "4GB", "1.5 GiB", "800M". 1,000 of a
            unit are one of the next, or 1,024 with "i".

    Returns:
        Bytes.

    Raises:
        UserError: it is not of this form, or less than 256 MiB.
    """
    found = re.fullmatch(
        r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*", text, re.I | re.A
    )
    if found is None:
        raise UserError(
            "The memory must be a number and a unit, for example 4GB or "
            f"800M. Received: {text!r}"
        )
    base = 1024 if found[3] else 1000
    amount = int(float(found[1]) * base ** _UNITS[found[2].lower()])
    if amount < _LEAST:
        raise UserError(
            f"The memory must be at least 256MiB. Received: {text!r}"
        )
    return amount


def half_of_memory() -> int:
    """Returns half of the memory of this machine, in bytes."""
    pages = os.sysconf("SC_PHYS_PAGES")
    return max(_LEAST, pages * os.sysconf("SC_PAGE_SIZE") // 2)
