"""How well items without a training event are ranked by their features.

`python -m benchmarks.studies.cold_items RUN LOG FEATURES --out FILE`. A run on
data that are split by time cannot rank the items that are new in its test
part. Here the events of these items, which the split left out, are ranked
among all such items: by what the training with `--item-features` learned, or
for a run without them by what `mgnm export --item-features` learns, and by
rankings that know categories alone.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from typing import Any

import numpy as np
import typer

from benchmarks.app import sentences
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, eq=False)
class ColdEvents:
    """Test events of items without a training event.

    Args:
        items: ids of these items, (C,).
        histories: int32 (n, m), the last known items before each event,
            padded with 0 at the end.
        targets: int (n,), places in `items`.
        total: how many there are, those without a known history included.
    """

    items: list[str]
    histories: np.ndarray
    targets: np.ndarray
    total: int


def cold_events(log, data, max_length: int) -> ColdEvents:
    """Finds the test events that a split by time left out.

    Args:
        log: a `DataFrame` with `user_id`, `item_id` and `timestamp` in
            seconds, ids as text.
        data: the `SequenceDataset` made of it.
        max_length: the longest history.
    """
    start = data.metadata["split"]["test_from"]
    rows = {item: row for row, item in enumerate(data.item_ids, start=1)}
    tested = log[(log["timestamp"] >= start) & ~log["item_id"].isin(rows)]
    items = sorted(tested["item_id"].unique())
    places = {item: place for place, item in enumerate(items)}
    histories, targets = [], []
    ordered = log.sort_values(["user_id", "timestamp"], kind="stable")
    for _, events in ordered.groupby("user_id", sort=False):
        known: list[int] = []
        for item, moment in zip(
            events["item_id"], events["timestamp"], strict=True
        ):
            if item in rows:
                known.append(rows[item])
            elif moment >= start and known:
                histories.append(known[-max_length:])
                targets.append(places[item])
    table = np.zeros((len(histories), max_length), np.int32)
    for row, history in enumerate(histories):
        table[row, : len(history)] = history
    return ColdEvents(items, table, np.array(targets), len(tested))


def metrics_of(scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Returns NDCG@5, HIT@5, HIT@20 and AUC; ties count by half.

    Args:
        scores: (n, C).
        targets: (n,), the columns of the true items.
    """
    positive = scores[np.arange(len(targets)), targets][:, None]
    rank = (scores > positive).sum(axis=1)
    rank = rank + 0.5 * ((scores == positive).sum(axis=1) - 1)
    found = np.where(rank < 5, 1 / np.log2(rank + 2), 0.0)
    values = {
        "ndcg@5": found.mean(),
        "hit@5": (rank < 5).mean(),
        "hit@20": (rank < 20).mean(),
        "auc": 1 - rank.mean() / (scores.shape[1] - 1),
    }
    return {name: round(float(value), 4) for name, value in values.items()}


def by_category(events: ColdEvents, data, category: dict[str, str]):
    """Yields rankings by category alone: name -> scores (n, C)."""
    trained = np.asarray(data.items)[np.asarray(data.parts) == 0]
    counts = np.bincount(trained, minlength=data.num_items + 1)
    names = sorted(set(category.values()))
    place = {name: index for index, name in enumerate(names, start=1)}
    known = np.array([0, *(place[category[one]] for one in data.item_ids)])
    cold = np.array([place[category[one]] for one in events.items])
    popular = np.bincount(known, counts, minlength=len(names) + 1)
    shape = (len(events.targets), len(cold))
    yield "popularity of the category", np.broadcast_to(popular[cold], shape)
    shares = np.zeros((len(events.targets), len(names) + 1))
    for column in known[events.histories].T:
        shares[np.arange(len(shares)), column] += 1
    shares[:, 0] = 0
    shares += 1e-3 * popular / popular.max()
    yield "share of the category in the history", shares[:, cold]


def by_features(events: ColdEvents, data, model, features):
    """Returns the scores (n, C) of a model by what it learned of features."""
    from mgnm_tf.export.feature_map import FeatureMap
    from mgnm_tf.export.feature_map import learn_features
    from mgnm_tf.export.vocabularies import Vocabularies

    if model.item_features is not None:
        learned = FeatureMap.of_model(model)
    else:
        learned = learn_features(model, Vocabularies.from_data(data), features)
    place = {item: row for row, item in enumerate(features.ids)}
    vectors = learned(features.rows(np.array([place[i] for i in events.items])))
    parts = []
    for start in range(0, len(events.histories), 256):
        history = events.histories[start : start + 256]
        user = np.zeros(len(history), np.int32)
        encoded = model.encode({"user": user, "history": history})
        parts.append(np.asarray(model.score_vectors(encoded, vectors)))
    return np.concatenate(parts)


@app.command()
def main(
    run: Annotated[Path, typer.Argument(help="A run on a split by time.")],
    log: Annotated[Path, typer.Argument(help="The log, with `category`.")],
    features: Annotated[
        Path, typer.Argument(help="Parquet file of item features.")
    ],
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
) -> None:
    """Rank items that have no training event."""
    with sentences():
        load_tensorflow()
        import pandas as pd

        from benchmarks.machine import describe_machine
        from mgnm_tf.data.item_features import read_item_features
        from mgnm_tf.runs.run import Run
        from mgnm_tf.training.evaluate_run import same_data
        from mgnm_tf.utils.files import atomic_write

        made = Run(run)
        data = same_data(run, None, made.environment["data"])
        text = {name: str for name in ("user_id", "item_id", "category")}
        table = pd.read_csv(log, dtype=text)
        events = cold_events(table, data, made.config.max_length)
        pairs = table.drop_duplicates("item_id")[["item_id", "category"]]
        category = dict(pairs.itertuples(index=False))
        report: dict[str, Any] = {
            "machine": describe_machine(),
            "model": made.config.recipe,
            "id_dropout": made.config.id_dropout
            if made.config.item_features
            else None,
            "known items": made.metrics["test"],
            "events": events.total,
            "with a history": len(events.targets),
            "items": len(events.items),
            "rows": {},
        }
        everything = read_item_features(features)
        model = made.load_model()
        rankings = dict(by_category(events, data, category))
        name = f"{made.config.model}, {', '.join(_columns(everything))}"
        rankings[name] = by_features(events, data, model, everything)
        for name, scores in rankings.items():
            row = metrics_of(scores, events.targets)
            report["rows"][name] = row
            console.print(f"{name}: {row}")
        atomic_write(out, json.dumps(report, indent=1) + "\n")


def _columns(features) -> list[str]:
    return [*features.numbers, *features.classes]


if __name__ == "__main__":
    app()
