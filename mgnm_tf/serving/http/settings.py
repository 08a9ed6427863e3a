"""What a server lets through."""

from dataclasses import dataclass

from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

MAX_ID = 4096
"""The most characters of an id in a request."""


@dataclass(frozen=True)
class Settings:
    """Limits of a server, and what it asks of a caller.

    Args:
        token: what a caller must send as `Authorization: Bearer ...`.
            Defaults to `None`: nothing.
        max_body: bytes of the body of a request. Defaults to `4194304`.
        max_history: items of a history. Defaults to `10000`.
        max_items: the most items that can be asked for. Defaults to `1000`.
        max_listed: items of an `allow` or `deny` list. Defaults to `10000`.
        max_rows: users of one `:predict`. Defaults to `1024`.
        max_batch: requests that are answered together. Defaults to `64`.
        max_waiting: requests that wait for each model; what is more is
            refused with 503. Defaults to `256`.
        timeout: seconds after which a request that is not answered is given
            up with 504. Defaults to `10.0`.
        check_every: seconds between looks for a new version of each export;
            0 for never. Defaults to `5.0`.

    Raises:
        UserError: one is out of its range.
    """

    token: str | None = None
    max_body: int = 4 << 20
    max_history: int = 10_000
    max_items: int = 1_000
    max_listed: int = 10_000
    max_rows: int = 1024
    max_batch: int = 64
    max_waiting: int = 256
    timeout: float = 10.0
    check_every: float = 5.0

    def __post_init__(self):
        try:
            for name in ("max_body", "max_batch", "max_waiting", "max_items"):
                check_positive_int(getattr(self, name), name)
            check_range(self.timeout, "timeout", 0.001, 3600.0)
            check_range(self.check_every, "check_every", 0.0, 86400.0)
        except (TypeError, ValueError) as error:
            raise UserError(str(error)) from error
