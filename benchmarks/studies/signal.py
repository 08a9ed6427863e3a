"""Where the signal of MGNM dies: `python -m benchmarks.studies.signal`.

Trains recipes for some hundred steps and measures every few steps, on
validation records, what reaches each stage; see `signal_probe`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from benchmarks.app import sentences
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes
from mgnm_tf.errors import UserError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

PLAIN = {
    "squash": False,
    "interest_activation": None,
    "projection_initializer": "identity",
    "embeddings_initializer": 0.2,
}
"""What holds the signal back at the start is taken out of the capsules."""

RECIPES = {
    "paper": ("paper", {}),
    "paper, no squash": ("paper", {"squash": False}),
    "paper, no eq. 11": ("paper", {"interest_activation": None}),
    "plain_capsules": ("paper", PLAIN),
    "recommended": ("recommended", {}),
    "recommended, inner product": ("recommended", {"temperature": None}),
    "recommended, no prior": ("recommended", {"routing_prior": None}),
    "recommended, graph W": ("recommended", {"graph_weights": True}),
    "paper, identity": ("paper", {"projection_initializer": "identity"}),
}
"""Name -> recipe and what is changed in it, besides the width."""

PROBED = 512
"""How many validation records are measured."""

MAX_LENGTH = 20
SHARED_NEGATIVES = 500
BATCH_SIZE = 256


def run_study(
    data,
    steps: int,
    every: int,
    embedding_dim: int,
    learning_rate: float,
    keep: Callable[[str, list[dict[str, Any]]], None] = lambda *found: None,
) -> dict[str, list[dict[str, Any]]]:
    """Trains and measures every recipe.

    Args:
        data: a `SequenceDataset`.
        steps: how many steps each recipe trains.
        every: how many steps lie between two measurements; divides `steps`.
        embedding_dim: width of all recipes.
        learning_rate: that of all recipes.
        keep: called with the name and the measurements of each recipe as
            soon as they are there.

    Returns:
        Recipe -> measurements: `step` and the figures of `SignalProbe`.
    """
    from mgnm_tf.runs.config import configure

    found = {}
    for name, (recipe, options) in RECIPES.items():
        config = configure(
            f"mgnm:{recipe}",
            options={**options, "embedding_dim": embedding_dim},
            objective="sampled_softmax",
            shared_negatives=SHARED_NEGATIVES,
            batch_size=BATCH_SIZE,
            max_length=MAX_LENGTH,
            learning_rate=learning_rate,
            learning_rate_schedule="constant",
        )
        found[name] = _run_recipe(data, config, steps, every)
        keep(name, found[name])
    return found


def _run_recipe(data, config, steps, every) -> list[dict[str, Any]]:
    import keras

    from benchmarks.studies.signal_probe import SignalProbe
    from mgnm_tf.training.build import compile_model
    from mgnm_tf.training.build import make_batches
    from mgnm_tf.training.build import make_model

    keras.utils.set_random_seed(config.seed)
    model = make_model(data, config)
    compile_model(model, data, config, steps_per_execution=1)
    batches, _ = make_batches(model, data, config)
    probe = SignalProbe(model, *_probed_batch(data, config))
    records = [{"step": 0, **probe.measure()}]

    def record(epoch, logs):
        step = (epoch + 1) * every
        records.append({"step": step, **probe.measure()})

    model.fit(
        batches,
        epochs=steps // every,
        steps_per_epoch=every,
        shuffle=False,  # The pipeline has done so.
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=record)],
    )
    return records


def _probed_batch(data, config):
    """Returns validation records with as many negatives as in training."""
    from mgnm_tf.data.batches.pipeline import make_dataset

    batches = make_dataset(
        data,
        "validation",
        batch_size=PROBED,
        max_length=config.max_length,
        negatives=0,
        shared_negatives=config.shared_negatives,
        bucket_widths=(),  # Records of all lengths in one batch.
    )
    return next(batches.as_numpy_iterator())


def write_study(path: Path, report: dict[str, Any]) -> None:
    """Writes JSON with a line for each measurement."""
    from mgnm_tf.utils.files import atomic_write

    lines = []
    for name, records in report["recipes"].items():
        rows = ",\n".join(f"  {json.dumps(record)}" for record in records)
        lines.append(f" {json.dumps(name)}: [\n{rows}\n ]")
    head = {key: report[key] for key in ("machine", "settings")}
    start = json.dumps(head, indent=1)[:-2]
    body = ",\n".join(lines)
    atomic_write(path, f'{start},\n "recipes": {{\n{body}\n}}}}\n')


@app.command()
def main(
    data: Annotated[str, typer.Argument(help="A log or a data folder.")],
    out: Annotated[
        Path, typer.Option(help="JSON file; plots (SVG) go beside it.")
    ],
    steps: Annotated[int, typer.Option(min=1, help="Steps a recipe.")] = 500,
    every: Annotated[
        int, typer.Option(min=1, help="Steps between two measurements.")
    ] = 25,
    embedding_dim: Annotated[int, typer.Option(help="Width.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Of all.")] = 3e-3,
) -> None:
    """Measure what reaches each stage of MGNM while it begins to learn."""
    with sentences():
        if steps % every:
            raise UserError(
                "--every must divide --steps. Received: "
                f"--every {every} --steps {steps}"
            )
        load_tensorflow()
        from benchmarks.data import load_data
        from benchmarks.machine import describe_machine
        from benchmarks.settings import Settings
        from benchmarks.studies.signal_plots import save_signal_plots

        content = load_data(Settings(log=data, max_length=MAX_LENGTH))
        report = {
            "machine": describe_machine(),
            "settings": {
                "users": content.num_users,
                "items": content.num_items,
                "steps": steps,
                "every": every,
                "embedding_dim": embedding_dim,
                "learning_rate": learning_rate,
                "batch_size": BATCH_SIZE,
                "shared_negatives": SHARED_NEGATIVES,
                "max_length": MAX_LENGTH,
                "records": PROBED,
            },
            "recipes": {},
        }

        def keep(name, records):
            report["recipes"][name] = records
            write_study(out, report)
            last = records[-1]
            text = f"HIT@5 {last['hit']:.3f}, loss {last['loss']:.3f}"
            notes.print(f"{name}: {text}")

        run_study(content, steps, every, embedding_dim, learning_rate, keep)
        for path in (out, *save_signal_plots(report, out.with_suffix(""))):
            console.print(f"Written: {path}")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.studies.signal")
