"""What MGNM's loss adds for the size of its graph and parameters."""

from keras import ops

from mgnm_tf.types import Tensor
from mgnm_tf.utils.masking import valid_positions
from mgnm_tf.utils.masking import zero_invalid


def penalties(
    model, history: Tensor, items: Tensor, users, adjacency
) -> list[Tensor]:
    """Returns theta_1 |A| and theta_2 |parameters|^2, per positive.

    Args:
        model: an `MGNM`; its `adjacency_l1`, `l2` and `l2_scope` count.
        history: (B, m), the ids of the items that the batch read.
        items: (B, m, d), their vectors.
        users: (B, d), its user vectors, or `None`.
        adjacency: (B, m, m), or `None` without a graph.
    """
    losses = []
    batch = ops.cast(ops.shape(items)[0], "float32")
    if model.adjacency_l1 and adjacency is not None:
        total = ops.sum(ops.cast(adjacency, "float32"))
        losses.append(model.adjacency_l1 * total / batch)
    if not model.l2:
        return losses
    tables = [model.item_embedding.embeddings]
    if model.user_embedding is not None:
        tables.append(model.user_embedding.embeddings)
    read = [items] if users is None else [items, users]
    if model.predictor is not None:
        tables.append(model.predictor.item_embedding.embeddings)
        rows = model.predictor.item_embedding(history)
        read.append(zero_invalid(rows, valid_positions(history)))
    ids = {id(table) for table in tables}
    others = [w for w in model.trainable_variables if id(w) not in ids]
    rows = read if model.l2_scope == "batch" else []
    once = others + (tables if model.l2_scope == "all" else [])
    total = sum(square_sum(part) for part in rows)
    total += sum(square_sum(part) for part in once) / model.num_replicas
    return [*losses, model.l2 * total / batch]


def candidate_penalty(model, interests: Tensor, candidates: Tensor) -> Tensor:
    """Returns theta_2 |rows of the candidates|^2, per positive.

    Args:
        model: an `MGNM`; its `l2` counts.
        interests: of the B histories, batch axis first.
        candidates: (B, C, d), or (S, d) of a list that the batch shares.
    """
    batch = ops.cast(ops.shape(interests)[0], "float32")
    total = square_sum(candidates)
    if len(candidates.shape) == 2:
        total = total / model.num_replicas
    return model.l2 * total / batch


def square_sum(values) -> Tensor:
    """Returns the sum of the squares of a tensor or variable, float32."""
    values = ops.cast(ops.convert_to_tensor(values), "float32")
    return ops.sum(ops.square(values))
