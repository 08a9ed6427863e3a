"""What the tests of a table need: `python -m benchmarks.studies.ranks`.

A comparison leaves the rank of each test record in its run folders. Packed
into one small file, without the ids of the data, they can be kept, and table
and tests be made from them again.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from benchmarks.__main__ import sentences
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import notes
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.ties import is_later
from mgnm_tf.report.tables import comparison_cells
from mgnm_tf.runs import run_folder
from mgnm_tf.studies.summary import RESULTS
from mgnm_tf.studies.summary import summary_of
from mgnm_tf.utils.files import atomic_write
from mgnm_tf.utils.files import read_json

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_MARKS = {"best": "**{}**", "second": "<u>{}</u>", "": "{}"}


def pack(
    comparisons: Sequence[Path], out: Path, data: Path | None = None
) -> None:
    """Writes the ranks of the finished runs of comparisons into one file.

    Args:
        comparisons: folders of comparisons on the same data and protocol,
            whose runs stand one after the other.
        out: the file (.npz) to write; replaced if it is there. It holds
            `results` (`results.csv`), `protocol` (JSON), `users` int32 (N,),
            the number of the user of each record, `negatives` (N,) and
            `ranks` (runs, N), twice the ranks, since a tie counts a half,
            both uint16 or uint32, and `later` bool (N,), whether a record is
            later than the event before it; that is missing where the data
            have no times or are not there.
        data: the data folder. Defaults to `None`, that of the first run.

    Raises:
        UserError: there is no comparison, a run stands twice, or the runs
            ranked other records or by another protocol.
    """
    folders, tables = [], []
    for comparison in comparisons:
        if not (comparison / RESULTS).is_file():
            raise UserError(
                f"{comparison} is no comparison: it has no {RESULTS}."
            )
        table = pd.read_csv(comparison / RESULTS)
        table = table[table["status"] == "finished"]
        folders += [comparison / folder for folder in table["folder"]]
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    twice = table[table.duplicated(["model", "seed"])]
    if len(twice):
        model, seed = twice.iloc[0][["model", "seed"]]
        raise UserError(f"The run of {model} with seed {seed} is there twice.")
    if not folders:
        raise UserError("There is no finished run whose ranks to pack.")
    runs = [Evaluation.load(folder / run_folder.RANKS) for folder in folders]
    first = runs[0]
    same = ["user_id", "position", "num_negatives"]
    for folder, run in zip(folders, runs, strict=True):
        if difference := run.protocol.difference(first.protocol):
            raise UserError(
                f"{folder} was evaluated by another protocol than "
                f"{folders[0]}: {difference}."
            )
        if not run.samples[same].equals(first.samples[same]):
            raise UserError(f"{folder} ranked other records than {folders[0]}.")
    arrays = {
        "users": pd.factorize(first.samples["user_id"])[0].astype(np.int32),
        "negatives": _narrow(first.samples["num_negatives"]),
        "ranks": _narrow(np.stack([2 * run.samples["rank"] for run in runs])),
    }
    later = _later(folders[0], first, data)
    if later is not None:
        arrays["later"] = later
    content = io.BytesIO()
    np.savez_compressed(
        content,
        results=table.drop(columns=["folder"]).to_csv(index=False),
        protocol=json.dumps(first.protocol.to_dict()),
        **arrays,
    )
    atomic_write(out, content.getvalue())


def _narrow(values: np.ndarray | pd.Series) -> np.ndarray:
    """Returns whole numbers as uint16, or uint32 where they are larger."""
    wide = values.max() > np.iinfo(np.uint16).max
    return np.asarray(values).astype(np.uint32 if wide else np.uint16)


def _later(
    run: Path, evaluation: Evaluation, data: Path | None
) -> np.ndarray | None:
    """Returns which records are later, `None` where that is not known."""
    recorded = read_json(run / run_folder.ENVIRONMENT)["data"]
    if data is None:
        data = recorded["path"] and Path(recorded["path"])
        if data is None or not data.is_dir():
            notes.print(
                f"The data of {run} are not there, so the file does not say "
                "which records are later than their history; --data names "
                "their folder."
            )
            return None
    dataset = SequenceDataset.load(data)
    if dataset.fingerprint != recorded["fingerprint"]:
        raise UserError(
            f"{data} is not the data set that {run} was trained on: their "
            "fingerprints differ."
        )
    if not dataset.has_times:
        return None
    return is_later(dataset, evaluation.samples["position"].to_numpy())


def unpack(
    path: Path, later_only: bool = False
) -> tuple[pd.DataFrame, dict[str, list[Evaluation]]]:
    """Reads what `pack` wrote.

    Args:
        path: the file.
        later_only: whether only records count that are later than the event
            before them. Defaults to `False`.

    Returns:
        The rows of `results.csv`, with the metrics of the records that
        count, and model -> the evaluation of each run.

    Raises:
        UserError: `later_only`, but the file does not say what is later.
    """
    with np.load(path, allow_pickle=False) as file:
        content = {name: file[name] for name in file.files}
    table = pd.read_csv(io.StringIO(str(content["results"])))
    protocol = Protocol.from_dict(json.loads(str(content["protocol"])))
    kept = np.ones(len(content["users"]), bool)
    if later_only:
        if "later" not in content:
            raise UserError(
                f"{path} does not say which records are later than their "
                "history: it was packed without the times of the data. Pack "
                "the comparison again, with --data."
            )
        kept, protocol = content["later"], replace(protocol, later_only=True)
    evaluations: dict[str, list[Evaluation]] = {}
    for row, (label, ranks) in enumerate(
        zip(table["model"], content["ranks"], strict=True)
    ):
        samples = {
            "user_id": content["users"].astype(str)[kept],
            "rank": (ranks / 2).astype(np.float32)[kept],
            "num_negatives": content["negatives"].astype(np.int64)[kept],
        }
        evaluation = Evaluation(protocol, pd.DataFrame(samples))
        evaluations.setdefault(label, []).append(evaluation)
        if later_only:
            for name, value in evaluation.metrics().items():
                table.loc[row, name] = value
    return table, evaluations


def markdown(path: Path, later_only: bool = False) -> str:
    """Returns the table of packed ranks: means, deviations, tests.

    Args:
        path: the file.
        later_only: see `unpack`. Defaults to `False`.
    """
    summary = summary_of(*unpack(path, later_only), [])
    headings, rows = comparison_cells(summary)
    # Without the speeds.
    kept = [*range(1 + len(summary["best"])), len(headings) - 1]
    lines = [[headings[column] for column in kept], ["---"] * len(kept)]
    for row in rows:
        cells = [row[column] for column in kept]
        texts = [_MARKS[cell.mark].format(cell.text) for cell in cells]
        lines.append([f"`{texts[0]}`", *texts[1:]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@app.command()
def main(
    sources: Annotated[
        list[Path],
        typer.Argument(help="Comparisons, or a file of their ranks."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="File (.npz) for the ranks.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Data folder.", show_default="that of the runs"),
    ] = None,
    later_only: Annotated[
        bool,
        typer.Option(
            "--later-only",
            help="Count only records later than the event before them.",
        ),
    ] = False,
) -> None:
    """Pack the ranks of comparisons, or print the table of packed ones."""
    with sentences():
        folders = all(source.is_dir() for source in sources)
        if folders != (out is not None) or not (folders or len(sources) == 1):
            raise UserError(
                "Give folders of comparisons and --out, or a file of ranks."
            )
        if out is not None:
            pack(sources, out, data)
            sources = [out]
        console.print(markdown(sources[0], later_only), soft_wrap=True)


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.studies.ranks")
