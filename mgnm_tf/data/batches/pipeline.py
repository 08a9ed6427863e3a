"""From flat arrays to batches: the one input pipeline of every model."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mgnm_tf.data.batches.batch_builder import EVALUATION
from mgnm_tf.data.batches.batch_builder import BatchBuilder
from mgnm_tf.data.batches.batch_plan import last_targets
from mgnm_tf.data.batches.batch_plan import plan_batches
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.dataset import check_data_set
from mgnm_tf.data.parts import PARTS
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_negatives
from mgnm_tf.utils.validation import check_nothing_drawn
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range

# Batches made at a time, and batches that wait for the model.
PARALLEL_CALLS = 4
PREFETCHED = 4
EXCLUSIONS = ("history", "user", "none")
SAMPLINGS = ("uniform", "popularity")
FEATURES = (
    "history_time",
    "candidate_time",
    "history_category",
    "candidate_category",
    "excluded",
)


def make_dataset(
    data: SequenceDataset,
    part: str = "train",
    *,
    batch_size: int = 256,
    max_length: int = 100,
    negatives: int | str = 5,
    shared_negatives: int = 0,
    sampling: str = "uniform",
    popularity_exponent: float = 0.75,
    logq_correction: bool = False,
    exclude: str = "history",
    every_position: bool = False,
    features: Sequence[str] = (),
    bucket_widths: Sequence[int] | None = None,
    seed: int = 0,
    first_step: int | None = None,
    share: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Makes batches of (features, labels) for `fit`, `evaluate`, `predict`.

    A sample is one event of the part that has an earlier event in its
    sequence: the positive. What a batch holds is a function of the
    arguments, the epoch and the number of the batch, so a stream can go on
    at any step and is the same on every machine.

    Letters in shapes: B samples, m history width of the batch (one of
    the bucket widths), C = 1 + `negatives`, S = `shared_negatives`, M items.
    With `negatives="all"` C = 1 and S = M.

    - `user` (B,) int32: 0 for a user without training events.
    - `history` (B, m) int32: the last events before the positive, whichever
      part they belong to, oldest first, padded with 0 at the end.
    - `candidates` (B, C) int32: the positive, then its negatives.
    - `shared_negatives` (S,) int32: only if asked for; with
      `negatives="all"` the items 1 to M.
    - `log_sampling_probability` (B, C + S) float32: only with
      `logq_correction`; the logarithm of how often the `negatives` + S
      draws are expected to meet the item of each column (the positive's
      column too, as in a sampled softmax). Excluded items are not
      reckoned with. It is constant for uniform sampling.
    - `positions` (N,) int32: only with `every_position`; where the N events
      that have a target stand in the flattened history: row * m + column.
      Then `candidates` and labels have N rows in the place of B, and
      `log_sampling_probability`, too.
    - labels (B, C + S) float32: 1 for the positive, 0 for a negative, -1
      (ignore) for a shared negative that is the positive of the row, and in
      validation and test for the negatives of a sample whose exclusions
      leave no item. With `negatives="all"` -1 stands in validation and test
      at all items that `exclude` names; training excludes but the positive.

    Training: the targets are permuted inside each bucket and the batches
    among themselves. Negatives of a sample depend on `seed`, epoch and
    sample; each iteration of the data set is a new epoch, whose number is
    drawn from `seed`. With `first_step` the epochs are numbered 0, 1, 2.

    Validation and test: in the order of `evaluation_order`. Negatives of a
    sample depend on `seed`, the sample and what it excludes: not on the
    model, the batch size, the buckets or the number of negatives (asking
    for fewer gives the first of them).

    Args:
        data: the split data.
        part: "train", "validation" or "test". Defaults to `"train"`.
        batch_size: number of samples B. Defaults to 256.
        max_length: the longest visible history. Defaults to 100.
        negatives: negatives of each sample, or "all": every item of the
            catalogue is scored for every sample. Nothing is drawn then, and
            `SampledSoftmax` is the exact softmax. Defaults to 5.
        shared_negatives: negatives of each batch. Defaults to 0.
        sampling: "uniform" over the items, or "popularity": in proportion to
            the number of training events of an item, raised to
            `popularity_exponent`. Defaults to `"uniform"`.
        popularity_exponent: see `sampling`. Defaults to 0.75.
        logq_correction: whether to add `log_sampling_probability`. Defaults
            to `False`.
        exclude: what a sample's own negatives avoid besides the positive:
            "history", the visible history; "user", all events of the
            sequence in this part and earlier parts; "none". Where that
            leaves no item, only the positive is avoided. Shared negatives
            avoid nothing. Defaults to `"history"`.
        every_position: whether a training sample is a history with the next
            item of each of its events as a target, not of the newest alone:
            what a causal model reads once and learns from at every position.
            A batch then has `batch_size` histories; each target stands in
            one of them. Needs negatives that are shared, or all. Defaults to
            `False`.
        features: further keys: `history_time` (B, m) int64 in whole seconds
            with 0 on padding, `candidate_time` (B, C) int64 (the time of the
            positive in every column), `history_category` (B, m) int32,
            `candidate_category` (B, C) int32, `excluded` (B, W) int32 (what
            `exclude` names, with the positive, ascending, 0 in column 0,
            repeats possible). Defaults to `()`.
        bucket_widths: history widths; see `resolve_widths`. Defaults to
            `None`: each a quarter wider than the one before.
        seed: seed of order and negatives. Defaults to 0.
        first_step: makes an endless training stream that starts at this
            step: step g is batch g % n of epoch g // n, with n from
            `num_batches`. Defaults to `None`: one epoch an iteration.
        share: `(r, R)` gives of each batch of n samples only those of
            worker r of R, the rows r * n // R to (r + 1) * n // R - 1, and
            the feature `row_weight` () float32, R times the share of the
            batch that they are: the mean over the R workers of a mean over
            rows, times this weight, is the mean over the batch. A worker
            whom a batch has no row for gets its row r * n // R with the
            weight 0 and labels -1. Defaults to `None`: all rows.

    Returns:
        A `tf.data.Dataset` of (features, labels); its `data_fingerprint` is
        that of `data`, its `history_width` the m of its widest batch.

    Raises:
        DataError: the part has no sample, or the data lack a feature: they
            have no categories, or no timestamps.
        UserError: the catalogue is too small for negatives.
        ValueError: an argument is out of its range.
        TypeError: `data` are no data set.
    """
    check_data_set(data)
    check_choice(part, "part", PARTS)
    check_positive_int(batch_size, "batch_size")
    check_positive_int(seed, "seed", 0)
    if first_step is not None:
        check_positive_int(first_step, "first_step", 0)
        if part != "train":
            raise ValueError(
                "`first_step` is for training; other parts have one order. "
                f"Received: first_step={first_step} with part={part!r}"
            )
    if share is not None:
        check_positive_int(share[1], "share[1]")
        check_range(share[0], "share[0]", 0, share[1] - 1)
    check_negatives(negatives, "negatives")
    check_positive_int(shared_negatives, "shared_negatives", 0)
    everything = negatives == "all"
    drawn = 0 if isinstance(negatives, str) else negatives
    if everything:
        check_nothing_drawn(shared_negatives, sampling, logq_correction)
    if every_position:
        _check_every_position(part, drawn, features)
        if share is not None:
            raise ValueError(
                "A batch of `every_position` cannot be shared: its histories "
                f"have different numbers of targets. Received: share={share}"
            )
    if logq_correction and not drawn + shared_negatives:
        raise ValueError(
            "`logq_correction` needs negatives. Received: negatives=0 and "
            "shared_negatives=0"
        )
    if (drawn or everything) and data.num_items < 2:
        raise UserError(
            "The data have a single item, so no negative can be drawn; at "
            "least 2 items are needed."
        )
    plan = plan_batches(data, part, max_length, bucket_widths, every_position)
    builder = BatchBuilder(
        data=data,
        part=part,
        plan=plan,
        batch_size=batch_size,
        max_length=max_length,
        negatives=drawn,
        shared=shared_negatives,
        everything=everything,
        weights=_weights(data, sampling, popularity_exponent),
        logq_correction=logq_correction,
        exclude=check_choice(exclude, "exclude", EXCLUSIONS),
        every_position=every_position,
        features=_check_features(data, features),
        seed=seed,
        share=share,
    )
    batches = _stream(builder, part, seed, first_step)
    batches.data_fingerprint = data.fingerprint
    batches.history_width = int(plan.widths[-1])
    return batches


