"""The front door: train a model, and ask the run for the rest."""

import os
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.export.export import make_served
from mgnm_tf.export.export_run import export_run
from mgnm_tf.export.vocabularies import Vocabularies
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.run import Run as RecordedRun
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.training import fit
from mgnm_tf.training.evaluate_run import evaluate_run
from mgnm_tf.training.evaluate_run import same_data
from mgnm_tf.training.workers import Workers


@dataclass(frozen=True)
class Run(RecordedRun):
    """A trained model in its run folder: evaluate it, recommend, export.

    Args:
        path: the run folder.
        data: the data set that it was trained on. Defaults to `None`: the
            data folder noted in the run.

    Raises:
        UserError: from each of its verbs and values, if the folder is not
            there, not finished or not a run, or the data are others.

    Example:

    ```
    data = mgnm_tf.split_log(mgnm_tf.read_log("interactions.csv"))
    run = mgnm_tf.train(data, "mgnm", out="runs/a")
    run.evaluate()["ndcg@5"], run.best_epoch
    run.recommend(users=["anna"], k=10)
    run.export("exports/a")
    ```
    """

    data: SequenceDataset | None = field(default=None, repr=False)

    def evaluate(
        self, protocol: Protocol | None = None, *, verbose: int = 0
    ) -> dict[str, float]:
        """Returns the metrics of the part that is evaluated.

        Args:
            protocol: how to evaluate. Defaults to `None`: as the training
                did at its end, whose metrics are read from the run folder.
            verbose: 0 silent, 1 progress bar. Defaults to 0.

        Returns:
            Name of a metric -> value, as `{"gauc": ..., "ndcg@5": ...}`.
        """
        if not isinstance(protocol, Protocol | None):
            raise UserError(
                "`protocol` must be a Protocol, as "
                f"Protocol(part='validation'). Received: {protocol!r}"
            )
        stored = self.metrics
        if protocol is None:
            return dict(stored[stored["protocol"]["part"]])
        found = evaluate_run(self, self._dataset, protocol, verbose)
        return dict(found[protocol.part])

    def recommend(
        self,
        users: Sequence[Any] | None = None,
        k: int = 10,
        *,
        histories: Sequence[Sequence[str]] | pd.DataFrame | None = None,
        exclude_seen: bool = True,
    ) -> pd.DataFrame:
        """Recommends what comes next to users of the data, or to others.

        The history of a user are all events of the log, those of validation
        and test included. For many requests export the run and open it with
        `mgnm_tf.serving.Recommender`.

        Args:
            users: raw ids. Defaults to `None`: all users of the data.
            k: number of items. Defaults to 10.
            histories: the items of each user in the place of those of the
                data, see `mgnm_tf.serving.Recommender.recommend`; `users` are
                then the ids of its rows. Defaults to `None`.
            exclude_seen: whether items of the history are left out. Defaults
                to `True`.

        Returns:
            Columns `user_id`, `rank` (from 1), `item_id` and `score`, in the
            order of `users`.

        Raises:
            UserError: a user is not in the data, `k` is not positive, or
                `histories` cannot be used.
        """
        if histories is not None:
            return self._recommender.recommend(
                histories, k=k, users=users, exclude_seen=exclude_seen
            )
        data = self._dataset
        names = np.asarray(data.user_ids, object)
        if users is None:
            codes = np.arange(len(names))
        elif isinstance(users, (str, int)):
            raise UserError(
                f"`users` must be a list of ids. Received: {users!r}; give "
                f"[{users!r}]."
            )
        else:
            wanted = list(dict.fromkeys(map(str, users)))
            codes = pd.Index(names).get_indexer(wanted)
            for user, code in zip(wanted, codes, strict=True):
                if code < 0:
                    raise UserError(f"There is no user {user!r} in the data.")
        if not len(codes):
            raise UserError("`users` is empty; name at least one user.")
        # Sequence 0 is that of the unknown user.
        first, last = np.asarray(data.offsets)[[codes + 1, codes + 2]]
        positions = np.concatenate(list(map(np.arange, first, last)))
        items = np.asarray(data.item_ids, object)
        columns = {
            "user_id": np.repeat(names[codes], last - first),
            "item_id": items[np.asarray(data.items)[positions] - 1],
        }
        if self._recommender.metadata["reads_times"]:
            times = np.asarray(data.times)[positions]
            columns["timestamp"] = pd.to_datetime(times, unit=data.time_unit)
        histories = pd.DataFrame(columns)
        return self._recommender.recommend(
            histories, k=k, exclude_seen=exclude_seen
        )

    def export(
        self,
        path: str | os.PathLike,
        *,
        index: bool = False,
        onnx: bool = False,
        item_features: str | os.PathLike | pd.DataFrame | None = None,
    ) -> Path:
        """Writes a SavedModel that takes and gives raw ids, and proves it.

        Args:
            path: the folder to make.
            index: whether an index for large catalogues is written, too
                (extra `[retrieval]`). Defaults to `False`.
            onnx: whether encoder and item vectors are written for ONNX, too
                (extra `[onnx]`). Defaults to `False`.
            item_features: a Parquet file or a table with `item_id` and what
                is known of the items, from which vectors of new ones are
                learned; a run that was trained with features needs none.
                Defaults to `None`.

        Returns:
            The folder, see `mgnm_tf.export.export_run.export_run`.
        """
        export_run(
            self,
            path,
            self._dataset,
            index=index,
            onnx=onnx,
            item_features=item_features,
        )
        return Path(path)

    @cached_property
    def _dataset(self) -> SequenceDataset:
        recorded = self.environment["data"]
        return same_data(Path(self.path), self.data, recorded)

    @cached_property
    def _recommender(self) -> Recommender:
        vocabularies = Vocabularies.from_data(self._dataset)
        served, signatures, metadata = make_served(
            self.load_model(), vocabularies, self.config.max_length
        )
        return Recommender(
            served, metadata, vocabularies, signatures=signatures
        )


