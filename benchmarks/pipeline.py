"""Speed of the input pipeline alone, as JSON.

    python benchmarks/pipeline.py --events 2000000 --items 30000

Times the plan of an epoch, training batches (m=50, 5 negatives, 256
positives) and test batches (1 + 1,000 candidates) of random data.
"""

import argparse
import json
import os
import platform
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from mgnm_tf.data.batch_plan import plan_batches
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.pipeline import make_dataset


def random_data(num_events, num_items, num_users):
    """Returns leave-one-out data with lengths as skewed as real ones."""
    random = np.random.default_rng(0)
    lengths = 3 + random.geometric(1 / (num_events / num_users - 3), num_users)
    offsets = np.concatenate([[0, 0], np.cumsum(lengths)])
    size = int(offsets[-1])
    parts = np.zeros(size, np.int8)
    parts[offsets[2:] - 1], parts[offsets[2:] - 2] = 2, 1
    users = np.arange(1, num_users + 1, dtype=np.int32)
    return SequenceDataset(
        items=random.integers(1, num_items + 1, size, np.int32),
        times=np.arange(size),
        parts=parts,
        sequences=np.repeat(users, lengths),
        offsets=offsets,
        user_ids=range(num_users),
        item_ids=range(num_items),
        num_users=num_users,
    )


def rows_per_second(dataset, seconds):
    """Returns the rows of `dataset` that are made in a second."""
    batches = iter(dataset)
    for _ in range(20):
        next(batches)
    rows, start, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        _, labels = next(batches)
        rows += labels.shape[0]
    wall = time.perf_counter() - start
    cpu = time.process_time() - cpu
    return {
        "rows_per_second": round(rows / wall),
        "rows_per_cpu_second": round(rows / cpu),
    }


def main():
    """Parses the arguments and prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--items", type=int, default=30_000)
    parser.add_argument("--users", type=int, default=40_000)
    parser.add_argument("--max-length", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    data = random_data(options.events, options.items, options.users)
    start = time.perf_counter()
    plan_batches(data, "train", options.max_length)
    result = {
        "events": len(data.items),
        "max_length": options.max_length,
        "plan_seconds": round(time.perf_counter() - start, 3),
    }
    cases = {
        "train": {},
        "train_one_width": {"bucket_widths": ()},
        "train_shared": {"negatives": 0, "shared_negatives": 1000},
        "train_popularity": {"sampling": "popularity"},
        "test": {"part": "test", "negatives": 1000},
    }
    for name, case in cases.items():
        dataset = make_dataset(data, max_length=options.max_length, **case)
        # An endless stream, so that small data do not end it.
        result[name] = rows_per_second(dataset.repeat(), options.seconds)
    result |= {
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
