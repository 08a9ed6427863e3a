"""Latency and throughput of recommendations from an export."""

import inspect
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks.http_server import measure_http
from benchmarks.like_trained import LikeTrained
from benchmarks.measure import seconds_of
from benchmarks.measure import significant
from benchmarks.measure import speeds
from benchmarks.settings import Settings
from benchmarks.vectors import made_items
from mgnm_tf.errors import UserError
from mgnm_tf.export.export import export
from mgnm_tf.export.export_folder import ONNX
from mgnm_tf.export.onnx_graphs import write_onnx
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.index.make_index import make_index
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.mgnm import MGNM
from mgnm_tf.models.registry import create_model
from mgnm_tf.models.registry import model_class
from mgnm_tf.recipes.label import read_label
from mgnm_tf.serving.recommender import Recommender

ITEMS, QUICK_ITEMS = 292_286, 5_000
"""Items of the paper's micro-video data."""
DIM = 40
LONGEST = 100
"""Of the histories that the model reads."""
USERS = 1_000
"""Known users; the size of their table does not matter here."""
BATCH = 256
CALLERS_WINDOWS = 20
"""For how many windows 16 callers ask: a minute by default."""
LENGTHS, QUICK_LENGTHS = (20, 100), (20,)
"""Events of each history."""


def run(settings: Settings) -> dict[str, dict]:
    """Measures MGNM, unless models are named, exact and with an index.

    292,286 items, width 40, the model as constructed by itself (MGNM: 4 x 4
    interests) with item vectors made like trained ones; what MGNM finds is
    replaced by interests like trained ones, see `LikeTrained`. 20 items for a
    user. ONNX Runtime encodes where the model can be written for it.

    Returns:
        "model, exact or index, history length" -> `p50_ms` and `p99_ms` of
        `recommend` for one user; `users_per_second` in batches of 256, and
        `batch_cpu_ms`, the time of the processor for a user of a batch; of
        the index `recall`, the share of the 20 exact items of a user that its
        answers have; and of `mgnm serve` what `measure_http` returns: of one
        caller, and of 16 at once for a minute. "model" -> seconds to export,
        index and load, size on disk.
    """
    report = {}
    for label in settings.labels(("mgnm:paper",)):
        with tempfile.TemporaryDirectory() as folder:
            report |= measure_serving(label, Path(folder, "export"), settings)
    return report


def measure_serving(label: str, folder: Path, settings: Settings) -> dict:
    """Exports a model into a folder and asks it, without and with index."""
    items = QUICK_ITEMS if settings.quick else ITEMS
    vectors, counts = made_items(items, DIM)
    model = made_model(label, vectors, counts)
    names = [f"item-{number}" for number in range(items)]
    words = Vocabularies(
        [f"user-{number}" for number in range(USERS)],
        names,
        counts.astype(np.int64),
    )
    costs = {
        "items": items,
        "export_seconds": significant(
            seconds_of(lambda: export(model, words, folder))
        ),
        "onnx_seconds": significant(
            seconds_of(lambda: add_steps(folder, model))
        ),
    }
    found, exact = {}, {}
    lengths = QUICK_LENGTHS if settings.quick else LENGTHS
    for kind in ("exact", "index"):
        if kind == "index":
            served = tf.saved_model.load(folder / "1")
            seconds = seconds_of(lambda s=served: make_index(folder, s))
            costs["index_seconds"] = significant(seconds)
        begin = time.perf_counter()
        recommender = Recommender.load(folder)
        seconds = time.perf_counter() - begin
        costs[f"{kind}_load_seconds"] = significant(seconds)
        for length in lengths:
            histories = made_histories(vectors, names, length)
            row = measure_recommender(recommender, histories, settings)
            answers = recommender.recommend(
                list(histories.values()), users=list(histories)
            )
            if kind == "exact":
                exact[length] = answers
            else:
                row["recall"] = recall(answers, exact[length])
            seconds = settings.seconds
            if not settings.quick:
                seconds *= CALLERS_WINDOWS
            row |= measure_http(
                folder, histories, settings.windows * settings.seconds, seconds
            )
            found[f"{label}, {kind}, history {length}"] = row
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    return {label: {**costs, "disk_mib": significant(size / 2**20)}, **found}


