import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mgnm_tf.cluster import estimate_rates
from mgnm_tf.cluster.estimate import Sizes
from mgnm_tf.cluster.estimate import _Costs
from mgnm_tf.cluster.estimate import _time
from mgnm_tf.cluster.estimate import estimate
from mgnm_tf.cluster.estimate_rates import RATES
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import UserError
from tests.test_cli import mgnm
from tests.test_cli import refused

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
LARGE = Sizes(10**9, 10**7, 10**8, width=64, workers=16)


def measured(file, phase, what, figure):
    content = json.loads((RESULTS / file).read_text())
    found = content["results"][phase][what][figure]
    return found["median"] if isinstance(found, dict) else found


def test_the_rates_are_those_that_were_measured():
    for model, row in (("mgnm", "mgnm:recommended"), ("gru4rec", "gru4rec")):
        rates, file = RATES[model], "toys-20.json"
        assert rates.train == measured(
            file, "train", row, "positives_per_second"
        )
        assert rates.sampled == measured(
            file, "evaluate", row, "records_per_second"
        )
    assert RATES["mgnm"].rank == measured(
        "serving.json",
        "serving",
        "mgnm:paper, exact, history 20",
        "users_per_second",
    )
    seconds = measured(
        "scoring.json", "scoring", "gru4rec, one process", "cpu_seconds"
    )
    users = measured("scoring.json", "scoring", "gru4rec", "users")
    assert RATES["gru4rec"].rank == pytest.approx(users / seconds, rel=1e-3)


def test_the_bytes_are_those_of_a_data_set():
    data = split_log(read_log(make_world(20, 480, num_events=200, seed=0)))
    arrays = [data.items, data.times, data.parts, data.sequences]
    sizes = [array.nbytes / len(data.items) for array in arrays]
    assert sum(sizes) == estimate_rates.EVENT_BYTES
    assert np.asarray(data.offsets).itemsize == estimate_rates.SEQUENCE_BYTES


def test_the_laws_by_hand():
    costs = _Costs(LARGE)
    assert costs.arrays == 17 * 10**9 + 8 * 10**8
    assert costs.table == 10**7 * 64 * 4
    assert costs.train_memory == (
        2**31 + 3 * costs.table + 84 * 10_000_000 + 4 * 10**9
    )
    assert costs.step == pytest.approx(4096 / 16 / (24_430 / 2))
    assert costs.exchanged == 4096 * 26 * (64 * 4 + 8)
    assert costs.exchange == pytest.approx(
        costs.exchanged * 15 / 16 * 8 / 10**10
    )
    assert costs.epoch == pytest.approx(
        10**9 / 4096 * (costs.step + costs.exchange)
    )
    assert costs.rank == pytest.approx(
        10**8 * 2 / 599.0 / 16 * (10**7 * 64) / (292_286 * 40)
    )
    assert costs.machines(costs.train_memory) == 4
    assert costs.machines(65 * 10**9) == 0
    assert _Costs(replace(LARGE, workers=1)).exchanged == 0
    assert costs.machines(10**9) == 1


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({}, "evaluation"),
        ({"items": 20_000, "network": 1.0}, "exchange"),
        (
            {"events": 10**10, "items": 1, "users": 1, "network": 100.0},
            "order of the samples",
        ),
        (
            {"items": 10**9, "events": 10**9, "users": 1, "network": 100.0},
            "item table",
        ),
    ],
)
def test_what_breaks_first(changes, first):
    limits = estimate(replace(LARGE, **changes)).limits
    assert limits[0].what == first
    assert limits[0].load >= 1
    assert {limit.what for limit in limits} == {
        *("item table", "order of the samples", "exchange", "evaluation")
    }


def test_every_number_has_its_law_and_grows_with_its_size():
    found = estimate(LARGE).quantities
    assert all(one.law and one.value for one in found)
    for size in ("events", "items", "users", "width", "batch"):
        larger = replace(LARGE, **{size: 4 * getattr(LARGE, size)})
        values = vars(_Costs(larger))
        for name, value in vars(_Costs(LARGE)).items():
            if isinstance(value, (int, float)):
                assert values[name] >= value, (size, name)


def test_the_page_shows_what_the_command_prints():
    found = estimate(LARGE)
    rows = [
        f"| {one.stage} | {one.what} | {one.value} |"
        for one in found.quantities
    ]
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert "\n".join(rows) in page
    order = ", ".join(limit.what for limit in found.limits)
    assert f"in this order: {order}." in " ".join(page.split())


def test_the_command_names_laws_and_what_breaks():
    sizes = ["--events", "1e9", "--items", "1e7", "--users", "1e8"]
    printed, _ = mgnm("estimate", *sizes, "--workers", 16)
    text = " ".join(printed.split())
    assert "arrays on disk" in text and "17 B an event" in text
    assert "Breaks first: evaluation." in text
    assert "What to do: evaluate a sample of the users" in text
    small = ["--events", "1e6", "--items", 1000, "--users", 100]
    printed, _ = mgnm("estimate", *small)
    assert "Nothing breaks; nearest to: " in printed


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--workers", 0, "`workers` must be at least 1"),
        ("--events", "1.5", "--events must be a whole number, for example 1e9"),
        ("--items", "0", "`items` must be at least 1"),
        ("--users", "inf", "--users must be a whole number"),
        ("--model", "mgn", "model"),
        ("--memory", "much", "The memory must be a number and a unit"),
        ("--network", "0", "`network` must be a positive number"),
    ],
)
def test_sizes_that_cannot_be(option, value, sentence):
    sizes = {"--events": "1e9", "--items": "1e7", "--users": "1e8"}
    sizes[option] = value
    arguments = [part for pair in sizes.items() for part in pair]
    assert sentence in refused("estimate", *arguments)


def test_sizes_in_python():
    with pytest.raises(UserError, match="`batch` must be at least 1"):
        replace(LARGE, batch=0)


def test_times_in_words():
    assert [_time(s) for s in (0.0211, 40, 600, 9000, 10**6)] == [
        *("21.1 ms", "40 s", "10 min", "2.5 h", "12 days")
    ]
