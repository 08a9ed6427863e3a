"""Which worker a process is, from the variable that all launchers set."""

import json
import os
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from mgnm_tf.errors import UserError

VARIABLE = "TF_CONFIG"
_EXAMPLE = (
    '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, "task": {"type": '
    '"worker", "index": 0}}'
)


class _Cluster(BaseModel):
    model_config = ConfigDict(extra="forbid")
    worker: list[str] = Field(min_length=1)


class _Place(BaseModel):
    type: str
    index: int = Field(ge=0)


class _Setting(BaseModel):
    cluster: _Cluster
    task: _Place


@dataclass(frozen=True)
class Task:
    """The place of this process among the workers.

    Args:
        index: its number, from 0 on; 0 is the chief.
        addresses: `host:port` of every worker, in their order.
    """

    index: int
    addresses: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many workers there are."""
        return len(self.addresses)

    def name(self, index: int | None = None) -> str:
        """Returns how a worker is called in messages; by default this one."""
        index = self.index if index is None else index
        return f"worker {index} of {self.count} ({self.addresses[index]})"


def read_task() -> Task:
    """Reads the place of this process from `TF_CONFIG`.

    Raises:
        UserError: it is not set, is no JSON of that form, names jobs other
            than `worker`, or an index that has no address.
    """
    text = os.environ.get(VARIABLE, "")
    expected = f"expected the JSON that TensorFlow reads, as {_EXAMPLE}."
    if not text:
        raise UserError(
            f"The environment variable {VARIABLE} is not set, which says who "
            f"the workers are; {expected}"
        )
    try:
        setting = _Setting.model_validate(json.loads(text))
    except (ValueError, ValidationError) as error:
        raise UserError(
            f"The environment variable {VARIABLE} cannot be used: received "
            f"{text!r}, {expected}"
        ) from error
    place, addresses = setting.task, setting.cluster.worker
    if place.type != "worker" or place.index >= len(addresses):
        raise UserError(
            f"The environment variable {VARIABLE} gives this process the task "
            f"{place.type} {place.index}, but there are the workers 0 to "
            f"{len(addresses) - 1}."
        )
    return Task(place.index, tuple(addresses))
