"""Which of our models stands against which of RecBole's, and how set up."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peers.log import places
from benchmarks.peers.pairs import Case
from benchmarks.peers.pairs import Library
from benchmarks.peers.pairs import Pair
from benchmarks.peers.pairs import check_name
from mgnm_tf.data.dataset import SequenceDataset

EVALUATIONS = {
    "sampled": {
        "mode": "uni1000",
        "batches": (4096, 32_768),
        "records": 128,
    },
    "catalogue": {"mode": "full", "batches": (256, 4096), "records": 0},
}
"""What RecBole evaluates: its modes; the sizes of batch that it may choose
from, in pairs of record and candidate for "uni1000", in records for "full";
how many records are evaluated in a turn, 0 for all."""


def make_pair(name: str, case: Case) -> Pair:
    """Returns a comparison.

    Args:
        name: one of `NAMES` or `SESSION_NAMES`.
        case: the sizes.

    Raises:
        UserError: there is no such pair.
    """
    check_name("model", name, NAMES + SESSION_NAMES)
    width, length = case.width, case.length
    if name == "gru4rec":
        return Pair(
            "gru4rec",
            {"embedding_dim": width, "dropout": 0.3},
            "GRU4Rec",
            {
                "embedding_size": width,
                "hidden_size": width,
                "num_layers": 1,
                "dropout_prob": 0.3,
            },
            train_samples=25_600,
        )
    if name == "caser":
        # RecBole has filters of every height up to the length, and one table.
        return Pair(
            "caser",
            {
                "embedding_dim": width,
                "window": length,
                "num_vertical": 4,
                "num_horizontal": 8,
                "dropout": 0.4,
                "tied": True,
            },
            "Caser",
            {
                "embedding_size": width,
                "nv": 4,
                "nh": 8,
                "dropout_prob": 0.4,
            },
            train_samples=1280,
        )
    if name == "srgnn":
        return Pair(
            "srgnn",
            {"embedding_dim": width, "num_steps": 1},
            "SRGNN",
            {"embedding_size": width, "step": 1},
            train_samples=10_240,
            our_samples=40_960,
        )
    if name == "narm":
        return Pair(
            "narm",
            {
                "embedding_dim": width,
                "hidden_dim": width,
                "dropout": 0.25,
                "session_dropout": 0.5,
            },
            "NARM",
            {
                "embedding_size": width,
                "hidden_size": width,
                "n_layers": 1,
                "dropout_probs": [0.25, 0.5],
            },
            train_samples=10_240,
            our_samples=40_960,
        )
    return Pair(
        "sasrec",
        {
            "embedding_dim": width,
            "num_layers": 2,
            "num_heads": 2,
            "dropout": 0.5,
        },
        "SASRec",
        {
            "hidden_size": width,
            "inner_size": width,
            "hidden_act": "relu",
            "n_layers": 2,
            "n_heads": 2,
        },
        train_samples=25_600,
    )


NAMES = ("gru4rec", "caser", "sasrec")

SESSION_NAMES = ("srgnn", "narm")
"""Models of sessions, whose objective is the softmax over the catalogue."""


def write(data: SequenceDataset, folder: Path) -> None:
    """Writes `log/log.inter`.

    Args:
        data: the data.
        folder: where `log` is made.
    """
    events = pd.DataFrame(
        {
            "user_id:token": np.asarray(data.user_ids)[data.sequences - 1],
            "item_id:token": np.asarray(data.item_ids)[data.items - 1],
            # Places instead of times: no ties, and exact in float32.
            "timestamp:float": places(data),
        }
    )
    (folder / "log").mkdir(exist_ok=True)
    events.to_csv(folder / "log" / "log.inter", sep="\t", index=False)


def settings(pair: Pair, case: Case, folder: str, code: str) -> dict[str, Any]:
    """Returns what `recbole_peer.py` reads.

    Args:
        pair: the models.
        case: the sizes.
        folder: where `write` wrote.
        code: not used, RecBole is a package.
    """
    options = options_of(folder, case.batch, case.negatives, case.length)
    return {
        "model": pair.theirs,
        "options": {**options, **pair.peer_options},
        "train_samples": pair.train_samples,
        "tests": {
            name: test
            for name, test in EVALUATIONS.items()
            if name in case.tasks
        },
    }


def options_of(
    folder: str,
    batch: int,
    negatives: int | str,
    length: int,
    seed: int = 2020,
) -> dict[str, Any]:
    """Returns the options of RecBole that do not depend on the model.

    Args:
        folder: where `log/log.inter` stands.
        batch: positives of a training batch.
        negatives: negatives of each positive. RecBole repeats the history
            for each of them and counts the repetitions as its batch. `"all"`
            is the softmax over the catalogue.
        length: the longest history.
        seed: of weights and negatives.
    """
    if negatives == "all":
        objective = {
            "loss_type": "CE",
            "train_batch_size": batch,
            "train_neg_sample_args": None,
        }
    else:
        objective = {
            "loss_type": "BPR",
            "train_batch_size": batch * negatives,
            "train_neg_sample_args": {
                "distribution": "uniform",
                "sample_num": negatives,
                "alpha": 1.0,
                "dynamic": False,
                "candidate_num": 0,
            },
        }
    return {
        **objective,
        "data_path": folder,
        "checkpoint_dir": folder,
        "use_gpu": False,
        "show_progress": False,
        "state": "ERROR",
        "seed": seed,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "MAX_ITEM_LIST_LENGTH": length,
        "eval_args": {
            "split": {"LS": "valid_and_test"},
            "group_by": "user",
            "order": "TO",
            "mode": "uni1000",
        },
        "metrics": ["NDCG", "Hit", "MRR"],
        "topk": [5],
        "valid_metric": "NDCG@5",
    }


def objective(negatives: int | str) -> str:
    """Returns our objective for a number of negatives."""
    return "softmax" if negatives == "all" else "bce"


RECBOLE = Library(
    name="RecBole",
    script="recbole_peer.py",
    models=NAMES,
    tasks=("train", *EVALUATIONS),
    make_pair=make_pair,
    write=write,
    settings=settings,
    objective=objective,
)
