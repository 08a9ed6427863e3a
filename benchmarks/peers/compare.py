"""Our models and another library's by turns, on the same data, as ratios.

    python -m benchmarks.peers.compare LOG --python PEER/bin/python

See `README.md` beside this file for what is the same and what differs.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import typer

from benchmarks.app import sentences
from benchmarks.machine import describe_machine
from benchmarks.measure import figure
from benchmarks.measure import seconds_of
from benchmarks.measure import significant
from benchmarks.peers.log import consistent_log
from benchmarks.peers.pairs import Case
from benchmarks.peers.pairs import Library
from benchmarks.peers.pairs import Pair
from benchmarks.peers.pairs import check_name
from benchmarks.peers.process import Peer
from benchmarks.peers.process import open_peer
from benchmarks.peers.recbole_pairs import EVALUATIONS
from benchmarks.peers.recbole_pairs import RECBOLE
from benchmarks.peers.rechorus_pairs import RECHORUS
from benchmarks.settings import paper_label
from benchmarks.train import typical_stretch
from benchmarks.train import widths_of
from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.ranking import RankingModel
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import count_parameters
from mgnm_tf.training.build import make_batches
from mgnm_tf.training.build import make_model
from mgnm_tf.utils.files import write_json

LIBRARIES = {"recbole": RECBOLE, "rechorus": RECHORUS}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    log: Annotated[str, typer.Argument(help="The log, a CSV.")],
    python: Annotated[
        str, typer.Option(help="Python of the other library's environment.")
    ],
    peer: Annotated[
        str, typer.Option(help=f"Library: {', '.join(LIBRARIES)}.")
    ] = "recbole",
    peer_code: Annotated[
        str, typer.Option(help="Checkout of the code of ReChorus.")
    ] = "",
    models: Annotated[
        str, typer.Option(help="Names; default: those of the library.")
    ] = "",
    negatives: Annotated[
        str,
        typer.Option(help="Of a positive; all: softmax over the catalogue."),
    ] = "1,5",
    tasks: Annotated[
        str, typer.Option(help="What is measured; default: all there is.")
    ] = "",
    lengths: Annotated[str, typer.Option(help="Longest history.")] = "20",
    width: Annotated[int, typer.Option(help="Of the vectors.")] = 16,
    batch: Annotated[int, typer.Option(help="Positives of a batch.")] = 256,
    rounds: Annotated[int, typer.Option(help="Turns of each side.")] = 5,
    train_samples: Annotated[
        int | None,
        typer.Option(help="Samples that each side trains on in a turn."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file.")] = None,
) -> None:
    """Measure our models and another library's by turns."""
    with sentences():
        library = LIBRARIES[check_name("peer", peer, LIBRARIES)]
        _check_code(library, peer_code)
        chosen = _listed(tasks) or library.tasks
        for task in chosen:
            check_name("task", task, library.tasks)
        cases = [
            Case(width, length, batch, count, chosen)
            for length in map(int, lengths.split(","))
            for count in map(_negatives, negatives.split(","))
        ]
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            plan = []
            for case in cases:
                for name in _listed(models) or library.models:
                    pair = _pair(library, name, case, train_samples)
                    config = our_config(library, pair, case)
                    settings = library.settings(pair, case, folder, peer_code)
                    plan.append((case, pair, config, settings))
            data = consistent_log(log, Path(folder))
            library.write(data, Path(folder))
            for case, pair, config, settings in plan:
                with open_peer(python, library, settings, folder) as other:
                    ours = Ours(data, config, chosen, pair.our_samples)
                    result = compare(ours, other, rounds)
                sizes = asdict(case)
                del sizes["tasks"]
                rows.append(
                    {
                        "ours": pair.ours,
                        "theirs": pair.theirs,
                        "options": pair.peer_options,
                        **sizes,
                        "items": data.num_items,
                        **result,
                    }
                )
                text = markdown(rows[-1:], library.name)
                typer.echo(text.splitlines()[-1], err=True)
                if out is not None:
                    report = {"machine": describe_machine(), "results": rows}
                    write_json(out, report)
        typer.echo(markdown(rows, library.name))


def _check_code(library: Library, code: str) -> None:
    """Refuses a missing checkout, and one that nothing would read."""
    if library.needs_code and not code:
        raise UserError(
            f"{library.name} is no package: give --peer-code, the folder of a "
            "checkout, see benchmarks/peers/README.md."
        )
    if code and not library.needs_code:
        raise UserError(
            f"{library.name} is a package of the environment of --python; "
            "leave out --peer-code."
        )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _negatives(text: str) -> int | str:
    return text if text == "all" else int(text)


def _pair(library: Library, name: str, case: Case, samples: int | None) -> Pair:
    """Returns a pair, with as many samples in a turn as are asked for."""
    pair = library.make_pair(name, case)
    if samples is None:
        return pair
    return replace(pair, train_samples=samples, our_samples=samples)


def our_config(library: Library, pair: Pair, case: Case) -> TrainConfig:
    """Returns how our model of a pair trains."""
    return configure(
        paper_label(pair.ours),
        options=pair.options,
        objective=library.objective(case.negatives),
        negatives=case.negatives,
        batch_size=case.batch,
        max_length=case.length,
    )


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
        tasks: Sequence[str] = RECBOLE.tasks,
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
        that of neighbours in time; for `train` also `epoch_seconds` of every
        turn of both, by the samples of an epoch; the samples and parameters
        of both.

    Raises:
        UserError: the two do not have the same training samples.
    """
    counts = {"ours": ours.samples, "theirs": peer.description["samples"]}
    epochs = [count["train"] for count in counts.values()]
    if epochs[0] != epochs[1]:
        raise UserError(
            f"{peer.name} makes {epochs[1]:,} training samples of this log, "
            f"not {epochs[0]:,} as here, so speeds cannot be compared."
        )
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
        "samples": counts,
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
        if task == "train":
            result[task]["epoch_seconds"] = {
                side: [significant(epochs[0] / one) for one in values]
                for side, values in (("ours", mine), ("theirs", theirs))
            }
    return result


def markdown(rows: list[dict], name: str) -> str:
    """Returns the table of samples a second, ratios and seconds an epoch.

    Args:
        rows: results of `compare` with what was compared.
        name: of the other library.
    """
    heads = ["ours", name, "m", "negatives"]
    tasks = [task for task in RECBOLE.tasks if task in rows[0]]
    for task in tasks:
        heads += [f"{task}, ours/s", f"{name}/s", "ratio (least to most)"]
        if task == "train":
            heads += ["seconds an epoch: least (all), ours", name]
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
            for seconds in row[task].get("epoch_seconds", {}).values():
                turns = ", ".join(f"{one:g}" for one in seconds)
                line.append(f"{min(seconds):g} ({turns})")
        lines.append(line)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    app()
