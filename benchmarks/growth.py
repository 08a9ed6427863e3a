"""Time per positive against users, items, events and history length."""

import dataclasses

import numpy as np

from benchmarks.data import full_histories
from benchmarks.settings import Settings
from benchmarks.train import measure_training

BASE = {"users": 2_000, "items": 5_000, "targets": 10, "length": 32}
"""The middle of the four curves; targets are training events of a user."""

CURVES = {
    "users": (500, 2_000, 8_000, 32_000),
    "items": (5_000, 50_000, 300_000),
    "targets": (10, 40, 160),
    "length": (8, 16, 32, 64, 100),
}
QUICK_CURVES = {
    "items": (5_000, 50_000),
    "length": (16, 32),
}


def run(settings: Settings) -> dict[str, dict]:
    """Measures MGNM, unless models are named, along four curves.

    All histories are full, so that what grows is one thing at a time.

    Returns:
        "model, curve, value" -> `curve`, `value`, microseconds of a positive
        in `fit` and in the step alone; "model, curve" -> `exponent`, the
        slope of the second on logarithmic axes: 0 is flat, 1 linear.
    """
    report = {}
    curves = QUICK_CURVES if settings.quick else CURVES
    for label in settings.labels(("mgnm:paper",)):
        known = {}
        for curve, values in curves.items():
            steps = []
            for value in values:
                sizes = {**BASE, curve: value}
                key = tuple(sizes.values())
                if key not in known:
                    known[key] = measure_point(label, sizes, settings)
                point = {"curve": curve, "value": value, **known[key]}
                report[f"{label}, {curve} {value}"] = point
                steps.append(point["step_us_per_positive"]["median"])
            slope, _ = np.polyfit(np.log(values), np.log(steps), 1)
            report[f"{label}, {curve}"] = {"exponent": round(slope, 2)}
    return report


def measure_point(label: str, sizes: dict, settings: Settings) -> dict:
    """Returns microseconds of a positive for one size of everything."""
    data = full_histories(**sizes)
    settings = dataclasses.replace(settings, max_length=sizes["length"])
    measured = measure_training(label, data, settings)
    rows = settings.config(label).batch_size
    fit = measured["positives_per_second"]
    step = measured["step_ms"]
    return {
        "us_per_positive": {
            "median": 1e6 / fit["median"],
            "least": 1e6 / fit["most"],
            "most": 1e6 / fit["least"],
        },
        "step_us_per_positive": {
            name: 1000 * value / rows for name, value in step.items()
        },
    }
