"""Where the time of a training step goes: a trace, and its top operations."""

import itertools
import re
from collections import defaultdict
from pathlib import Path

import keras
import pandas as pd
import tensorflow as tf

from benchmarks.data import load_data
from benchmarks.measure import steps_for
from benchmarks.settings import Settings
from mgnm_tf.errors import UserError
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model

OPERATION = re.compile(r"(?P<name>[^:\s]+):(?P<type>_?[A-Z]\w*)")
"""How a trace names what the executor of TensorFlow runs."""


def profile_training(label: str, settings: Settings, out: Path) -> int:
    """Traces steady training steps of a model on ready batches.

    Args:
        label: the model.
        settings: its data; `seconds` says how long is traced.
        out: the folder of the trace, for TensorBoard.

    Returns:
        The number of steps traced.
    """
    data = load_data(settings)
    config = settings.config(label)
    keras.utils.set_random_seed(0)
    model = make_model(data, config)
    if not model.trainable_variables:
        raise UserError(f"{label} does not train, so there is no step.")
    compile_model(model, data, config)
    batches, _ = make_batches(model, data, config)
    execution = model.steps_per_execution
    model.fit(batches, steps_per_epoch=execution, shuffle=False, verbose=0)
    iterator = iter(batches.take(8 * execution).cache().repeat())

    def step(executions):
        for _ in range(executions):
            model.train_function(iterator)

    step(8)  # Fills the cache.
    executions = steps_for(step, settings.seconds)
    tf.profiler.experimental.start(str(out))
    step(executions)
    tf.profiler.experimental.stop()
    return executions * execution


def operations(folder: Path) -> pd.DataFrame:
    """Reads the operations of the newest trace in a folder.

    Returns:
        A row for each operation of the graph: `name`, `type`, `count`,
        `self_ms`: its time without that of operations inside it (in a loop
        or a function), summed over threads.

    Raises:
        UserError: there is no trace.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    traces = sorted(Path(folder).glob("plugins/profile/*/*.xplane.pb"))
    if not traces:
        raise UserError(f"There is no trace in {folder}.")
    space = xplane_pb2.XSpace.FromString(traces[-1].read_bytes())
    totals = defaultdict(lambda: [0, 0.0])
    for plane in space.planes:
        names = {key: value.name for key, value in plane.event_metadata.items()}
        for line in plane.lines:
            events = [
                (names[event.metadata_id], event.offset_ps, event.duration_ps)
                for event in line.events
            ]
            for name, own in self_times(events):
                totals[name][0] += 1
                totals[name][1] += own / 1e9
    rows = [
        {**OPERATION.fullmatch(name).groupdict(), "count": n, "self_ms": own}
        for name, (n, own) in totals.items()
    ]
    columns = ["name", "type", "count", "self_ms"]
    return pd.DataFrame(rows, columns=columns).sort_values(
        "self_ms", ascending=False, ignore_index=True
    )


def self_times(events) -> list[tuple[str, float]]:
    """Takes from each operation of a thread what runs inside it.

    Args:
        events: (name, begin, duration) of one thread, in any order; those
            that are no operations are passed over.

    Returns:
        (name, own time) of each operation.
    """
    events = [event for event in events if OPERATION.fullmatch(event[0])]
    own, stack = [], []
    for name, begin, duration in sorted(events, key=lambda e: (e[1], -e[2])):
        while stack and stack[-1][1] <= begin:
            stack.pop()
        if stack:
            own[stack[-1][0]][1] -= duration
        stack.append((len(own), begin + duration))
        own.append([name, duration])
    return [tuple(entry) for entry in own]


def top(table: pd.DataFrame, by: str, steps: int, rows: int = 15):
    """Sums a table of operations up.

    Args:
        table: what `operations` returned.
        by: the column to sum over: `type`, or `part` (the layer, and whether
            it is the forward or the backward pass).
        steps: how many steps were traced.
        rows: how many are kept.

    Returns:
        `by`, calls and milliseconds of a step, and the share of all.
    """
    table = table.assign(part=table["name"].map(part_of))
    sums = table.groupby(by)[["count", "self_ms"]].sum()
    sums = sums.sort_values("self_ms", ascending=False)
    return pd.DataFrame(
        {
            by: sums.index,
            "calls/step": (sums["count"] / steps).round(1).to_numpy(),
            "ms/step": (sums["self_ms"] / steps).round(3).to_numpy(),
            "percent": (100 * sums["self_ms"] / sums["self_ms"].sum())
            .round(1)
            .to_numpy(),
        }
    ).head(rows)


def part_of(name: str) -> str:
    """Returns the layer that an operation belongs to, from its name.

    `while/cond/StatefulPartitionedCall/gradient_tape/mgnm_1/extractor_1/mul`
    belongs to "backward: mgnm/extractor".
    """
    _, inside, path = name.rpartition("StatefulPartitionedCall/")
    if not inside:
        return "loop over steps"
    direction = "backward: " if path.startswith("gradient_tape/") else ""
    path = path.removeprefix("gradient_tape/").split("/")[:4]
    # Operations have capitals, layers have not. What a loop holds repeats
    # the path to it.
    layers = itertools.takewhile(str.islower, path)
    layers = [re.sub(r"_\d+$", "", layer) for layer in layers]
    if "while" in layers:
        layers = layers[: layers.index("while") + 1]
    return direction + ("/".join(layers) or "step")
