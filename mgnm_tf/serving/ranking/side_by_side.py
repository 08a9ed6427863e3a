"""Blocks of users on several cores at once."""

from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mgnm_tf.utils.threads import one_thread_a_product

Block = TypeVar("Block")
Found = TypeVar("Found")


def side_by_side(
    work: Callable[[Block], Found], blocks: Iterable[Block], threads: int
) -> Iterator[Found]:
    """Does the same with each block, several at a time.

    What is done for some users are many small steps: one thread for a block
    does them sooner than several threads for a step, which wait for each
    other. So NumPy multiplies with one thread meanwhile.

    Args:
        work: what is done; from several threads at once.
        blocks: they are made when their turn comes.
        threads: how many are worked on at a time; 1 starts no thread.

    Yields:
        What `work` returned, in the order of the blocks.
    """
    if threads == 1:
        yield from map(work, blocks)
        return
    with one_thread_a_product(), ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        for block in blocks:
            waiting.append(pool.submit(work, block))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
