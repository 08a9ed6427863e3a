"""Latency and throughput of recommendations from an export."""

import inspect
import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks.http_server import measure_http
from benchmarks.measure import seconds_of
from benchmarks.measure import significant
from benchmarks.measure import speeds
from benchmarks.settings import Settings
from benchmarks.vectors import made_interests
from benchmarks.vectors import made_items
from mgnm_tf.errors import UserError
from mgnm_tf.export.export import export
from mgnm_tf.export.export_folder import ONNX
from mgnm_tf.export.onnx_graphs import write_onnx
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.index.make_index import make_index
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.registry import create_model
from mgnm_tf.models.registry import model_class
from mgnm_tf.recipes.label import read_label
from mgnm_tf.serving.recommender import Recommender

ITEMS, QUICK_ITEMS = 292_286, 5_000
"""Items of the paper's micro-video data."""
DIM, LEVELS, INTERESTS = 40, 4, 4
LONGEST = 100
"""Of the histories that the model reads."""
USERS = 1_000
"""Known users; the size of their table does not matter here."""
STRONGER = 8.0
"""By what the interests of an MGNM that has not trained are lengthened."""
BATCH = 256
CALLERS_WINDOWS = 20
"""For how many windows 16 callers ask: a minute by default."""
LENGTHS, QUICK_LENGTHS = (20, 100), (20,)
"""Events of each history."""


def run(settings: Settings) -> dict[str, dict]:
    """Measures MGNM, unless models are named, exact and with an index.

    292,286 items, width 40, the model as constructed by itself (MGNM: 4 x 4
    interests) with item vectors made like trained ones and interests of their
    length, which point nowhere, as it has not trained; 20 items for a user.
    Beside it, in the process alone, the same with interests made like trained
    ones in place of those that the encoder has found. ONNX Runtime encodes
    where the model can be written for it.

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
        "onnx_seconds": significant(
            seconds_of(lambda: add_steps(folder, model))
        ),
    }
    trained = made_interests(vectors, counts, BATCH, LEVELS, INTERESTS)
    if not label.startswith("mgnm"):
        trained = None
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
        for length, made in itertools.product(
            lengths, (None,) if trained is None else (None, trained)
        ):
            name = f"{length}, like trained" if made is not None else length
            histories = made_histories(vectors, names, length)
            with replaced_interests(recommender, made):
                row = measure_recommender(recommender, histories, settings)
                answers = recommender.recommend(histories)
            if kind == "exact":
                exact[name] = answers
            else:
                row["recall"] = recall(answers, exact[name])
            if made is None:
                seconds = settings.seconds
                if not settings.quick:
                    seconds *= CALLERS_WINDOWS
                row |= measure_http(
                    folder,
                    histories,
                    settings.windows * settings.seconds,
                    seconds,
                )
            found[f"{label}, {kind}, history {name}"] = row
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    return {label: {**costs, "disk_mib": significant(size / 2**20)}, **found}


def made_model(label: str, vectors: np.ndarray) -> SequentialRecommender:
    """Returns a model that has not trained, but for its item vectors.

    Args:
        label: `name` or `name:recipe`.
        vectors: float32 (M, d).
    """
    options = {}
    made = model_class(read_label(label).model)
    if "embedding_dim" in inspect.signature(made).parameters:
        options["embedding_dim"] = vectors.shape[1]
    model = create_model(label, USERS, len(vectors), options)
    table = np.pad(vectors, [(1, 0), (0, 0)])
    for variable in model.trainable_variables:
        if variable.shape == table.shape:
            variable.assign(table)
        # Interests of about the length that training gives them.
        if variable.path.endswith("extractor/output_kernel"):
            variable.assign(STRONGER * variable)
    return model


def add_steps(folder: Path, model: SequentialRecommender) -> None:
    """Writes what ONNX Runtime encodes by, if it can be written."""
    try:
        write_onnx(folder / ONNX, model, LONGEST)
    except UserError:
        shutil.rmtree(folder / ONNX, ignore_errors=True)


@contextmanager
def replaced_interests(
    recommender: Recommender, interests: np.ndarray | None
) -> Iterator[None]:
    """Has the encoder do its work, and puts others in place of what it finds.

    Args:
        recommender: of an export of MGNM.
        interests: float32 (B, levels, K, d), of a batch; a user alone is one
            after another of them. `None` changes nothing.
    """
    ranking: Any = recommender._ranking
    owner = getattr(ranking, "_exact", None) or ranking
    if interests is None or not hasattr(owner, "_read"):
        yield
        return
    read, turn = owner._read, itertools.count()

    class Replaced:
        score_each = staticmethod(read.score_each)

        def __call__(self, inputs):
            encoded, found, *rest = read(inputs)
            made = interests[: len(found)]
            if len(found) == 1:
                made = interests[next(turn) % len(interests)][None]
            name = "interests" if "interests" in encoded else "encoded_0"
            encoded = {**encoded, name: made}
            return encoded, made.reshape(found.shape), *rest

    def swap(reader):
        owner._read = reader
        bounded = getattr(owner, "_ranking", None)
        if bounded is not None:
            bounded._scorer = reader

    swap(Replaced())
    try:
        yield
    finally:
        swap(read)


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
        near = np.argpartition(-(centres @ vectors.T), 2 * length, axis=1)
        near = near[:, : 2 * length]
        drawn = random.choice(near.ravel(), length)
        histories.append([names[row] for row in drawn])
    return histories


def measure_recommender(
    recommender: Recommender, histories: list, settings: Settings
) -> dict:
    """Returns latency of one user and speed of batches."""
    one = 1000 * np.array(
        latencies(recommender, histories, settings.windows * settings.seconds)
    )
    batch = speeds(
        lambda steps: [recommender.recommend(histories) for _ in range(steps)],
        len(histories),
        settings.windows,
        settings.seconds,
    )
    begin = time.process_time()
    recommender.recommend(histories)
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
