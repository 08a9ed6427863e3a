"""FLOPs of MGNM, counted on paper."""

import numpy as np

from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.mgnm import MGNM


def mgnm_flops(
    length: np.ndarray | int,
    dim: int,
    interests: int,
    layers: int,
    iterations: int,
    candidates: int,
) -> np.ndarray | int:
    """Counts the FLOPs of one record's forward pass.

    A product and a sum are 2 FLOPs. What is counted are the products of
    matrices and vectors; what works element by element (gates, sigmoids,
    softmaxes, masks, look-ups) is left out, so the figure is a little low.
    With m = `length`, d = `dim`, K = `interests`, L = `layers`, tau =
    `iterations`, C = `candidates`:

    ```
    adjacency    2 m^2 d                            (if L > 0)
    propagation  L (2 m^2 d + 2 m d^2)
    projections  (L+1) 2 m d (K d)
    BiLSTM       (L+1) K m 2 (8 d^2 + 8 d^2)        (if tau > 1)
    its output   (L+1) K m 2 (2 d) d                (if tau > 1)
    routing      (L+1) K (2 tau - 1) 2 m d
    interests    (L+1) K 2 d^2
    scores       (L+1) K 2 d C
    ```

    Both directions of the LSTM take a product of d by 4 d from the input and
    one from the state at each step of the (L+1) K sequences. Routing sums the
    items tau times and compares with them tau - 1 times.

    Args:
        length: events of the history; an array for many records.
        dim: width of the vectors.
        interests: interests of a level.
        layers: graph layers.
        iterations: routing iterations.
        candidates: items that are scored.
    """
    levels = layers + 1
    sequences = levels * interests
    graph = 2 * length**2 * dim * (layers > 0)
    graph = graph + layers * (2 * length**2 * dim + 2 * length * dim**2)
    projections = levels * 2 * length * dim * interests * dim
    encoder = sequences * length * (32 * dim**2 + 4 * dim**2)
    routing = sequences * (2 * iterations - 1) * 2 * length * dim
    output = sequences * 2 * dim**2
    scores = sequences * 2 * dim * candidates
    return (
        graph
        + projections
        + encoder * (iterations > 1)
        + routing
        + output
        + scores
    )


def model_flops(
    model: SequentialRecommender, lengths: np.ndarray, candidates: int
) -> np.ndarray | None:
    """Counts the FLOPs of a forward pass of each record.

    Args:
        model: any model.
        lengths: int (n,), the lengths of the histories.
        candidates: items that are scored for each.

    Returns:
        int64 (n,); `None` for models that `mgnm_flops` does not describe.
    """
    parts = (
        "history_encoder",
        "interest_extractor",
        "sequence_encoder",
        "encoder_input",
    )
    described = (None, "capsule", "bilstm", "each")
    if not isinstance(model, MGNM) or described != tuple(
        getattr(model, part) for part in parts
    ):
        return None
    return mgnm_flops(
        np.asarray(lengths, np.int64),
        model.embedding_dim,
        model.num_interests,
        model.num_layers,
        model.routing_iterations,
        candidates,
    )
