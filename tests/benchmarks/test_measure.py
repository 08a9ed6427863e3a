"""Windows and their medians."""

import time

from benchmarks.measure import figure
from benchmarks.measure import significant
from benchmarks.measure import speeds
from benchmarks.measure import steps_for


def test_a_figure_is_median_least_and_most():
    expected = {"median": 3.0, "least": 1.0, "most": 100.0}
    assert figure([100, 1, 3]) == expected
    assert figure([2.0, 1.0])["median"] == 1.5


def test_digits_that_mean_nothing_are_dropped():
    assert significant(123456.789) == 123500.0
    assert significant(0.000123456) == 0.0001235


def test_windows_are_as_long_as_asked_for(monkeypatch):
    clock = FakeClock(seconds_a_step=0.5)
    monkeypatch.setattr(time, "perf_counter", clock.now)
    assert steps_for(clock.run, 3.0) == 6
    found = speeds(clock.run, rows=10, windows=3, seconds=3.0)
    assert found == {"median": 20.0, "least": 20.0, "most": 20.0}
    assert clock.calls[-3:] == [6, 6, 6]


def test_the_start_of_a_call_counts_for_short_steps(monkeypatch):
    clock = FakeClock(seconds_a_step=0.01, seconds_a_call=0.08)
    monkeypatch.setattr(time, "perf_counter", clock.now)
    assert steps_for(clock.run, 2.0) == 100


class FakeClock:
    def __init__(self, seconds_a_step, seconds_a_call=0.0):
        self.step, self.call = seconds_a_step, seconds_a_call
        self.time, self.calls = 0.0, []

    def run(self, steps):
        self.calls.append(steps)
        self.time += self.call + steps * self.step

    def now(self):
        return self.time
