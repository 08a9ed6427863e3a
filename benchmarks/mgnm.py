"""Training and test speed of MGNM on a log, as JSON.

    python benchmarks/mgnm.py LOG [--split leave_one_out] [--max-length 100]

Trains with `fit` on the pipeline's batches (256 positives, 5 negatives) and
evaluates test records against 1 + 1,000 candidates. Speeds are medians over
windows of a whole `fit` or `evaluate`, the first window, which compiles, left
out.
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
from mgnm_tf.models.mgnm import MGNM


def windows(seconds: list[float], rows: int) -> dict[str, float]:
    """Returns the median and the range of rows per second."""
    speeds = sorted(rows / one for one in seconds)
    return {
        "per_second": round(statistics.median(speeds)),
        "slowest": round(speeds[0]),
        "fastest": round(speeds[-1]),
    }


def train_speed(model, data, arguments):
    steps = arguments.steps
    model.compile(steps_per_execution=20)
    batches = make_dataset(
        data, "train", max_length=arguments.max_length, first_step=0
    )
    begins = []
    model.fit(
        batches,
        epochs=arguments.windows + 1,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda *_: begins.append(time.perf_counter())
            )
        ],
    )
    begins.append(time.perf_counter())
    seconds = [after - before for before, after in zip(begins, begins[1:])]
    return windows(seconds[1:], steps * 256)


def test_speed(model, data, arguments):
    ranking = RankingModel(model)
    ranking.compile(steps_per_execution=4)
    batches = make_dataset(
        data, "test", max_length=arguments.max_length, negatives=1000
    )
    seconds = []
    for _ in range(arguments.windows + 1):
        begin = time.perf_counter()
        ranks = ranking.predict(batches, verbose=0)["rank"]
        seconds.append(time.perf_counter() - begin)
    return windows(seconds[1:], len(ranks))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("log")
    parser.add_argument("--split", default="leave_one_out")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--max-length", type=int, default=100)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    data = split_log(read_log(arguments.log), arguments.split)
    model = MGNM.from_preset(
        arguments.preset,
        data.num_users,
        data.num_items,
        max_length=arguments.max_length,
    )
    report = {
        "train_positives": train_speed(model, data, arguments),
        "test_records": test_speed(model, data, arguments),
        "settings": vars(arguments),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "keras": keras.__version__,
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
