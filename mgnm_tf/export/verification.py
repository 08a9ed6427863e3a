"""The proof that an exported model is the evaluated one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from mgnm_tf.data.batches.batch_builder import EVALUATION
from mgnm_tf.data.batches.batch_builder import BatchBuilder
from mgnm_tf.data.batches.batch_plan import BatchPlan
from mgnm_tf.data.batches.batch_plan import plan_batches
from mgnm_tf.data.batches.pipeline import stream_options
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.reading.times import whole_seconds
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.export.onnx_graphs import OnnxCheck
from mgnm_tf.models.base import SequentialRecommender

_ROUNDING = {"float32": 1e-5}
"""Differences of scores, relative to the largest, that are no differences."""
_PAIRS = 1 << 18
"""Pairs of history and candidate in a batch."""


@dataclass(frozen=True)
class Verification:
    """How a model in memory and its export rank the same records.

    Args:
        protocol: what was ranked against what.
        records: how many records were ranked.
        total: how many there are; if more, `records` is a seeded sample.
        in_memory: the metrics of the model in memory.
        exported: the metrics through the SavedModel, from raw ids.
        equal: for how many records the ranks are equal to the last digit.
        different: for how many they differ by more than rounding.
        example: a record whose ranks differ, in words; "" if there is none.
        onnx: how near the scores of its ONNX graphs are, if it has any.
            Defaults to `None`.
    """

    protocol: Protocol
    records: int
    total: int
    in_memory: dict[str, float]
    exported: dict[str, float]
    equal: int
    different: int
    example: str
    onnx: OnnxCheck | None = None

    def describe(self) -> str:
        """Returns what was compared as one sentence."""
        what = f"all {self.total:,}"
        if self.records < self.total:
            what = f"a sample of {self.records:,} of {self.total:,}"
        words = (
            f"Ranks were computed anew through the SavedModel from raw ids "
            f"on {what} {self.protocol.part} records: {self.equal:,} are "
            f"equal to those of the model in memory, "
            f"{self.records - self.equal - self.different:,} within "
            f"rounding, {self.different:,} differ."
        )
        return f"{words} {self.onnx.describe()}" if self.onnx else words


def verify(
    saved_model: Path,
    model: SequentialRecommender,
    data: SequenceDataset,
    protocol: Protocol,
    sample: int,
    progress: Any = None,
) -> Verification:
    """Ranks test records with a model and with its SavedModel.

    Args:
        saved_model: the folder of the SavedModel.
        model: the model in memory.
        data: the data that it was trained on.
        protocol: what is ranked against what.
        sample: the most records; of more a sample is drawn with seed 0.
        progress: is given how many records are ranked, and how many there
            are.
    """
    score = tf.saved_model.load(saved_model).signatures["score"]
    in_memory = tf.function(
        lambda features: model(features, training=False),
        autograph=False,
        reduce_retracing=True,
    )
    plan = plan_batches(data, protocol.part, protocol.max_length)
    total = len(plan.positions)
    plan = _sampled(plan, sample)
    raw = _RawIds(data, protocol)
    rounding = _ROUNDING.get(
        keras.backend.standardize_dtype(model.compute_dtype), 1e-2
    )
    ranks, different, example = {"memory": [], "export": []}, 0, ""
    negatives = []
    for positions, features, counted in _batches(data, model, protocol, plan):
        rows = features["candidates"]
        place = np.argmax(
            np.broadcast_to(rows, counted.shape)
            == data.items[positions][:, None],
            axis=1,
        )
        ours = np.asarray(in_memory(features), np.float32)
        request = raw.request(positions, rows, model.required_features)
        theirs = score(**request)["scores"].numpy()
        mine, low, high = _ranks(ours, place, counted, rounding)
        given, _, _ = _ranks(theirs, place, counted, rounding)
        largest = np.abs(ours).max(axis=1, keepdims=True)
        close = np.abs(ours - theirs) <= rounding * np.maximum(largest, 1e-3)
        wrong = ~close.all(axis=1) | (given < low) | (given > high)
        if wrong.any() and not example:
            row = int(np.argmax(wrong))
            example = (
                f"user {raw.user_of(positions[row])!r}: rank {mine[row]:g} "
                f"in memory, {given[row]:g} through the SavedModel"
            )
        different += int(wrong.sum())
        ranks["memory"].append(mine)
        ranks["export"].append(given)
        negatives.append(counted.sum(axis=1) - 1)
        if progress is not None:
            progress(sum(map(len, negatives)), len(plan.positions))
    joined = {name: np.concatenate(parts) for name, parts in ranks.items()}
    metrics = {
        name: _metrics(data, protocol, plan.positions, values, negatives)
        for name, values in joined.items()
    }
    return Verification(
        protocol=protocol,
        records=len(plan.positions),
        total=total,
        in_memory=metrics["memory"],
        exported=metrics["export"],
        equal=int((joined["memory"] == joined["export"]).sum()),
        different=different,
        example=example,
    )


def _sampled(plan: BatchPlan, count: int) -> BatchPlan:
    """Returns the plan of some of the records, drawn with seed 0."""
    if len(plan.positions) <= count:
        return plan
    chosen = np.random.default_rng(0).choice(
        len(plan.positions), count, replace=False
    )
    chosen.sort()
    bucket = np.searchsorted(plan.starts, chosen, side="right") - 1
    sizes = np.bincount(bucket, minlength=len(plan.starts))
    used = sizes > 0
    return BatchPlan(
        positions=plan.positions[chosen],
        starts=(np.cumsum(sizes) - sizes)[used],
        sizes=sizes[used],
        widths=plan.widths[used],
    )


def _batches(
    data: SequenceDataset,
    model: SequentialRecommender,
    protocol: Protocol,
    plan: BatchPlan,
) -> Iterator[tuple[np.ndarray, dict, np.ndarray]]:
    """Yields positions, features and which candidates count, (B, C)."""
    everything = protocol.negatives == "all"
    compared = data.num_items if everything else 1 + protocol.negatives
    size = max(1, min(256, _PAIRS // compared))
    size = model.max_batch_size(size, compared)
    features = tuple(model.required_features)
    builder = BatchBuilder(
        data=data,
        part=protocol.part,
        plan=plan,
        batch_size=size,
        max_length=protocol.max_length,
        negatives=0 if everything else protocol.negatives,
        shared=0,
        everything=False,
        weights=None,
        logq_correction=False,
        exclude=protocol.exclude,
        features=(*features, "excluded") if everything else features,
        seed=protocol.seed,
    )
    steps = tf.data.Dataset.range(builder.num_batches)
    batches = steps.map(lambda batch: builder.batch(EVALUATION, batch))
    batches = batches.prefetch(1).with_options(stream_options())
    start = 0
    for batch, _ in batches.as_numpy_iterator():
        count = len(batch["user"])
        positions = plan.positions[start : start + count]
        start += count
        counted = np.ones((count, compared), bool)
        if everything:
            rows = np.arange(count)[:, None]
            excluded = np.zeros((count, compared + 1), bool)
            excluded[rows, batch.pop("excluded")] = True
            excluded[rows[:, 0], data.items[positions]] = False
            counted = ~excluded[:, 1:]
            batch["candidates"] = np.arange(1, compared + 1, dtype=np.int32)
        yield positions, batch, counted


class _RawIds:
    """Turns records into requests, as a client of the export would."""

    def __init__(self, data: SequenceDataset, protocol: Protocol):
        self.data = data
        # One more than is read, so that it is the SavedModel that cuts.
        self.length = protocol.max_length + 1
        self.users = np.asarray(data.user_ids, object)
        self.items = np.asarray(["", *data.item_ids], object)

    def user_of(self, position: int) -> str:
        return self.users[self.data.sequences[position] - 1]

    def request(self, positions, rows, features):
        data = self.data
        first = data.offsets[data.sequences[positions]]
        first = np.maximum(first, positions - self.length)
        lengths = positions - first
        column = np.arange(lengths.max())
        visible = column < lengths[:, None]
        source = np.where(visible, first[:, None] + column, 0)
        events = np.where(visible, data.items[source], 0)
        shape = (len(positions), rows.shape[-1])
        request = {
            "user_id": self.users[data.sequences[positions] - 1],
            "history": self.items[events],
            "candidates": self.items[np.broadcast_to(rows, shape)],
        }
        if "history_time" in features:
            times = whole_seconds(data.times[source], data.time_unit)
            times = np.where(visible, times, 0)
            request["history_time"] = times.astype(np.int64)
        if {"history_time", "candidate_time"} & set(features):
            times = whole_seconds(data.times[positions], data.time_unit)
            request["time"] = times.astype(np.int64)
        return {key: tf.constant(value) for key, value in request.items()}


def _ranks(scores, place, counted, rounding):
    """Returns ranks (B,), and the least and the most that rounding allows.

    Args:
        scores: float32 (B, C).
        place: int (B,), the column of the positive.
        counted: bool (B, C), the columns that count.
        rounding: see `_ROUNDING`.
    """
    positive = np.take_along_axis(scores, place[:, None], axis=1)
    tolerance = rounding * np.maximum(
        np.abs(scores).max(axis=1, keepdims=True), 1e-3
    )
    # As in the evaluation, what cannot be compared counts as above.
    above = 1.0 - 0.5 * (scores < positive) - 0.5 * (scores <= positive)
    rank = np.where(counted, above, 0).sum(axis=1) - 0.5
    low = (counted & (scores > positive + tolerance)).sum(axis=1)
    high = (counted & ~(scores < positive - tolerance)).sum(axis=1) - 1
    return rank.astype(np.float32), low, high


def _metrics(data, protocol, positions, ranks, negatives):
    samples = {
        "user_id": np.asarray(data.sequences)[positions].astype(str),
        "item_id": np.asarray(data.items)[positions].astype(str),
        "position": positions,
        "rank": ranks,
        "num_negatives": np.concatenate(negatives),
    }
    return Evaluation(protocol, pd.DataFrame(samples)).metrics()
