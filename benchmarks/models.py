"""Training and test speed of models on a log, as JSON.

    python benchmarks/models.py LOG [--models all] [--max-length 100]

Each model trains with `fit` on the pipeline's batches (256 positives, 5
negatives each) and ranks test records among 1 + 1,000 candidates with
`predict`. Speeds are medians over windows of a whole call, compilation left
out. Models that count instead of training have no training speed.
"""

import argparse
import json
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from mgnm_tf.data.log import read_log
from mgnm_tf.data.pipeline import make_dataset
from mgnm_tf.data.splits import split_log
from mgnm_tf.evaluation.ranking import RankingModel
from mgnm_tf.models.registry import model_names
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.training.build import count_numbers
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model
from mgnm_tf.training.config import TrainConfig
from mgnm_tf.training.memory import peak_memory
from mgnm_tf.training.memory import reset_peak_memory

CANDIDATES = 1001


def seconds_of(function, *arguments) -> float:
    begin = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begin


def measure(call, rows_per_step, arguments) -> dict[str, float]:
    """Returns rows per second of `call(steps)`: median, least and most."""
    call(2)  # compiles
    one = seconds_of(call, 4) / 4
    steps = max(4, round(arguments.seconds / one))
    speeds = sorted(
        steps * rows_per_step / seconds_of(call, steps)
        for _ in range(arguments.windows)
    )
    return {
        "per_second": round(statistics.median(speeds), 1),
        "slowest": round(speeds[0], 1),
        "fastest": round(speeds[-1], 1),
    }


def train_speed(model, data, config, arguments):
    model.compile(steps_per_execution=2)
    batches, _ = make_batches(model, data, config)

    def train(steps):
        model.fit(
            batches, steps_per_epoch=2 * (steps // 2), shuffle=False, verbose=0
        )

    return measure(train, config.batch_size, arguments)


def test_speed(model, data, config, arguments):
    rows = model.histories_at_a_time(256, CANDIDATES)
    ranking = RankingModel(model)
    ranking.compile()
    batches = make_dataset(
        data,
        "test",
        batch_size=rows,
        max_length=config.max_length,
        negatives=CANDIDATES - 1,
        features=tuple(model.required_features),
    ).repeat()

    def rank(steps):
        ranking.predict(batches, steps=steps, verbose=0)

    return measure(rank, rows, arguments)


def benchmark(label, data, arguments):
    name, _, preset = label.partition(":")
    config = TrainConfig(name, preset or None, max_length=arguments.max_length)
    keras.utils.set_random_seed(0)
    reset_peak_memory()
    model = make_model(data, config)
    report = {"parameters": count_numbers(model)}
    if isinstance(model, StatisticalRecommender):
        batches = make_dataset(data, max_length=config.max_length, negatives=0)
        model.fit(batches, verbose=0)
    else:
        report["train_positives"] = train_speed(model, data, config, arguments)
    report["test_records"] = test_speed(model, data, config, arguments)
    report["peak_memory_mib"] = round(peak_memory())
    keras.backend.clear_session()
    return report


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("log")
    parser.add_argument("--split", default="leave_one_out")
    parser.add_argument("--models", default="all")
    parser.add_argument("--max-length", type=int, default=100)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    data = split_log(read_log(arguments.log), arguments.split)
    labels = arguments.models.split(",")
    if arguments.models == "all":
        labels = model_names()
    report = {
        "models": {
            label: benchmark(label, data, arguments) for label in labels
        },
        "settings": vars(arguments),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "keras": keras.__version__,
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
