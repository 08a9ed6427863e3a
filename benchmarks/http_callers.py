"""Callers of a server, in a process of their own, and what they found.

    python -m benchmarks.http_callers ADDRESS HISTORIES.json CALLERS SECONDS

The process prints JSON. It imports neither TensorFlow nor `mgnm_tf`, as a
client would not. It shares the cores with the server, so its client is one
that takes little of them.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import significant

WANTED = 20
"""Items that a complete answer has."""
_WARM = 3
"""Requests of each caller that are not counted."""


async def call_for(
    address: str, histories: dict, callers: int, seconds: float
) -> dict[str, float]:
    """Asks `POST /recommend` for one user a request.

    Args:
        address: of the server, `http://...`.
        histories: user -> ids of items.
        callers: how many ask at once, each with one request after another.
        seconds: how long.

    Returns:
        `per_second`, `p50_ms` and `p99_ms` of all answers, and `errors`: how
        many answers were refused, incomplete or none.
    """
    import aiohttp

    times: list[float] = []
    errors, users = 0, list(histories)

    async def call(client: Any, caller: int) -> None:
        nonlocal errors
        turn = caller
        for _ in range(_WARM):
            await ask(client, users[turn % len(users)])
        begin.append(time.perf_counter())
        end = begin[-1] + seconds
        while time.perf_counter() < end:
            turn += callers
            start = time.perf_counter()
            complete = await ask(client, users[turn % len(users)])
            times.append(time.perf_counter() - start)
            errors += not complete

    async def ask(client: Any, user: str) -> bool:
        question = {"user": user, "history": histories[user]}
        try:
            async with client.post("/recommend", json=question) as answer:
                items = (await answer.json())["items"]
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
            return False
        return answer.status == 200 and len(items) == WANTED

    begin: list[float] = []
    limit = aiohttp.ClientTimeout(total=60.0)
    async with aiohttp.ClientSession(address, timeout=limit) as client:
        await asyncio.gather(*(call(client, one) for one in range(callers)))
    passed = time.perf_counter() - min(begin)
    milliseconds = 1000 * np.array(times or [np.inf])
    return {
        "per_second": significant(len(times) / passed),
        "p50_ms": significant(float(np.quantile(milliseconds, 0.5))),
        "p99_ms": significant(float(np.quantile(milliseconds, 0.99))),
        "errors": errors,
    }


def main(address: str, histories: str, callers: str, seconds: str) -> None:
    """Prints what `call_for` returned."""
    given = json.loads(Path(histories).read_text(encoding="utf-8"))
    found = call_for(address, given, int(callers), float(seconds))
    print(json.dumps(asyncio.run(found)))


if __name__ == "__main__":
    main(*sys.argv[1:])
