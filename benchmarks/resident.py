"""Memory of a process, without any package."""

import resource
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_resident() -> float:
    """Returns the most resident memory of this process so far, in MiB."""
    if STATUS.exists():
        # Not `ru_maxrss`, which a process inherits from its parent.
        for line in STATUS.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return int(value.split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
