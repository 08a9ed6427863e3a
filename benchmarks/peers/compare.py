"""Our models and RecBole's by turns, on the same data, as ratios.

    python -m benchmarks.peers.compare LOG --python PEER/bin/python

See `README.md` beside this file for what is the same and what differs.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import pandas as pd
import typer

from benchmarks.machine import describe_machine
from benchmarks.measure import figure
from benchmarks.measure import seconds_of
from benchmarks.peers.pairs import EVALUATIONS
from benchmarks.peers.pairs import NAMES
from benchmarks.peers.pairs import Pair
from benchmarks.peers.pairs import make_pair
from benchmarks.peers.pairs import recbole_options
from benchmarks.settings import paper_label
from benchmarks.train import typical_stretch
from benchmarks.train import widths_of
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.log import read_log
from mgnm_tf.data.pipeline import make_dataset
from mgnm_tf.data.splits import split_log
from mgnm_tf.evaluation.ranking import RankingModel
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import count_parameters
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model
from mgnm_tf.utils.files import write_json
from mgnm_tf.utils.validation import check_choice

TASKS = ("train", *EVALUATIONS)


def main(
    log: Annotated[str, typer.Argument(help="The log, a CSV.")],
    python: Annotated[str, typer.Option(help="Python that has RecBole.")],
    models: Annotated[str, typer.Option(help="Names.")] = ",".join(NAMES),
    negatives: Annotated[
        str,
        typer.Option(help="Of a positive; all: softmax over the catalogue."),
    ] = "1,5",
    tasks: Annotated[str, typer.Option(help="What is measured.")] = ",".join(
        TASKS
    ),
    lengths: Annotated[str, typer.Option(help="Longest history.")] = "20",
    width: Annotated[int, typer.Option(help="Of the vectors.")] = 16,
    batch: Annotated[int, typer.Option(help="Positives of a batch.")] = 256,
    rounds: Annotated[int, typer.Option(help="Turns of each side.")] = 5,
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
) -> None:
    """Measure our models and RecBole's by turns."""
    rows = []
    chosen = [check_choice(task, "tasks", TASKS) for task in tasks.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        data = write_data(log, Path(folder))
        for length in map(int, lengths.split(",")):
            for count in map(_negatives, negatives.split(",")):
                for name in models.split(","):
                    pair = make_pair(name, width, length)
                    options = recbole_options(folder, batch, count, length)
                    config = configure(
                        paper_label(pair.ours),
                        options=pair.options,
                        objective="softmax" if count == "all" else "bce",
                        negatives=count,
                        batch_size=batch,
                        max_length=length,
                    )
                    with open_peer(
                        python, pair, options, folder, chosen
                    ) as peer:
                        ours = Ours(data, config, chosen, pair.our_samples)
                        result = compare(ours, peer, rounds)
                    row = {
                        "ours": pair.ours,
                        "theirs": pair.theirs,
                        "length": length,
                        "negatives": count,
                        "width": width,
                        "batch": batch,
                        "items": data.num_items,
                        **result,
                    }
                    rows.append(row)
                    typer.echo(markdown(rows[-1:]).splitlines()[-1], err=True)
    if out is not None:
        write_json(out, {"machine": describe_machine(), "results": rows})
    typer.echo(markdown(rows))


def _negatives(text: str) -> int | str:
    return text if text == "all" else int(text)


def write_data(log: str, folder: Path) -> SequenceDataset:
    """Writes the log for RecBole and returns the same data for us.

    What the two treat differently is taken out of the log beforehand, until
    none is left: held-out events of items that nobody has in training, and
    users with fewer than 4 events.
    """
    path = folder / "log" / "log.inter"
    path.parent.mkdir()
    table = folder / "log.csv"
    data = split_log(read_log(log), "leave_one_out")
    while True:
        order = np.arange(len(data.items)) - data.offsets[data.sequences]
        sizes = np.diff(data.offsets)[data.sequences]
        events = pd.DataFrame(
            {
                "user_id": np.asarray(data.user_ids)[data.sequences - 1],
                "item_id": np.asarray(data.item_ids)[data.items - 1],
                # Places instead of times: no ties, and exact in float32.
                "timestamp": order,
            }
        )
        events = events[sizes >= 4]
        events.to_csv(table, index=False)
        data = split_log(read_log(table), "leave_one_out")
        if len(data.items) == len(sizes):
            break
    events.columns = ["user_id:token", "item_id:token", "timestamp:float"]
    events.to_csv(path, sep="\t", index=False)
    return data


class Peer:
    """RecBole in a process of its own.

    Args:
        process: `recbole_peer.py`, with pipes to its input and output.

    Attributes:
        description: what it says of itself.
    """

    def __init__(self, process: subprocess.Popen):
        self.process = process
        self.description = self._answer()

    def measure(self, task: str) -> tuple[int, float]:
        """Returns samples and seconds of a task."""
        self.process.stdin.write(f"{task}\n")
        self.process.stdin.flush()
        answer = self._answer()
        return answer["samples"], answer["seconds"]

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(
                "RecBole ended; its error is on the standard error. Its "
                "environment is described in benchmarks/peers/README.md."
            )
        return json.loads(line)


@contextmanager
def open_peer(
    python: str,
    pair: Pair,
    options: dict,
    folder: str,
    tasks: Sequence[str] = TASKS,
) -> Iterator[Peer]:
    """Starts RecBole with the model of a pair."""
    settings = {
        "model": pair.theirs,
        "options": {**options, **pair.peer_options},
        "train_samples": pair.train_samples,
        "tests": {
            name: test for name, test in EVALUATIONS.items() if name in tasks
        },
    }
    path = Path(folder) / "settings.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    script = Path(__file__).with_name("recbole_peer.py")
    with subprocess.Popen(
        [python, str(script), str(path), folder],
        # Threads that spin while they wait cost it up to nine tenths of its
        # speed as soon as another process wants a core.
        env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Peer(process)
        finally:
            process.stdin.close()


class Ours:
    """One of our models with its batches.

    Args:
        data: the data.
        config: how it trains.
        tasks: what will be measured.
        samples: how many it trains on in a turn; 0 for an epoch. A stretch
            is taken whose histories are as wide as those of the epoch.
    """

    def __init__(
        self,
        data: SequenceDataset,
        config: TrainConfig,
        tasks: Sequence[str] = TASKS,
        samples: int = 0,
    ):
        self.tasks = tasks
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        self.model = make_model(data, config)
        compile_model(self.model, data, config)
        self.training, _ = make_batches(self.model, data, config)
        tests = [name for name in EVALUATIONS if name in tasks]
        self.samples = {
            "train": len(data.positions("train")),
            **dict.fromkeys(tests, len(data.positions("test"))),
        }
        epoch = -(-self.samples["train"] // config.batch_size)
        steps = min(-(-samples // config.batch_size) or epoch, epoch)
        execution = self.model.steps_per_execution
        self.steps = max(1, round(steps / execution)) * execution
        self.trained = self.steps * config.batch_size
        if samples:
            widths = widths_of(self.training, epoch)
            first = typical_stretch(widths, self.steps)
            self.training, _ = make_batches(self.model, data, config, first)
        self.tests = {}
        for name in tests:
            everything = name == "catalogue"
            rows = self.model.max_batch_size(
                config.batch_size, 2048 if everything else 1001
            )
            features = tuple(self.model.required_features)
            batches = make_dataset(
                data,
                "test",
                batch_size=rows,
                max_length=config.max_length,
                negatives=0 if everything else 1000,
                exclude="none" if everything else "history",
                features=(*features, "excluded") if everything else features,
            )
            ranking = RankingModel(self.model, everything)
            self.tests[name] = ranking, batches

    def measure(self, task: str) -> tuple[int, float]:
        """Trains about an epoch or ranks the test part, as for the peer."""
        if task == "train":
            return self.trained, seconds_of(self._train)
        ranking, batches = self.tests[task]
        return self.samples[task], seconds_of(
            lambda: ranking.predict(batches, verbose=0)
        )

    def _train(self):
        self.model.fit(
            self.training, steps_per_epoch=self.steps, shuffle=False, verbose=0
        )


def compare(ours: Ours, peer: Peer, rounds: int) -> dict:
    """Measures both by turns.

    Returns:
        For each task `ours` and `theirs` in samples a second and `ratio`,
        that of neighbours in time; the samples and parameters of both.
    """
    speeds = {task: [] for task in ours.tasks}
    for turn in range(1 + rounds):
        for task in ours.tasks:
            pair = []
            for side in (ours, peer):
                samples, seconds = side.measure(task)
                pair.append(samples / seconds)
            if turn:  # The first turn compiles.
                speeds[task].append(pair)
    result = {
        "samples": {
            "ours": ours.samples,
            "theirs": peer.description["samples"],
        },
        "parameters": {
            "ours": count_parameters(ours.model),
            "theirs": peer.description["parameters"],
        },
        "peer": peer.description,
    }
    for task, pairs in speeds.items():
        mine, theirs = np.array(pairs).T
        result[task] = {
            "ours": figure(mine),
            "theirs": figure(theirs),
            "ratio": figure(mine / theirs, 3),
        }
    return result


def markdown(rows: list[dict]) -> str:
    """Returns the table of samples a second and ratios."""
    heads = ["ours", "RecBole", "m", "negatives"]
    tasks = [task for task in TASKS if task in rows[0]]
    for task in tasks:
        heads += [f"{task}, ours/s", "RecBole/s", "ratio (least to most)"]
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        line = [row["ours"], row["theirs"], row["length"], row["negatives"]]
        for task in tasks:
            ratio = row[task]["ratio"]
            line += [
                f"{row[task]['ours']['median']:,.0f}",
                f"{row[task]['theirs']['median']:,.0f}",
                f"{ratio['median']:g} ({ratio['least']:g} to "
                f"{ratio['most']:g})",
            ]
        lines.append(line)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    typer.run(main)
