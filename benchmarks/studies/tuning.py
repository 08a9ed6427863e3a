"""The tuning of every model: `python -m benchmarks.studies.tuning`.

Each model gets the same runs, from the same start: one option at a time takes
another value, and another run takes the best value of each. Models whose
interests have no bias of their own get one in a last run. What counts is the
validation set alone.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from benchmarks.__main__ import sentences
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes
from mgnm_tf.cli.app import print_rows
from mgnm_tf.errors import UserError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

BIAS = "interest_bias"

MODELS = {
    "mgnm": ("recommended", {BIAS: False}),
    "sasrec": (None, {}),
    "comirec_sa": (None, {}),
    "youtube_dnn": (None, {}),
    "gru4rec": (None, {}),
    "mind": (None, {}),
    "comirec_dr": (None, {}),
    "caser": (None, {"tied": True}),
}
"""Model -> preset and options that stay."""

START = {"dropout": 0.5, "temperature": 0.1, "learning_rate": 0.003}
OTHERS = {
    "dropout": (0.0, 0.25),
    "temperature": (0.07, 0.14),
    "learning_rate": (0.001, 0.006),
}

SHARED = {
    "objective": "sampled_softmax",
    "shared_negatives": 500,
    "max_length": 20,
    "learning_rate_schedule": "cosine",
    "epochs": 16,
    "patience": 3,
}
"""What all runs train with, see `TrainConfig`."""

EMBEDDING_DIM = 64
MONITOR = "val_ndcg@5"
SHOWN = ("val_ndcg@5", "val_hit@5", "val_gauc")
HEADER = ("model", *START, BIAS, *SHOWN)


def tune(
    data,
    model: str,
    runs: Path,
    keep: Callable[[dict[str, Any]], None] = lambda run: None,
) -> list[dict[str, Any]]:
    """Trains all runs of a model; finished ones in `runs` are read.

    Args:
        data: a `SequenceDataset`.
        model: a key of `MODELS`.
        runs: folder of the run folders.
        keep: called with each run as soon as it is there.

    Returns:
        For each run its options and the figures of its best epoch.
    """
    found = []
    for values in _star():
        found.append(_run(data, model, values, runs))
        keep(found[-1])
    together = {name: _best_value(found, name) for name in START}
    if together not in _star():
        found.append(_run(data, model, together, runs))
        keep(found[-1])
    if _takes_bias(model):
        best = max(found, key=lambda run: run[MONITOR])
        values = {name: best[name] for name in START}
        found.append(_run(data, model, {**values, BIAS: True}, runs))
        keep(found[-1])
    return found


def _takes_bias(model: str) -> bool:
    from mgnm_tf.models.registry import model_class

    return BIAS in inspect.signature(model_class(model)).parameters


def _star() -> list[dict[str, float]]:
    """Returns the start, and all that differ from it in one option."""
    return [START] + [
        {**START, name: value}
        for name, values in OTHERS.items()
        for value in values
    ]


def _best_value(found: list[dict[str, Any]], name: str) -> float:
    """Returns the best value of an option, the others as at the start."""
    others = {key: START[key] for key in START if key != name}
    line = [run for run in found if others.items() <= run.items()]
    return max(line, key=lambda run: run[MONITOR])[name]


def _run(data, model, values, runs) -> dict[str, Any]:
    from mgnm_tf.runs import run_folder
    from mgnm_tf.runs.config import TrainConfig
    from mgnm_tf.runs.history import best_epoch
    from mgnm_tf.runs.history import read_history
    from mgnm_tf.training.fit import train

    preset, options = MODELS[model]
    options = {**options, "embedding_dim": EMBEDDING_DIM, **values}
    rate = options.pop("learning_rate")
    config = TrainConfig(
        model, preset, options, learning_rate=rate, monitor=MONITOR, **SHARED
    )
    out = runs / "-".join([model, *map(str, values.values())])
    if not out.exists():
        train(data, config, out, verbose=0)
    changed = config.difference(run_folder.read_run(out)[0])
    if changed:
        raise UserError(f"{out} is another run: {changed}.")
    history = read_history(out / run_folder.HISTORY)
    best = best_epoch([row[MONITOR] for row in history], config.mode)
    return {
        "model": model,
        BIAS: False,
        **values,
        "epochs": len(history),
        "best_epoch": best + 1,
        **{name: round(history[best][name], 4) for name in SHOWN},
    }


def _best_rows(runs, names):
    """Returns a row of the best run of each model."""
    for name in names:
        of_model = [run for run in runs if run["model"] == name]
        best = max(of_model, key=lambda run: run[MONITOR])
        yield [best[key] for key in HEADER]


@app.command()
def main(
    data: Annotated[str, typer.Argument(help="A data folder.")],
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    runs: Annotated[
        Path, typer.Option(help="Folder of the runs; finished ones stay.")
    ],
    models: Annotated[str, typer.Option(help="Names with commas.")] = ",".join(
        MODELS
    ),
) -> None:
    """Tune models on the validation set, each with the same budget."""
    with sentences():
        from mgnm_tf.utils.validation import unknown_name

        names = models.split(",")
        for name in names:
            if name not in MODELS:
                raise UserError(unknown_name("model", name, MODELS))
        load_tensorflow()
        from benchmarks.machine import describe_machine
        from mgnm_tf.data.dataset import SequenceDataset
        from mgnm_tf.utils.files import write_json

        content = SequenceDataset.load(data)
        report = {
            "machine": describe_machine(),
            "data": {
                "fingerprint": content.fingerprint,
                "users": content.num_users,
                "items": content.num_items,
            },
            "settings": {**SHARED, "embedding_dim": EMBEDDING_DIM},
            "runs": [],
        }

        def keep(run):
            report["runs"].append(run)
            write_json(out, report)
            notes.print(", ".join(f"{k} {v}" for k, v in run.items()))

        for name in names:
            tune(content, name, runs, keep)
        print_rows(HEADER, _best_rows(report["runs"], names))
        console.print(f"Written: {out}")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.studies.tuning")
