"""Blocks that are worked on at once come back in their order."""

import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from mgnm_tf.serving.ranking.side_by_side import side_by_side
from mgnm_tf.utils.threads import one_thread_a_product


def product_threads():
    """Returns the threads of each library of products."""
    np.ones((2, 2)) @ np.ones((2, 2))
    return {
        one["num_threads"]
        for one in threadpool_info()
        if one["user_api"] == "blas"
    }


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_order_is_that_of_the_blocks(threads):
    def work(number):
        time.sleep(0.02 if number % 3 == 0 else 0.0)
        return 10 * number

    found = list(side_by_side(work, range(9), threads))
    assert found == [10 * number for number in range(9)]


def test_several_are_worked_on_at_once():
    both = threading.Barrier(2, timeout=20)
    assert list(side_by_side(lambda _: both.wait() >= 0, "ab", 2)) == [True] * 2


def test_blocks_are_made_when_their_turn_comes():
    made = []

    def blocks():
        for number in range(100):
            made.append(number)
            yield number

    found = side_by_side(lambda number: number, blocks(), 2)
    assert next(found) == 0
    assert len(made) == 3
    found.close()
    assert len(made) == 3


@pytest.mark.parametrize("bad", [0, 2, 4])
def test_what_a_block_raises_is_raised(bad):
    def work(number):
        if number == bad:
            raise KeyError("bad")
        return number

    found = side_by_side(work, range(5), 2)
    with pytest.raises(KeyError, match="bad"):
        list(found)


def test_products_have_one_thread_until_the_last_has_ended():
    before = product_threads()
    with one_thread_a_product():
        assert product_threads() == {1}
        with one_thread_a_product():
            assert product_threads() == {1}
        assert product_threads() == {1}
    assert product_threads() == before


def test_products_get_their_threads_back_from_the_last_of_several():
    before = product_threads()
    first, second = one_thread_a_product(), one_thread_a_product()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert product_threads() == {1}
    second.__exit__(None, None, None)
    assert product_threads() == before
