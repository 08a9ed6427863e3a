"""Which of our models stands against which of ReChorus's, and how set up."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peers.pairs import Case
from benchmarks.peers.pairs import Library
from benchmarks.peers.pairs import Pair
from benchmarks.peers.pairs import check_name
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.reading.times import whole_seconds
from mgnm_tf.errors import UserError

WORKERS = (0, 1, 2)
"""Processes that make its batches, of which it may choose; its own default,
5, is more than a machine with two cores can use."""

TRIAL_SAMPLES = 12_800
"""With how many samples it finds out how it is fastest."""

_TIMIREC = {"K": 4, "add_pos": 1, "temp": 0.1, "n_layers": 1}

_EXTRACTOR = "comirec_plus:timirec_paper"

_PAIRS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "timirec": (
        "timirec:timirec_paper",
        "TiMiRec",
        {**_TIMIREC, "add_trm": 0, "stage": "finetune"},
    ),
    "timirec_extractor": (
        f"{_EXTRACTOR}+without_transformer",
        "TiMiRec",
        {**_TIMIREC, "add_trm": 0, "stage": "pretrain"},
    ),
    "timirec_plus": (
        "timirec_plus:timirec_paper",
        "TiMiRec",
        {**_TIMIREC, "add_trm": 1, "stage": "finetune"},
    ),
    "timirec_plus_extractor": (
        _EXTRACTOR,
        "TiMiRec",
        {**_TIMIREC, "add_trm": 1, "stage": "pretrain"},
    ),
    "tisasrec": (
        "tisasrec:timirec_paper",
        "TiSASRec",
        {"num_layers": 1, "num_heads": 1, "time_max": 512},
    ),
    "sasrec": (
        "sasrec:timirec_paper",
        "SASRec",
        {"num_layers": 1, "num_heads": 1},
    ),
    "comirec_sa": (
        "comirec_sa:timirec_paper",
        "ComiRec",
        {"K": 4, "attn_size": 8, "add_pos": 1},
    ),
}

NAMES = tuple(_PAIRS)


def make_pair(name: str, case: Case) -> Pair:
    """Returns a comparison, in the settings of the TiMiRec paper.

    Args:
        name: `timirec`, `timirec_plus`, their first stages `..._extractor`,
            `tisasrec`, `sasrec` or `comirec_sa`.
        case: the sizes.

    Raises:
        UserError: there is no such pair.
    """
    check_name("model", name, NAMES)
    ours, theirs, options = _PAIRS[name]
    return Pair(
        ours,
        {"embedding_dim": case.width},
        theirs,
        {**options, "emb_size": case.width},
        train_samples=0,
    )


def write(data: SequenceDataset, folder: Path) -> None:
    """Writes `log/train.csv`, `dev.csv` and `test.csv`, with our numbers.

    Negatives of validation and test are left out, as nothing is tested.

    Args:
        data: split by `leave_one_out`.
        folder: where `log` is made.
    """
    events = pd.DataFrame(
        {
            "user_id": data.sequences,
            "item_id": data.items,
            "time": whole_seconds(data.times, data.time_unit),
        }
    )
    (folder / "log").mkdir(exist_ok=True)
    for part, name in enumerate(("train", "dev", "test")):
        table = events[np.asarray(data.parts) == part]
        table.to_csv(folder / "log" / f"{name}.csv", sep="\t", index=False)


def settings(pair: Pair, case: Case, folder: str, code: str) -> dict[str, Any]:
    """Returns what `rechorus_peer.py` reads.

    Args:
        pair: the models.
        case: the sizes.
        folder: where `write` wrote.
        code: a checkout of ReChorus, branch CIKM22.

    Raises:
        UserError: the checkout lacks the model.
    """
    root = Path(code).absolute()
    if not (root / f"src/models/sequential/{pair.theirs}.py").is_file():
        raise UserError(
            f"{code} has no src/models/sequential/{pair.theirs}.py; "
            "--peer-code is a checkout of THUwangcy/ReChorus, branch CIKM22."
        )
    return {
        "code": str(root),
        "model": pair.theirs,
        "options": {
            "path": folder,
            "dataset": "log",
            "batch_size": case.batch,
            "num_neg": case.negatives,
            "history_max": case.length,
            "lr": 1e-4,
            "l2": 1e-6,
            **pair.peer_options,
        },
        "train_samples": pair.train_samples,
        "trial_samples": TRIAL_SAMPLES,
        "workers": WORKERS,
    }


def objective(negatives: int | str) -> str:
    """Returns ours, which is ReChorus's only one.

    Raises:
        UserError: all items are asked for.
    """
    if negatives == "all":
        raise UserError(
            "ReChorus trains with drawn negatives; give --negatives 1, or "
            "another number."
        )
    return "bpr"


RECHORUS = Library(
    name="ReChorus",
    script="rechorus_peer.py",
    models=("timirec", "timirec_extractor", "tisasrec"),
    tasks=("train",),
    make_pair=make_pair,
    write=write,
    settings=settings,
    objective=objective,
    needs_code=True,
)
