"""Evaluating a model on a protocol."""

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mgnm_tf.data.batches.pipeline import evaluation_order
from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.dataset import check_data_set
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.protocol import TIES
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.evaluation.ranking import RankingModel
from mgnm_tf.evaluation.ties import is_later
from mgnm_tf.evaluation.ties import with_shuffled_ties

if TYPE_CHECKING:
    from mgnm_tf.models.base import SequentialRecommender

logger = logging.getLogger(__name__)

# Scores of which XLA saves as much time as compiling takes (Toys and Games,
# 19 million: 1 to 4 s to compile, 0.1 to 0.4 s saved).
_WORTH_COMPILING = 100_000_000


def evaluate(
    model: "SequentialRecommender",
    data: SequenceDataset,
    protocol: Protocol | None = None,
    *,
    batch_size: int = 256,
    chunk_size: int = 1024,
    verbose: int = 0,
) -> Evaluation:
    """Ranks the positive of every sample of a part.

    Args:
        model: a model for these data.
        data: the split data.
        protocol: what is ranked against what. Defaults to `None`:
            `Protocol()`, with no longer histories than the model reads.
        batch_size: the most histories at a time; changes no figure. Fewer
            for models with `max_pairs`. Defaults to 256.
        chunk_size: items at a time when the whole catalogue is ranked.
            Defaults to 1024.
        verbose: 1 shows a progress bar. Defaults to 0.

    Returns:
        An `Evaluation`. Its protocol is the one that was followed: the whole
        catalogue is ranked where it has no more items than are to be drawn.

    Raises:
        UserError: the model was made for other data, or reads shorter
            histories than the protocol shows, or no sample has a negative.
        DataError: the part is empty, the data lack a feature, or they have
            no timestamps for `later_only` or `shuffle_ties`.
        TypeError: `model` is no model, or `data` are no data set.
    """
    check_data_set(data)
    if not hasattr(model, "data_fingerprint"):
        raise TypeError(
            "`model` must be a model of this package with its weights; a run "
            "is evaluated by Run(...).evaluate(). Received: "
            f"{type(model).__name__}"
        )
    protocol = followed(protocol or _readable(model), data)
    _check_same_data(model, data)
    if protocol.shuffle_ties is not None:
        data = with_shuffled_ties(data, protocol.part, protocol.shuffle_ties)
    positions, result = _rank(
        model, data, protocol, batch_size, chunk_size, verbose
    )
    order = np.argsort(positions)
    if protocol.later_only:
        order = order[is_later(data, positions[order])]
    positions = positions[order]
    samples = {
        "user_id": _raw_ids(data.user_ids, data.sequences[positions]),
        "item_id": _raw_ids(data.item_ids, data.items[positions]),
        "position": positions.astype(np.int64),
        "rank": result["rank"][order],
        "num_negatives": result["num_negatives"][order].astype(np.int64),
    }
    evaluation = Evaluation(protocol, pd.DataFrame(samples))
    if lacking := evaluation.counts()["without_negatives"]:
        logger.warning(
            "%d of the %d %s samples have no negative and do not count.",
            lacking,
            len(positions),
            protocol.part,
        )
    return evaluation


def _readable(model: "SequentialRecommender") -> Protocol:
    """Returns the protocol of a model for which none is given."""
    usual = Protocol()
    limit = getattr(model, "max_length", usual.max_length)
    return Protocol(max_length=min(usual.max_length, limit))


def followed(protocol: Protocol, data: SequenceDataset) -> Protocol:
    """Returns the protocol that can be followed on the data, and says so.

    Args:
        protocol: what is asked for.
        data: the split data.
    """
    possible = protocol.for_catalogue(data.num_items)
    if possible != protocol:
        logger.warning(
            "%d negatives are asked for, but there are %d items: the whole "
            "catalogue is ranked.",
            protocol.negatives,
            data.num_items,
        )
    return possible


def _check_same_data(
    model: "SequentialRecommender", data: SequenceDataset
) -> None:
    """Refuses data that the model was not made for, as far as it is known."""
    for name in ("num_users", "num_items"):
        expected, found = getattr(model, name), getattr(data, name)
        if expected != found:
            raise UserError(
                f"The model was made for {name}={expected}, but the data "
                f"have {name}={found}; evaluate it on the data it was "
                "trained on."
            )
    if model.data_fingerprint not in (None, data.fingerprint):
        raise UserError(
            "The model was made for other data of the same sizes: their "
            "fingerprints differ. Evaluate it on the data it was trained on."
        )


def _rank(model, data, protocol, batch_size, chunk_size, verbose):
    """Returns the positions of all samples, and `RankingModel`'s result."""
    everything = protocol.negatives == "all"
    if everything:
        # A multiple of the width of vector instructions.
        chunk_size = min(chunk_size, 16 * (data.num_items // 16 + 1))
        candidates, compared = chunk_size, data.num_items
    else:
        candidates = compared = 1 + protocol.negatives
    dataset = make_dataset(
        data,
        protocol.part,
        batch_size=model.max_batch_size(batch_size, candidates),
        max_length=protocol.max_length,
        negatives=0 if everything else protocol.negatives,
        exclude=protocol.exclude,
        features=(*model.required_features, "excluded"),
        seed=protocol.seed,
    )
    limit = getattr(model, "max_length", None)
    if limit is not None and dataset.history_width > limit:
        raise UserError(
            f"The protocol shows up to {protocol.max_length} events of a "
            f"history, of which this model reads at most {limit}; give "
            f"Protocol(max_length={limit}), or fewer."
        )
    positions = evaluation_order(
        data, protocol.part, max_length=protocol.max_length
    )
    long = len(positions) * compared >= _WORTH_COMPILING
    ranking = RankingModel(
        model,
        everything,
        chunk_size,
        compile_scores=long,
        tie=TIES[protocol.tied_scores],
    )
    return positions, ranking.predict(dataset, verbose=verbose)


def _raw_ids(vocabulary, codes: np.ndarray) -> np.ndarray:
    """Returns the raw ids of codes that start at 1."""
    return np.asarray(vocabulary, dtype=object)[np.asarray(codes) - 1]
