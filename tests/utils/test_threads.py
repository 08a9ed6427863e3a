"""Threads that are worth it, by work that takes a known time."""

import time

import pytest

from mgnm_tf.utils.threads import fastest_threads


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        ({1: 40, 2: 20, 4: 10, 6: 7}, 6),
        ({1: 20, 2: 10, 4: 20, 6: 30}, 2),
        ({1: 20, 2: 20, 4: 21, 6: 19.9}, 1),
    ],
)
def test_the_fastest_is_taken_but_not_for_little(milliseconds, expected):
    tried = []

    def work(threads):
        tried.append(threads)
        time.sleep(milliseconds[threads] / 1000)

    assert fastest_threads(work, 6) == expected
    assert set(tried) == {1, 2, 4, 6}


def test_one_core_has_one_thread():
    assert fastest_threads(lambda threads: None, 1) == 1
