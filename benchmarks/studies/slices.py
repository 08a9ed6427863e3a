"""What going on from a run costs and reaches, slice by slice in time.

`python -m benchmarks.studies.slices LOG --out FILE --folder FOLDER`.

A log is cut into slices of equally many events, in the order of time, and is
known up to the end of the first slice, of the second, and so on. Each time it
is split by time, and the run of the time before goes on with what is new
(`mgnm train --continue-from`). The last one is compared with a training from
the start on the same data, by the same test records.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from benchmarks.app import sentences
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def run_study(
    log,
    folder: Path,
    model: str,
    slices: int,
    settings: dict[str, Any],
    first: dict[str, Any] | None = None,
    keep: Callable[[dict[str, Any]], None] = lambda row: None,
) -> list[dict[str, Any]]:
    """Trains on the first slice, goes on with each other one, and compares.

    Args:
        log: a `DataFrame` with `user_id`, `item_id`, `timestamp` and perhaps
            `category`.
        folder: where data and runs stand; what is there is taken.
        model: the recipe.
        slices: how many slices there are.
        settings: what the continued runs have of their own.
        first: what all runs have. Defaults to `None`, nothing.
        keep: called with each row as soon as it is there.

    Returns:
        A row a training: `slice` (from 1), `how` ("start" or "continued"),
        `samples` trained on, `epochs`, `steps`, the test metrics, and the
        seconds of the processor from the call to the evaluated run.
    """
    from mgnm_tf.data.dataset import SequenceDataset
    from mgnm_tf.data.prepare import prepare
    from mgnm_tf.runs.run import Run
    from mgnm_tf.training.fit import train

    ordered = log["timestamp"].sort_values(kind="stable").to_numpy()
    rows, earlier = [], None
    category = "category" if "category" in log else None
    for number in range(1, slices + 1):
        place = folder / f"data-{number}"
        known = log
        if number < slices:
            # Events of the same time stay together.
            end = ordered[round(len(ordered) * number / slices)]
            known = log[log["timestamp"] < end]
        if not place.exists():
            prepare(known, place, category_column=category, split="temporal")
        ways = ["start"] if number == 1 else ["continued"]
        if 1 < number == slices:
            ways.append("start")
        for how in ways:
            out = folder / f"{how}-{number}"
            goes_on = how == "continued"
            begin = time.process_time()
            run = Run(
                train(
                    place,
                    None if goes_on else model,
                    out,
                    continue_from=earlier if goes_on else None,
                    verbose=0,
                    **{**(first or {}), **(settings if goes_on else {})},
                )
            )
            seconds = time.process_time() - begin
            samples = len(SequenceDataset.load(place).positions("train"))
            if goes_on:
                samples = run.environment["continued_from"]["new_samples"]
            row = {
                "slice": number,
                "how": how,
                "samples": samples,
                "epochs": len(run.history),
                **{key: round(x, 4) for key, x in run.metrics["test"].items()},
                "cpu_seconds": round(seconds, 1),
            }
            rows.append(row)
            keep(row)
            if how == ways[0]:
                earlier = out
    return rows


@app.command()
def main(
    log: Annotated[
        Path, typer.Argument(help="A log: user_id, item_id, timestamp.")
    ],
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    folder: Annotated[
        Path, typer.Option(help="Folder to make, for data and runs.")
    ],
    model: Annotated[str, typer.Option(help="The recipe.")] = "mgnm",
    slices: Annotated[int, typer.Option(min=2, help="Slices.")] = 4,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Epochs of a continued run.", show_default="its default"
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Learning rate of a continued run.",
            show_default="that of the recipe",
        ),
    ] = None,
    item_features: Annotated[
        Path | None,
        typer.Option(help="Parquet file of item features, for all runs."),
    ] = None,
    id_dropout: Annotated[
        float | None,
        typer.Option(
            help="Share of look-ups by features alone.",
            show_default="that of the recipe",
        ),
    ] = None,
) -> None:
    """Compare going on slice by slice with a training from the start."""
    with sentences():
        load_tensorflow()
        import pandas as pd

        from benchmarks.machine import describe_machine
        from mgnm_tf.utils.files import atomic_write

        given = _given(epochs=epochs, learning_rate=learning_rate)
        file = None if item_features is None else str(item_features)
        informed = _given(item_features=file, id_dropout=id_dropout)
        report: dict[str, Any] = {
            "machine": describe_machine(),
            "settings": {
                "model": model,
                "slices": slices,
                "continued": given,
                # The file, not where it stands on this machine.
                "all": {**informed, "item_features": Path(file).name}
                if file
                else informed,
            },
            "rows": [],
        }

        def keep(row):
            report["rows"].append(row)
            atomic_write(out, json.dumps(report, indent=1) + "\n")
            console.print(", ".join(f"{k} {v}" for k, v in row.items()))

        table = pd.read_csv(log)
        run_study(table, folder, model, slices, given, informed, keep)
        notes.print(f"The rows are in {out}.")


def _given(**settings: Any) -> dict[str, Any]:
    """Returns what is not `None`."""
    return {key: one for key, one in settings.items() if one is not None}


if __name__ == "__main__":
    app()