def train(
    data: SequenceDataset | str | os.PathLike,
    recipe: str | os.PathLike | Recipe | TrainConfig | None,
    out: str | os.PathLike,
    *,
    continue_from: str | os.PathLike | None = None,
    options: Mapping[str, Any] | None = None,
    protocol: Protocol | None = None,
    verbose: int = 1,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    track: str | None = None,
    workers: Workers | None = None,
    **settings: Any,
) -> Run:
    """Trains a model and returns its run.

    Args:
        data: a data set, or the folder of one.
        recipe: what to train and how: `"mgnm"`, the recipe that is
            recommended, `"mgnm:paper+without_graph"`, the path of a TOML
            file, a `Recipe`, or the result of `configure`. With
            `continue_from` it may be `None`.
        out: the run folder to make. After an interruption the same call
            continues after the last whole epoch.
        continue_from: a run that is trained further on `data`, which hold
            all its users and items, and later events: a few epochs on the
            events that it has not seen. New items begin as the mean of their
            category, new users as the mean user; the optimizer goes on.
            Defaults to `None`: a new training.
        options: constructor arguments of the model that win over the recipe.
        protocol: how to evaluate at the end. Defaults to `None`: as the
            recipe validates, among 1,000 items or all, with the history
            length and the cut-offs of the run.
        verbose: Keras's: 0 silent, 1 progress bar, 2 a line an epoch.
            Defaults to 1.
        callbacks: further Keras callbacks, called before those of the run.
        track: "mlflow", "wandb" or "tensorboard": follows the run there, too
            (extra of the same name). Defaults to `None`.
        workers: the processes that train together, each of which makes this
            call, see `mgnm_tf.cluster.hosts.Hosts`. Defaults to `None`: this
            one alone.
        **settings: what else wins over the recipe, see `configure`: `seed`,
            `epochs`, `learning_rate`, `k`, ...; `item_features`, a Parquet
            file, is what the item table knows besides ids, so that new items
            have vectors at once.

    Returns:
        The run.

    Raises:
        TypeError: the data are a log, a table or something else.
        UserError: `out` exists, cannot be written or is being written by
            another process, an unfinished run there differs, a name is
            unknown, the training diverges, or the run to go on from is of
            another model or recipe, or of data with other ids.
    """
    path = fit.train(
        data,
        recipe,
        out,
        continue_from=continue_from,
        options=options,
        protocol=protocol,
        verbose=verbose,
        callbacks=callbacks,
        track=track,
        workers=workers,
        **settings,
    )
    return Run(path, data if isinstance(data, SequenceDataset) else None)
