import dataclasses

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import evaluate
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.slices import SLICES
from mgnm_tf.evaluation.slices import slice_metrics
from tests.evaluation.models import SumVector
from tests.training.worlds import small_data

PROTOCOL = Protocol(negatives=50, max_length=20)


@pytest.fixture(scope="module")
def data():
    data = small_data()
    # Gaps of 0, 0.5, 1, 7.9, 8 and 400 days before the targets of tests.
    times = np.array(data.times)
    targets = data.positions("test")
    gaps = np.array([0, 0.5, 1, 7.9, 8, 400])
    days = gaps[np.arange(len(targets)) % len(gaps)]
    times[targets] = times[targets - 1] + (days * 86_400).astype(int)
    return dataclasses.replace(data, times=times)


@pytest.fixture(scope="module")
def evaluation(data):
    return evaluate(SumVector(data.num_users, data.num_items), data, PROTOCOL)


def test_slices_are_those_of_a_loop(evaluation, data):
    found = slice_metrics(evaluation, data)
    assert tuple(found["slice"].unique()) == SLICES
    metrics = evaluation.per_sample()
    trained = data.items[data.parts == 0].tolist()
    limits = {
        "history length": ["1-2", "3-5", "6-10", "11-20", "21-50", "51-100"],
        "item popularity": ["0", "1-5", "6-10", "11-20", "21-50", "51-100"],
    }
    expected = {}
    for row, sample in evaluation.samples.iterrows():
        position = sample["position"]
        before = sum(data.sequences[:position] == data.sequences[position])
        often = trained.count(data.items[position])
        seconds = data.times[position] - data.times[position - 1]
        day = {0: "under a day", 1: "1-7", 7: "1-7", 8: "8-30", 400: "366+"}
        keys = [("days since the last event", day[seconds // 86_400])]
        for name, value in (
            ("history length", before),
            ("item popularity", often),
        ):
            for bounds in limits[name]:
                low, _, high = bounds.partition("-")
                if int(low) <= value <= int(high or low):
                    keys.append((name, bounds))
        assert len(keys) == 3
        for key in keys:
            expected.setdefault(key, []).append(metrics.loc[row])
    assert len(found) == len(expected)
    for row in found.itertuples(index=False):
        rows = pd.DataFrame(expected[row.slice, row.bounds])
        assert row.records == len(rows)
        mean = rows.mean()
        one = found[
            (found["slice"] == row.slice) & (found["bounds"] == row.bounds)
        ].iloc[0]
        for metric in PROTOCOL.metric_names:
            assert one[metric] == pytest.approx(mean[metric])


def test_bounds_ascend(evaluation, data):
    found = slice_metrics(evaluation, data)
    gaps = found[found["slice"] == "days since the last event"]
    assert gaps["bounds"].tolist() == ["under a day", "1-7", "8-30", "366+"]
    assert gaps["records"].tolist() == [20, 20, 10, 9]


@pytest.mark.parametrize("unit, factor", [("ms", 1000), ("us", 1_000_000)])
def test_times_of_other_units(unit, factor, evaluation, data):
    fine = dataclasses.replace(data, times=data.times * factor, time_unit=unit)
    pd.testing.assert_frame_equal(
        slice_metrics(evaluation, fine), slice_metrics(evaluation, data)
    )


def test_data_without_times_have_no_gaps(evaluation, data):
    ordered = dataclasses.replace(data, metadata={"order_only": True})
    found = slice_metrics(evaluation, ordered)
    assert tuple(found["slice"].unique()) == SLICES[:2]


def test_samples_without_a_negative_do_not_count(evaluation, data):
    samples = evaluation.samples.copy()
    samples.loc[samples.index[:10], "num_negatives"] = 0
    fewer = dataclasses.replace(evaluation, samples=samples)
    found = slice_metrics(fewer, data)
    assert found.groupby("slice")["records"].sum().tolist() == [49] * 3
    assert not found.isna().any().any()


def test_ranks_of_other_data_are_refused(evaluation):
    with pytest.raises(UserError, match="not those of these data"):
        slice_metrics(evaluation, small_data(num_users=70, seed=3))
    with pytest.raises(UserError, match="not those of these data"):
        slice_metrics(evaluation, small_data(num_users=20))
