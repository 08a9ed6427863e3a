"""Training steps of every model at the paper's two settings.

Histories are full and random, and batches lie ready in memory: what is
measured is the device. It runs on Keras's TensorFlow and JAX backends.
"""

import gc
import itertools
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from benchmarks.data import full_histories
from benchmarks.machine import describe_machine
from benchmarks.measure import figure
from mgnm_tf.errors import UserError
from mgnm_tf.losses import get_loss
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.optimizers import LazyAdam
from mgnm_tf.recipes.label import read_label
from mgnm_tf.utils.files import write_json
from mgnm_tf.utils.validation import unknown_name

NEGATIVES = 5
POLICIES = ("float32", "mixed_float16")
EXECUTION = 20
"""Steps of an execution on TensorFlow; a window has a multiple of them."""

PAPER_SECONDS = {
    "Micro-video": 0.3825,
    "Toys and Games": 0.1843,
    "Music Instruments": 0.0598,
}
"""Table 4 of the MGNM paper: seconds per iteration of its training, on "a
single GPU" that it does not name; its batches hold 256 positives."""


@dataclass(frozen=True)
class Case:
    """The sizes of one setting.

    Args:
        users: number of users.
        items: number of items.
        embedding_dim: width of the vectors.
        max_length: length of every history.
        paper: the data sets of `PAPER_SECONDS` that have this setting.
    """

    users: int
    items: int
    embedding_dim: int
    max_length: int
    paper: tuple[str, ...]


CASES = {
    "micro_video": Case(60_813, 292_286, 40, 100, ("Micro-video",)),
    "amazon": Case(
        19_412, 11_924, 16, 100, ("Toys and Games", "Music Instruments")
    ),
}


FIRST = (
    "mgnm",
    "mgnm:paper",
    "caser:mgnm_paper",
    "gru4rec:mgnm_paper",
    "mind:mgnm_paper",
    "comirec_dr:mgnm_paper",
    "comirec_sa:mgnm_paper",
    "surge:mgnm_paper",
)
"""The models that are measured before the others, in this order."""


def chosen_cases(names: Sequence[str]) -> dict[str, Case]:
    """Returns settings by name.

    Raises:
        UserError: there is no such setting.
    """
    for name in names:
        if name not in CASES:
            raise UserError(unknown_name("setting", name, CASES))
    return {name: CASES[name] for name in names}


@dataclass(frozen=True)
class Plan:
    """What is measured of every model.

    Args:
        cases: name -> sizes, the one that is measured first in front.
        batch_sizes: positives of a batch.
        windows: how often each speed is measured.
        seconds: about how long a window lasts.
        budget: after how many seconds no further row is begun; `None`: all
            are measured.
        jit_compile: whether XLA compiles the step on TensorFlow; JAX always
            does.
    """

    cases: dict[str, Case]
    batch_sizes: tuple[int, ...] = (256, 1024, 4096)
    windows: int = 5
    seconds: float = 1.0
    budget: float | None = None
    jit_compile: bool = False

    def tiny(self) -> "Plan":
        """Returns the plan at sizes that prove the script on a processor."""
        cases = {
            name: replace(case, users=30, items=200, max_length=8)
            for name, case in self.cases.items()
        }
        return replace(
            self, cases=cases, batch_sizes=(4,), windows=1, seconds=0.0
        )


@dataclass(frozen=True)
class Row:
    """One measurement: a model in a setting, a dtype policy and a batch."""

    case: str
    label: str
    policy: str
    batch_size: int

    def __str__(self):
        return f"{self.label}, {self.policy}, {self.batch_size}"


def rows_by_priority(labels: Sequence[str], plan: Plan) -> list[Row]:
    """Returns what is measured, the most telling first.

    The models of `FIRST` in the first case with the first batch size; then
    their other batch sizes; then the rest.
    """
    labels = [
        label
        for label in labels
        if not issubclass(
            model_class(read_label(label).model), StatisticalRecommender
        )
    ]
    labels.sort(key=lambda x: FIRST.index(x) if x in FIRST else len(FIRST))
    rows = [
        Row(case, label, policy, size)
        for case in plan.cases
        for size in plan.batch_sizes
        for label in labels
        for policy in POLICIES
    ]
    first_case = next(iter(plan.cases))
    return sorted(
        rows, key=lambda row: row.case != first_case or row.label not in FIRST
    )