def made_model(
    label: str, vectors: np.ndarray, counts: np.ndarray
) -> SequentialRecommender:
    """Returns a model that has not trained, but for its item vectors.

    Args:
        label: `name` or `name:recipe`; of MGNM a `LikeTrained` is made.
        vectors: float32 (M, d).
        counts: (M,), how often each item occurs.
    """
    options = {}
    made = model_class(read_label(label).model)
    if "embedding_dim" in inspect.signature(made).parameters:
        options["embedding_dim"] = vectors.shape[1]
    model = create_model(label, USERS, len(vectors), options)
    if isinstance(model, MGNM):
        model = LikeTrained.from_config(model.get_config())
        model.give_interests(vectors, counts)
    table = np.pad(vectors, [(1, 0), (0, 0)])
    for variable in model.trainable_variables:
        if variable.shape == table.shape:
            variable.assign(table)
    return model


def add_steps(folder: Path, model: SequentialRecommender) -> None:
    """Writes what ONNX Runtime encodes by, if it can be written."""
    try:
        write_onnx(folder / ONNX, model, LONGEST)
    except UserError:
        shutil.rmtree(folder / ONNX, ignore_errors=True)


def made_histories(
    vectors: np.ndarray, names: list[str], length: int
) -> dict[str, list[str]]:
    """Returns the histories of a batch of users, each around four items.

    Args:
        vectors: float32 (M, d), the items.
        names: their ids.
        length: items of a history.
    """
    random = np.random.default_rng(2)
    histories = {}
    for user in range(BATCH):
        centres = vectors[random.integers(0, len(vectors), 4)]
        near = np.argpartition(-(centres @ vectors.T), 2 * length, axis=1)
        near = near[:, : 2 * length]
        drawn = random.choice(near.ravel(), length)
        histories[f"user-{user}"] = [names[row] for row in drawn]
    return histories


def measure_recommender(
    recommender: Recommender, histories: dict, settings: Settings
) -> dict:
    """Returns latency of one user and speed of batches."""
    users, lists = list(histories), list(histories.values())
    one = 1000 * np.array(
        latencies(recommender, histories, settings.windows * settings.seconds)
    )
    batch = speeds(
        lambda steps: [
            recommender.recommend(lists, users=users) for _ in range(steps)
        ],
        len(histories),
        settings.windows,
        settings.seconds,
    )
    begin = time.process_time()
    recommender.recommend(lists, users=users)
    cpu = time.process_time() - begin
    return {
        "p50_ms": significant(np.quantile(one, 0.5)),
        "p99_ms": significant(np.quantile(one, 0.99)),
        "users_per_second": batch,
        "batch_cpu_ms": significant(1000 * cpu / len(histories)),
    }


def recall(found: pd.DataFrame, expected: pd.DataFrame) -> float:
    """Returns which share of the items of `expected` `found` has, by user."""
    pairs = [
        set(zip(table["user_id"], table["item_id"], strict=True))
        for table in (found, expected)
    ]
    return round(len(pairs[0] & pairs[1]) / len(pairs[1]), 4)


def latencies(
    recommender: Recommender, histories: dict, seconds: float
) -> list[float]:
    """Asks for one user after the other; returns the seconds of each."""

    def ask(user):
        recommender.recommend([histories[user]], users=[user])

    users = list(histories)
    for user in users[:5]:
        ask(user)  # The first ones compile.
    found, end = [], time.perf_counter() + seconds
    while not found or time.perf_counter() < end:
        found.append(seconds_of(ask, users[len(found) % len(users)]))
    return found
