"""How well, and after how long: our models and RecTools' SASRec.

    python -m benchmarks.peers.quality DATA --python RECTOOLS/bin/python

Both learn from the training events of one data folder, choose their epoch by
NDCG@10 or 5 on its validation events, and rank the whole catalogue without
the items of the user for its test events. See `README.md` beside this file.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated
from typing import Any

import numpy as np
import pandas as pd
import typer

from benchmarks.app import sentences
from benchmarks.machine import describe_machine
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.parts import PARTS
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.runs.run import Run
from mgnm_tf.training.evaluate_run import evaluate_run
from mgnm_tf.training.fit import train
from mgnm_tf.utils.files import write_json

K = 10
"""Places of the lists."""

THEIRS = "RecTools SASRec"
"""The name of its row."""

OPTIONS = {
    "n_factors": 64,
    "session_max_len": 20,
    "loss": "sampled_softmax",
    "n_negatives": 256,
}
"""What differs from RecTools' defaults: the width and history of our recipes,
and the loss with which SASRec was published for these data."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data: Annotated[
        Path, typer.Argument(help="Data folder, split by leave_one_out.")
    ],
    python: Annotated[
        str, typer.Option(help="Python of the environment of RecTools.")
    ],
    models: Annotated[
        str, typer.Option(help="Ours, by their recommended recipes.")
    ] = "sasrec,mgnm",
    epochs: Annotated[int, typer.Option(help="Most epochs of RecTools.")] = 100,
    patience: Annotated[
        int, typer.Option(help="Its epochs without improvement until it ends.")
    ] = 10,
    seed: Annotated[int, typer.Option(help="Of all draws.")] = 0,
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
) -> None:
    """Train RecTools' SASRec and our models one after the other."""
    with sentences():
        dataset = SequenceDataset.load(data)
        method = dataset.metadata["split"]["method"]
        if method != "leave_one_out":
            raise UserError(
                f"{data} is split by {method}; RecTools tells one event of a "
                "user from the others, so give data split by leave_one_out."
            )
        cores = len(os.sched_getaffinity(0))
        settings = {
            "options": OPTIONS,
            "epochs": epochs,
            "patience": patience,
            "seed": seed,
            "threads": cores,
        }
        report = {
            "machine": describe_machine(),
            "data": {"name": dataset.metadata["name"], "seed": seed},
            "settings": settings,
            "results": {},
        }
        rows = report["results"]
        with tempfile.TemporaryDirectory() as folder:
            for name in (THEIRS, *filter(None, models.split(","))):
                if name == THEIRS:
                    row = theirs(dataset, python, settings, Path(folder))
                else:
                    row = ours(dataset, name, seed, Path(folder) / name)
                rows[name] = row
                if out is not None:
                    write_json(out, report)
        typer.echo(markdown(rows))


def theirs(
    data: SequenceDataset, python: str, settings: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """Trains RecTools' SASRec in its environment and measures its lists."""
    paths = {
        "events": str(folder / "events.csv"),
        "lists": str(folder / "lists.csv"),
    }
    events_of(data).to_csv(paths["events"], index=False)
    described = folder / "settings.json"
    write_json(described, {**settings, **paths})
    script = Path(__file__).with_name("rectools_peer.py")
    done = subprocess.run(
        [python, str(script), str(described)],
        env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(
            "RecTools ended with an error, which stands above. Its "
            "environment is described in benchmarks/peers/README.md."
        )
    lists = pd.read_csv(paths["lists"])
    return {**json.loads(done.stdout), **metrics_of(data, lists)}


def events_of(data: SequenceDataset) -> pd.DataFrame:
    """Returns the events as RecTools reads them, with their part.

    The moment of an event is its place in the sequence: a day with several
    events would not tell which of them is the last.
    """
    places = np.arange(len(data.items)) - data.offsets[data.sequences]
    return pd.DataFrame(
        {
            "user_id": data.sequences,
            "item_id": data.items,
            "weight": 1,
            "datetime": pd.Timestamp(2000, 1, 1)
            + pd.to_timedelta(places, unit="s"),
            "part": np.array(PARTS)[data.parts],
        }
    )


def metrics_of(data: SequenceDataset, lists: pd.DataFrame) -> dict[str, float]:
    """Returns NDCG@10 and HIT@10 of lists on the test part.

    Args:
        data: the data.
        lists: `user_id`, `item_id` and `rank` (from 1).
    """
    tests = data.positions("test")
    truth = pd.DataFrame(
        {"user_id": data.sequences[tests], "item_id": data.items[tests]}
    )
    found = truth.merge(lists, on=["user_id", "item_id"])["rank"]
    gains = 1 / np.log2(found[found <= K] + 1)
    return {
        f"ndcg@{K}": float(gains.sum() / len(tests)),
        f"hit@{K}": float(len(gains) / len(tests)),
    }


def ours(
    data: SequenceDataset, name: str, seed: int, folder: Path
) -> dict[str, Any]:
    """Trains one of our models by its recipe and measures it."""
    run = Run(train(data, name, folder, seed=seed, verbose=0))
    protocol = Protocol(
        negatives="all",
        exclude="user",
        k=(K,),
        max_length=run.config.max_length,
    )
    metrics = evaluate_run(run, data, protocol)["test"]
    seconds = [epoch["seconds"] for epoch in run.timing["epochs"]]
    return {
        "epochs": len(seconds),
        "best_epoch": run.best_epoch,
        "seconds_to_best": round(sum(seconds[: run.best_epoch]), 1),
        "seconds": round(sum(seconds), 1),
        "parameters": run.environment["parameters"],
        f"ndcg@{K}": metrics[f"ndcg@{K}"],
        f"hit@{K}": metrics[f"hit@{K}"],
    }


def markdown(rows: dict[str, dict[str, Any]]) -> str:
    """Returns the table of the results."""
    heads = [
        "model",
        f"NDCG@{K}",
        f"HIT@{K}",
        "best epoch",
        "minutes to it",
        "parameters",
    ]
    lines = [heads, ["---"] * len(heads)]
    for name, row in rows.items():
        lines.append(
            [
                name,
                f"{row[f'ndcg@{K}']:.4f}",
                f"{row[f'hit@{K}']:.4f}",
                f"{row['best_epoch']} of {row['epochs']}",
                f"{row['seconds_to_best'] / 60:.1f}",
                f"{row['parameters']:,}",
            ]
        )
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    app()
