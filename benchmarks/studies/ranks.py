"""What the tests of a table need: `python -m benchmarks.studies.ranks`.

A comparison leaves the rank of each test record in its run folders. Packed
into one small file, without the ids of the data, they can be kept, and table
and tests be made from them again.
"""

import io
import json
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from benchmarks.__main__ import sentences
from mgnm_tf.cli.app import console
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.experiments.summary import RESULTS
from mgnm_tf.experiments.summary import summary_of
from mgnm_tf.report.tables import comparison_cells
from mgnm_tf.training import run_folder
from mgnm_tf.utils.files import atomic_write

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_MARKS = {"best": "**{}**", "second": "<u>{}</u>", "": "{}"}


def pack(comparison: Path, out: Path) -> None:
    """Writes the ranks of the finished runs of a comparison into one file.

    Args:
        comparison: the folder of a comparison.
        out: the file (.npz) to write; replaced if it is there. It holds
            `results` (`results.csv`), `protocol` (JSON), `users` int32 (N,),
            the number of the user of each record, `negatives` uint16 (N,)
            and `ranks` uint16 (runs, N), twice the ranks, since a tie counts
            a half.

    Raises:
        UserError: there is no comparison, or its runs ranked other records.
    """
    if not (comparison / RESULTS).is_file():
        raise UserError(f"{comparison} is no comparison: it has no {RESULTS}.")
    table = pd.read_csv(comparison / RESULTS)
    table = table[table["status"] == "finished"]
    runs = [
        Evaluation.load(comparison / folder / run_folder.RANKS)
        for folder in table["folder"]
    ]
    first = runs[0].samples
    same = ["user_id", "position", "num_negatives"]
    if not all(first[same].equals(run.samples[same]) for run in runs):
        raise UserError(f"The runs of {comparison} ranked other records.")
    content = io.BytesIO()
    np.savez_compressed(
        content,
        results=table.drop(columns=["folder"]).to_csv(index=False),
        protocol=json.dumps(runs[0].protocol.to_dict()),
        users=pd.factorize(first["user_id"])[0].astype(np.int32),
        negatives=first["num_negatives"].to_numpy(np.uint16),
        ranks=np.stack(
            [(2 * run.samples["rank"]).astype(np.uint16) for run in runs]
        ),
    )
    atomic_write(out, content.getvalue())


def unpack(path: Path) -> tuple[pd.DataFrame, dict[str, list[Evaluation]]]:
    """Reads what `pack` wrote.

    Returns:
        The rows of `results.csv`, and model -> the evaluation of each run.
    """
    with np.load(path, allow_pickle=False) as file:
        content = {name: file[name] for name in file.files}
    table = pd.read_csv(io.StringIO(str(content["results"])))
    protocol = Protocol.from_dict(json.loads(str(content["protocol"])))
    evaluations: dict[str, list[Evaluation]] = {}
    for label, ranks in zip(table["model"], content["ranks"], strict=True):
        samples = {
            "user_id": content["users"].astype(str),
            "rank": (ranks / 2).astype(np.float32),
            "num_negatives": content["negatives"].astype(np.int64),
        }
        evaluations.setdefault(label, []).append(
            Evaluation(protocol, pd.DataFrame(samples))
        )
    return table, evaluations


def markdown(path: Path) -> str:
    """Returns the table of packed ranks: means, deviations, tests."""
    headings, rows = comparison_cells(summary_of(*unpack(path), []))
    kept = [*range(5), len(headings) - 1]  # Without the speeds.
    lines = [[headings[column] for column in kept], ["---"] * len(kept)]
    for row in rows:
        cells = [row[column] for column in kept]
        texts = [_MARKS[cell.mark].format(cell.text) for cell in cells]
        lines.append([f"`{texts[0]}`", *texts[1:]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@app.command()
def main(
    source: Annotated[
        Path, typer.Argument(help="A comparison, or a file of its ranks.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="File (.npz) for the ranks.")
    ] = None,
) -> None:
    """Pack the ranks of a comparison, or print the table of packed ones."""
    with sentences():
        if source.is_dir() != (out is not None):
            raise UserError(
                "Give the folder of a comparison and --out, or a file of ranks."
            )
        if out is not None:
            pack(source, out)
            source = out
        console.print(markdown(source), soft_wrap=True)


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.studies.ranks")
