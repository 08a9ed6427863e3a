import asyncio
import threading
import time
from concurrent.futures import wait

import pytest

from mgnm_tf.serving.http.batcher import Batcher
from mgnm_tf.serving.http.batcher import QueueFullError


@pytest.fixture
def gate():
    """Holds what is answered until it is opened."""
    return threading.Event()


def make(gate, seen, **limits):
    def answer(jobs):
        gate.wait(10)
        seen.append(list(jobs))
        if any(job == "poison" for job in jobs):
            raise RuntimeError("poison")
        return [ValueError(job) if job == "wrong" else job * 2 for job in jobs]

    return Batcher(answer, **{"max_batch": 3, "max_waiting": 5, **limits})


def taken(batcher, job, loop=None):
    """Submits a job and waits until it is taken from the queue."""
    future = batcher.submit(job, loop)
    end = time.monotonic() + 10
    while len(batcher) and time.monotonic() < end:
        time.sleep(0.001)
    return future


def test_what_gathers_is_answered_together(gate):
    seen = []
    batcher = make(gate, seen)
    futures = [taken(batcher, 0)]
    futures += [batcher.submit(number) for number in range(1, 6)]
    gate.set()
    assert [one.result(10) for one in futures] == [0, 2, 4, 6, 8, 10]
    assert seen == [[0], [1, 2, 3], [4, 5]]
    batcher.close()


def test_no_more_wait_than_may(gate):
    batcher = make(gate, [])
    futures = [taken(batcher, 0)]
    futures += [batcher.submit(1) for _ in range(5)]
    with pytest.raises(QueueFullError):
        batcher.submit(1)
    gate.set()
    wait(futures, 10)
    assert batcher.submit(3).result(10) == 6
    batcher.close()


def test_an_error_is_that_of_its_job_alone(gate):
    seen = []
    batcher = make(gate, seen)
    first = taken(batcher, 0)
    futures = [batcher.submit(job) for job in (1, "poison", 2, "wrong")]
    gate.set()
    assert first.result(10) == 0
    assert futures[0].result(10) == 2 and futures[2].result(10) == 4
    assert str(futures[1].exception(10)) == "poison"
    assert isinstance(futures[3].exception(10), ValueError)
    batcher.close()


def test_who_has_gone_costs_nothing(gate):
    seen = []
    batcher = make(gate, seen)
    first = taken(batcher, 0)
    gone, stays = batcher.submit(1), batcher.submit(2)
    assert gone.cancel()
    gate.set()
    assert first.result(10) == 0 and stays.result(10) == 4
    assert seen == [[0], [2]]
    batcher.close()


def test_at_the_end_all_that_was_taken_is_answered(gate):
    batcher = make(gate, [])
    futures = [taken(batcher, 0)]
    futures += [batcher.submit(number) for number in range(1, 5)]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    time.sleep(0.02)
    with pytest.raises(QueueFullError):
        batcher.submit(9)
    gate.set()
    closing.join(10)
    assert not closing.is_alive()
    assert [one.result(0) for one in futures] == [0, 2, 4, 6, 8]


def test_a_loop_is_woken_once_for_all_of_a_batch(gate):
    seen, woken, threads = [], [], set()
    batcher = make(gate, seen)

    async def ask():
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe

        def counted(*arguments):
            woken.append(arguments)
            return wake(*arguments)

        loop.call_soon_threadsafe = counted
        futures = [taken(batcher, 0, loop)]
        futures += [batcher.submit(one, loop) for one in (1, 2, "wrong")]
        for one in futures:
            one.add_done_callback(lambda _: threads.add(threading.get_ident()))
        gate.set()
        while not all(one.done() for one in futures):
            await asyncio.sleep(0.001)
        return futures

    *right, wrong = asyncio.run(ask())
    assert [one.result(0) for one in right] == [0, 2, 4]
    assert isinstance(wrong.exception(0), ValueError)
    assert seen == [[0], [1, 2, "wrong"]] and len(woken) == 2
    assert threads == {threading.get_ident()}
    batcher.close()


def test_a_loop_that_is_closed_ends_nothing(gate):
    batcher = make(gate, [])
    loop = asyncio.new_event_loop()
    gone = batcher.submit(1, loop)
    loop.close()
    gate.set()
    assert batcher.submit(2).result(10) == 4
    assert not gone.done()
    batcher.close()
