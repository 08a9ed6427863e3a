"""Latency and throughput of recommendations from an export."""

import inspect
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.measure import seconds_of
from benchmarks.measure import significant
from benchmarks.measure import speeds
from benchmarks.settings import Settings
from benchmarks.vectors import made_items
from mgnm_tf.export.export import export
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.index.make_index import make_index
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.registry import model_class
from mgnm_tf.serving.recommender import Recommender

ITEMS, QUICK_ITEMS = 292_286, 5_000
"""Items of the paper's micro-video data."""
DIM = 40
USERS = 1_000
"""Known users; the size of their table does not matter here."""
BATCH = 256
CALLERS = 16
CALLERS_SECONDS = 60.0
LENGTHS, QUICK_LENGTHS = (20, 100), (20,)
"""Events of each history."""


def run(settings: Settings) -> dict[str, dict]:
    """Measures MGNM, unless models are named, exact and with an index.

    292,286 items, width 40, the model as constructed by itself (MGNM: 4 x 4
    interests) with item vectors made like trained ones; 20 items for a user.

    Returns:
        "model, exact or index, history length" -> `p50_ms` and `p99_ms` of
        `recommend` for one user; `users_per_second` in batches of 256;
        and of 16 callers at once for a minute, one user a call:
        `callers_per_second` (answers of all), `callers_p50_ms`,
        `callers_p99_ms`, `errors`. "model" -> seconds to export, index and
        load, size on disk.
    """
    report = {}
    for label in settings.labels(("mgnm",)):
        with tempfile.TemporaryDirectory() as folder:
            report |= measure_serving(label, Path(folder, "export"), settings)
    return report


def measure_serving(label: str, folder: Path, settings: Settings) -> dict:
    """Exports a model into a folder and asks it, without and with index."""
    items = QUICK_ITEMS if settings.quick else ITEMS
    vectors, counts = made_items(items, DIM)
    model = made_model(label, vectors)
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
    }
    found = {}
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
            found[f"{label}, {kind}, history {length}"] = measure_recommender(
                recommender, histories, settings
            )
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    return {label: {**costs, "disk_mib": significant(size / 2**20)}, **found}


def made_model(label: str, vectors: np.ndarray) -> SequentialRecommender:
    """Returns a model that has not trained, but for its item vectors.

    Args:
        label: a name, or `name:preset`.
        vectors: float32 (M, d).
    """
    name, _, preset = label.partition(":")
    made = model_class(name)
    options = dict(made.presets[preset]) if preset else {}
    if "embedding_dim" in inspect.signature(made).parameters:
        options["embedding_dim"] = vectors.shape[1]
    model = made(USERS, len(vectors), **options)
    table = np.pad(vectors, [(1, 0), (0, 0)])
    for variable in model.trainable_variables:
        if variable.shape == table.shape:
            variable.assign(table)
    return model


def made_histories(
    vectors: np.ndarray, names: list[str], length: int
) -> list[list[str]]:
    """Returns as many histories as a batch, each around four items.

    Args:
        vectors: float32 (M, d), the items.
        names: their ids.
        length: items of a history.
    """
    random = np.random.default_rng(2)
    histories = []
    for _ in range(BATCH):
        centres = vectors[random.integers(0, len(vectors), 4)]
        near = np.argsort(-(centres @ vectors.T), axis=1)[:, : 2 * length]
        drawn = random.choice(near.ravel(), length)
        histories.append([names[row] for row in drawn])
    return histories


def measure_recommender(
    recommender: Recommender, histories: list, settings: Settings
) -> dict:
    """Returns latency of one user, speed of batches and of callers."""
    one = 1000 * np.array(
        latencies(recommender, histories, settings.windows * settings.seconds)
    )
    batch = speeds(
        lambda steps: [recommender.recommend(histories) for _ in range(steps)],
        len(histories),
        settings.windows,
        settings.seconds,
    )
    seconds = settings.seconds if settings.quick else CALLERS_SECONDS
    return {
        "p50_ms": significant(np.quantile(one, 0.5)),
        "p99_ms": significant(np.quantile(one, 0.99)),
        "users_per_second": batch,
        **measure_callers(recommender, histories, seconds),
    }


def latencies(
    recommender: Recommender, histories: list, seconds: float
) -> list[float]:
    """Asks for one user after the other; returns the seconds of each."""
    for history in histories[:5]:
        recommender.recommend([history])  # The first ones compile.
    found, end = [], time.perf_counter() + seconds
    while not found or time.perf_counter() < end:
        history = histories[len(found) % len(histories)]
        found.append(seconds_of(recommender.recommend, [history]))
    return found


def measure_callers(
    recommender: Recommender, histories: list, seconds: float
) -> dict:
    """Lets 16 callers ask at once; counts answers and errors."""
    end = time.perf_counter() + seconds

    def call(caller):
        times, errors, turn = [], 0, caller
        while not times or time.perf_counter() < end:
            history = histories[turn % len(histories)]
            turn += CALLERS
            begin = time.perf_counter()
            try:
                complete = len(recommender.recommend([history])) == 20
            except Exception:  # Whatever it is: it is counted.
                complete = False
            times.append(time.perf_counter() - begin)
            errors += not complete
        return times, errors

    begin = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(call, range(CALLERS)))
    passed = time.perf_counter() - begin
    times = 1000 * np.concatenate([times for times, _ in answers])
    return {
        "callers_per_second": significant(len(times) / passed),
        "callers_p50_ms": significant(np.quantile(times, 0.5)),
        "callers_p99_ms": significant(np.quantile(times, 0.99)),
        "errors": sum(errors for _, errors in answers),
    }