def run(
    labels: Sequence[str],
    plan: Plan,
    out: Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> dict:
    """Measures every model that trains by gradients.

    Args:
        labels: `name` or `name:recipe`.
        plan: what is measured of each.
        out: where the results go, written again after each row.
        progress: called with a few words at the start of each.

    Returns:
        `machine`, `settings`, `results`: case -> "model, policy, batch" ->
        `step_ms`, `positives_per_second`, or `error`, the reason why the row
        has no figures (the memory of the device is too small for it, say);
        and `not_reached`, the rows that the budget left out. The fastest
        batch of a model and policy has `best` "yes".
    """
    results = {
        name: {
            f"paper: mgnm, {source}, 256": {
                "step_ms": 1000 * PAPER_SECONDS[source]
            }
            for source in case.paper
        }
        for name, case in plan.cases.items()
    }
    rows = rows_by_priority(labels, plan)
    report = {
        "machine": describe_machine() | {"float32": _float32()},
        "settings": vars(plan)
        | {
            "negatives": NEGATIVES,
            "cases": {name: vars(case) for name, case in plan.cases.items()},
        },
        "results": results,
        "not_reached": [f"{row.case}: {row}" for row in rows],
    }
    begin = time.perf_counter()
    for row in rows:
        spent = time.perf_counter() - begin
        if plan.budget is not None and spent > plan.budget:
            break
        progress(f"{spent:.0f} s: {row.case}: {row}")
        results[row.case][str(row)] = measure_row(row, plan)
        mark_best(results[row.case], row, plan)
        report["not_reached"].pop(0)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            write_json(out, report)
    return report


def failures(report: dict) -> list[str]:
    """Returns what could not be measured, in words."""
    return [
        f"{case}, {what}"
        for case, rows in report["results"].items()
        for what, row in rows.items()
        if "error" in row
    ]


def measure_row(row: Row, plan: Plan) -> dict:
    """Measures one row in a fresh state of Keras."""
    keras.backend.clear_session()
    gc.collect()
    keras.config.set_dtype_policy(row.policy)
    case = plan.cases[row.case]
    try:
        keras.utils.set_random_seed(0)
        model = make_trained(row.label, case, plan)
        return measure_steps(model, case, row.batch_size, plan)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    finally:
        keras.config.set_dtype_policy("float32")


def mark_best(rows: dict, row: Row, plan: Plan) -> None:
    """Marks the fastest of the measured batch sizes of the row's model."""
    others = [replace(row, batch_size=size) for size in plan.batch_sizes]
    speeds = {
        str(other): rows[str(other)]["positives_per_second"]["median"]
        for other in others
        if "positives_per_second" in rows.get(str(other), {})
    }
    for name in speeds:
        rows[name].pop("best", None)
    if len(speeds) > 1:
        rows[max(speeds, key=speeds.get)]["best"] = "yes"


def make_trained(label: str, case: Case, plan: Plan) -> SequentialRecommender:
    """Returns a model with its tables, compiled with the paper's objective."""
    model = model_class(read_label(label).model).from_recipe(
        full_histories(case.users, case.items, 4, 2),
        label,
        embedding_dim=case.embedding_dim,
        max_length=case.max_length,
    )
    on_jax = keras.backend.backend() == "jax"
    model.compile(
        LazyAdam(1e-3),
        get_loss("bce"),
        # On JAX the steps of an execution would be compiled one by one.
        steps_per_execution=1 if on_jax else EXECUTION,
        jit_compile="auto" if on_jax else plan.jit_compile,
    )
    return model


def measure_steps(
    model: SequentialRecommender, case: Case, batch_size: int, plan: Plan
) -> dict:
    """Measures `fit` on batches that lie in memory.

    Returns:
        `step_ms` and `positives_per_second`.
    """
    batches = endless(random_batches(model, case, batch_size))
    # The first epoch compiles.
    step = epoch_seconds(model, batches, EXECUTION, 2)[-1] / EXECUTION
    steps = EXECUTION * max(1, round(plan.seconds / step / EXECUTION))
    # The first epoch after the start of `fit` is not counted either.
    seconds = epoch_seconds(model, batches, steps, 1 + plan.windows)[1:]
    steps_ms = 1000 * np.array(seconds) / steps
    return {
        "step_ms": figure(steps_ms),
        "positives_per_second": figure(1000 * batch_size / steps_ms),
    }


def epoch_seconds(
    model: SequentialRecommender, batches: Iterable, steps: int, epochs: int
) -> list[float]:
    """Returns how long each epoch of a `fit` lasts."""
    clock = EpochClock()
    model.fit(
        batches,
        steps_per_epoch=steps,
        epochs=epochs,
        callbacks=[clock],
        shuffle=False,
        verbose=0,
    )
    return clock.seconds


class EpochClock(keras.callbacks.Callback):
    """Notes the `seconds` of every epoch."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.begin)


def random_batches(
    model: SequentialRecommender, case: Case, batch_size: int, count: int = 8
) -> list[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Returns random batches with full histories, as NumPy arrays."""
    random = np.random.default_rng(0)
    length, columns = case.max_length, 1 + NEGATIVES

    def ids(highest, *shape):
        return random.integers(1, highest + 1, (batch_size, *shape), np.int32)

    labels = np.zeros((batch_size, columns), np.float32)
    labels[:, 0] = 1.0
    batches = []
    for _ in range(count):
        features = {
            "user": ids(case.users),
            "history": ids(case.items, length),
            "candidates": ids(case.items, columns),
        }
        if "history_time" in model.required_features:
            times = np.sort(ids(1000, length + 1), axis=1).astype(np.int64)
            features["history_time"] = times[:, :-1]
            features["candidate_time"] = np.repeat(times[:, -1:], columns, 1)
        batches.append((features, labels))
    return batches


def endless(batches: list) -> Iterable:
    """Returns the batches again and again, in a form that `fit` reads fast.

    Shapes are left open on TensorFlow, as those of the pipeline are.
    """
    if keras.backend.backend() != "tensorflow":
        return (batch for batch in itertools.cycle(batches))
    import tensorflow as tf

    signature = keras.tree.map_structure(
        lambda array: tf.TensorSpec([None] * array.ndim, array.dtype),
        batches[0],
    )
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(batches), output_signature=signature
    )
    return dataset.cache().repeat().prefetch(2)


def _float32() -> str:
    """Says in which precision the device multiplies float32 matrices."""
    if keras.backend.backend() == "jax":
        import jax

        return f"jax: {jax.config.jax_default_matmul_precision or 'default'}"
    import tensorflow as tf

    if tf.config.experimental.tensor_float_32_execution_enabled():
        return "TF32 where the GPU has it"
    return "IEEE"