@tf.autograph.experimental.do_not_convert
def _stream(
    builder: BatchBuilder, part: str, seed: int, first_step: int | None
) -> tf.data.Dataset:
    """Returns the batches of the steps of a part.

    Nothing in them is Python control flow over tensors, so AutoGraph would
    rewrite their source in vain: a second in each process.
    """
    count = builder.num_batches
    if part != "train":
        steps = tf.data.Dataset.range(count).map(lambda b: (EVALUATION, b))
    elif first_step is not None:
        steps = tf.data.Dataset.counter(first_step).map(
            lambda step: (step // count, step % count)
        )
    else:
        epoch = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
        steps = epoch.take(1).flat_map(
            lambda epoch: tf.data.Dataset.range(count).map(
                lambda batch: (epoch, batch)
            )
        )
        steps = steps.apply(tf.data.experimental.assert_cardinality(count))
    batches = steps.map(
        builder.batch, num_parallel_calls=PARALLEL_CALLS, deterministic=True
    )
    return batches.prefetch(PREFETCHED).with_options(stream_options())


def stream_options() -> tf.data.Options:
    """Returns the options of every stream of batches.

    Without automatic tuning: its thread sleeps for 10 ms, 20 ms, 40 ms, ...
    up to a minute, and an iterator that ends between two of its rounds waits
    for the next one (TensorFlow 2.21), which nearly doubled short epochs.
    Without rewriting of the graph, too, which copies every array that it reads.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options


def num_batches(
    data: SequenceDataset,
    part: str = "train",
    *,
    batch_size: int = 256,
    every_position: bool = False,
    max_length: int = 100,
) -> int:
    """Returns the number of batches of one pass, whatever the buckets.

    Args:
        data: the split data.
        part: as given to `make_dataset`. Defaults to `"train"`.
        batch_size: as given to `make_dataset`. Defaults to 256.
        every_position: as given to `make_dataset`. Defaults to `False`.
        max_length: as given to `make_dataset`; counts with `every_position`
            alone. Defaults to 100.
    """
    blocks = data.blocks_of_positions(part)
    if every_position:
        blocks = iter([last_targets(data, part, max_length)])
    return -(-sum(len(block) for block in blocks) // batch_size)


def evaluation_order(
    data: SequenceDataset,
    part: str,
    *,
    max_length: int = 100,
    bucket_widths: Sequence[int] | None = None,
) -> np.ndarray:
    """Returns the positions of the samples in the order of `make_dataset`.

    Args:
        data: the split data.
        part: "validation" or "test".
        max_length: as given to `make_dataset`. Defaults to 100.
        bucket_widths: as given to `make_dataset`. Defaults to `None`.

    Returns:
        int64 (n,), indices into `data.items`.
    """
    return plan_batches(data, part, max_length, bucket_widths).positions


def _check_every_position(
    part: str, negatives: int, features: Sequence[str]
) -> None:
    """Refuses what has one row for each history, or no place in training."""
    if part != "train":
        raise ValueError(
            "`every_position` is for training; a record of another part has "
            f"one target. Received: part={part!r}"
        )
    if negatives:
        raise ValueError(
            "`every_position` needs negatives that all positions share: "
            "`shared_negatives`, or negatives='all'. Received: "
            f"negatives={negatives}"
        )
    for key in features:
        if key not in ("history_time", "history_category"):
            raise ValueError(
                f"`{key}` has one row for each history, which has many "
                "targets with `every_position`."
            )


def _weights(
    data: SequenceDataset, sampling: str, exponent: float
) -> np.ndarray | None:
    """Returns the sampling weights (M + 1,), or `None` for uniform ones."""
    if check_choice(sampling, "sampling", SAMPLINGS) == "uniform":
        return None
    trained = np.asarray(data.items)[np.asarray(data.parts) <= 0]
    return np.bincount(trained, minlength=data.num_items + 1) ** exponent


def _check_features(
    data: SequenceDataset, features: Sequence[str]
) -> tuple[str, ...]:
    for key in features:
        check_choice(key, "feature", FEATURES)
        if key.endswith("_category") and data.item_categories is None:
            raise DataError(
                f"`{key}` is asked for, but the data have no item "
                "categories; prepare them with a category column."
            )
        if key.endswith("_time") and not data.has_times:
            raise DataError(
                f"`{key}` is asked for, but the data have no timestamps, only "
                "the order of events; prepare a log that has them."
            )
    return tuple(features)
