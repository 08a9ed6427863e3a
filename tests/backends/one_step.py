"""Runs every layer and MGNM, forward and through one gradient step.

Run as a script, it does so on the backend named by KERAS_BACKEND and writes
all numbers into an `.npz`: `python -m tests.backends.one_step OUT`.
"""

import inspect
import sys

import keras
import numpy as np

from baselines.lessr.edge_order_aggregation import EdgeOrderAggregation
from baselines.lessr.shortcut_attention import ShortcutAttention
from baselines.mimn.memory_cell import MemoryCell
from baselines.sasrec.causal_transformer import CausalTransformer
from baselines.sasrec.interval_transformer import IntervalTransformer
from baselines.slirec.time_lstm import TimeLSTM
from baselines.slirec.time_lstm_cell import TimeLSTMCell
from baselines.surge.augru_cell import AUGRUCell
from baselines.surge.graph_pooling import GraphPooling
from baselines.surge.interest_graph import InterestGraph
from baselines.tgsrec.temporal_attention import TemporalAttention
from baselines.tgsrec.temporal_neighbors import TemporalNeighbors
from baselines.tgsrec.time_encoding import TimeEncoding
from baselines.timirec.post_norm_transformer import PostNormTransformer
from baselines.timirec.self_attentive_extractor import SelfAttentiveExtractor
from mgnm_tf import layers
from mgnm_tf.losses import CatalogueSoftmax
from mgnm_tf.losses import SampledSoftmax
from mgnm_tf.losses import SigmoidCrossEntropy
from mgnm_tf.models.registry import create_model

MASK = np.arange(4)[None] < np.array([4, 2, 0])[:, None]
FEATURES = {
    "user": np.array([1, 0, 3], "int32"),
    "history": np.array([[3, 4, 4, 7], [2, 5, 0, 0], [0, 0, 0, 0]], "int32"),
    "candidates": np.array([[1, 2, 3], [6, 7, 8], [9, 1, 4]], "int32"),
}
LABELS = np.array([[1, 0, 0]] * 3, "float32")
SHARED = {**FEATURES, "shared_negatives": np.array([5, 6], "int32")}
SHARED_LABELS = np.array([[1, 0, 0, 0, -1]] * 3, "float32")


def numbers(*shape, seed=0):
    values = np.random.default_rng(seed).normal(size=shape)
    return values.astype("float32")


def layer_cases():
    """Yields (name, layer, inputs by argument name)."""
    items = numbers(3, 4, 6) * MASK[..., None]
    adjacency = np.abs(numbers(3, 4, 4)) * MASK[:, None] * MASK[..., None]
    yield (
        "UserAwareAdjacency",
        layers.UserAwareAdjacency(),
        {"items": items, "users": numbers(3, 6), "valid_mask": MASK},
    )
    yield (
        "GraphPropagation",
        layers.GraphPropagation(2, use_bias=True),
        {
            "items": items,
            "adjacency": adjacency.astype("float32"),
            "valid_mask": MASK,
        },
    )
    yield "Squash", layers.Squash(), {"vectors": items}
    for kind in ("bilstm", "gru", "transformer", "hstu"):
        yield (
            f"SequenceEncoder_{kind}",
            layers.SequenceEncoder(kind, max_length=4),
            {"items": items, "valid_mask": MASK},
        )
    times = np.array([[1, 5, 5, 900], [0, 60, 0, 0], [0, 0, 0, 0]], "int32")
    places = np.tile(np.arange(4, dtype="int32"), (3, 1))
    yield (
        "RelativeBias",
        layers.RelativeBias(4),
        {
            "row_places": places,
            "places": places[0],
            "row_times": times,
            "times": times,
        },
    )
    yield (
        "TransductionUnit",
        layers.TransductionUnit(2, max_length=4),
        {"items": items, "bias": numbers(3, 4, 4, seed=1), "valid_mask": MASK},
    )
    for kind in ("before", "query", "after"):
        yield (
            f"CausalTransformer_{kind}",
            CausalTransformer(
                2, normalization=kind, return_sequences=kind == "query"
            ),
            {"items": items, "valid_mask": MASK},
        )
    for kind in ("all", "newest"):
        block = IntervalTransformer(2, return_sequences=kind == "all")
        block.build(items.shape)
        inputs = {
            "items": items,
            "place_keys": numbers(3, 4, 6, seed=1),
            "place_values": numbers(3, 4, 6, seed=2),
            "intervals": np.arange(48).reshape(3, 4, 4) % 5,
            "interval_keys": numbers(5, 6, seed=3),
            "interval_values": numbers(5, 6, seed=4),
            "valid_mask": MASK,
        }
        if kind == "newest":
            inputs["intervals"] = inputs["intervals"][:, :1]
        yield f"IntervalTransformer_{kind}", block, inputs
    yield (
        "SequentialCapsule",
        layers.SequentialCapsule(2, routing_noise=0.0),
        {"items": items, "valid_mask": MASK},
    )
    levels = {"levels": np.stack([items, 2 * items], 1), "valid_mask": MASK}
    for name, extractor in (
        ("CapsuleExtractor", layers.CapsuleExtractor(2, routing_noise=0.0)),
        ("BiLSTMExtractor", layers.BiLSTMExtractor()),
        ("SumExtractor", layers.SumExtractor()),
        ("ItemExtractor", layers.ItemExtractor()),
    ):
        yield name, extractor, levels
    yield (
        "LabelAwareAttention",
        layers.LabelAwareAttention(power=2.0),
        {"interests": numbers(3, 2, 6), "positive": numbers(3, 6)},
    )
    mixer = {"num_levels": 3, "num_heads": 2, "dropout": 0.0}
    for name, options in (
        ("sum", {}),
        (
            "released",
            {
                "query": "concat",
                "head_split": "released",
                "mask_first_softmax": False,
            },
        ),
    ):
        readout = layers.AttenMixerReadout(**mixer, **options)
        readout.build(items.shape)
        yield (
            f"AttenMixerReadout_{name}",
            readout,
            {"states": items, "valid_mask": MASK},
        )
    yield "RecencyPrior", layers.RecencyPrior(2, 4), {"valid_mask": MASK}
    # A sum behind it: the length of the result alone has no gradient.
    scale = keras.Sequential(
        [
            layers.InterestScale(temperature=0.5),
            keras.layers.Dense(1, kernel_initializer="ones"),
        ]
    )
    yield "InterestScale", scale, {"inputs": numbers(3, 4, 6)}
    yield (
        "DynamicRouting",
        layers.DynamicRouting(2),
        {
            "items": items,
            "valid_mask": MASK,
            "logits": numbers(3, 2, 4, seed=1),
        },
    )
    yield (
        "MaxInterest",
        layers.MaxInterest(),
        {
            "interests": numbers(3, 4, 6),
            "candidates": numbers(3, 5, 6, seed=1),
        },
    )
    yield (
        "InterestAttention",
        layers.InterestAttention(),
        {
            "interests": numbers(3, 2, 4, 6),
            "candidates": numbers(3, 5, 6, seed=1),
        },
    )
    yield (
        "UserEmbedding",
        layers.UserEmbedding(3, 6),
        {"users": np.array([0, 3, 1], "int32")},
    )
    cell = MemoryCell(item_dim=6, hidden_dim=5)
    cell.initial_memory.assign(0.5 * numbers(4, 6))
    yield "MemoryCell", LookUp(cell), {"items": items}
    graph = InterestGraph()
    graph.build((3, 4, 6))
    graph.metric.assign(numbers(1, 6, seed=1))
    # The mask stands first: the scale of items does not change the graph.
    yield "InterestGraph", graph, {"valid_mask": MASK, "items": items}
    yield (
        "GraphPooling",
        GraphPooling(2),
        {"fitness": numbers(3, 2, 4), "valid_mask": MASK},
    )
    cell = AUGRUCell(4)
    steps = numbers(3, 4, 13, seed=1)
    yield "AUGRUCell", keras.layers.RNN(cell), {"sequences": steps}
    yield "LevelPooling", layers.LevelPooling(), {"scores": numbers(3, 2, 5)}
    yield from temporal_cases()
    yield from target_cases()
    yield from session_cases()
    yield from lessr_cases()
    yield from timirec_cases()


def timirec_cases():
    """Yields the cases of the layers that only the family of TiMiRec has."""
    inputs = {"items": numbers(3, 4, 6), "valid_mask": MASK}
    plain = {"initializer": "glorot_uniform"}
    yield "PostNormTransformer", PostNormTransformer(**plain), inputs
    extractor = SelfAttentiveExtractor(2, transformer=True, **plain)
    extractor.build((3, 4, 6))
    yield "SelfAttentiveExtractor", extractor, inputs
    predictor = layers.InterestPredictor(9, 6, 2, dropout=0.0, **plain)
    predictor.build()
    yield "InterestPredictor", predictor, {"history": FEATURES["history"]}


def lessr_cases():
    """Yields the cases of the layers that only LESSR has."""
    inputs = {
        "nodes": numbers(3, 4, 6) * MASK[..., None],
        # What comes at once again, and what comes again later.
        "alias": np.array([[0, 1, 1, 0], [0, 0, 2, 3], [0, 1, 2, 3]], "int32"),
        "valid_mask": MASK,
    }
    for kind in (EdgeOrderAggregation, ShortcutAttention):
        layer = kind(5)
        layer.build((3, 4, 6))
        yield kind.__name__, layer, inputs


def session_cases():
    """Yields the cases of layers that read the graph of a session."""
    history = FEATURES["history"]
    items = numbers(3, 4, 6) * MASK[..., None]
    yield "SessionGraph", layers.SessionGraph(), {"history": history}
    edges = np.tile(np.eye(4, k=1, dtype="float32"), (3, 1, 1))
    yield (
        "GatedGraphStep",
        layers.GatedGraphStep(),
        {
            "nodes": items,
            "adjacency_in": edges.transpose(0, 2, 1),
            "adjacency_out": edges,
            "node_mask": MASK,
        },
    )
    yield (
        "SessionGraphEncoder",
        layers.SessionGraphEncoder(2),
        {"items": items, "history": history},
    )
    yield (
        "StarGraphEncoder",
        layers.StarGraphEncoder(2, use_projections=True),
        {"items": items, "history": history},
    )
    yield (
        "SoftAttentionReadout",
        layers.SoftAttentionReadout(use_context=True),
        {"states": items, "valid_mask": MASK, "context": numbers(3, 6)},
    )


def target_cases():
    """Yields the cases of layers that ask a history about a candidate."""
    items = numbers(3, 4, 6) * MASK[..., None]
    yield (
        "ItemEmbedding",
        layers.ItemEmbedding(9, 6),
        {"items": np.array([[1, 9, 0]], "int32")},
    )
    pooling = layers.AttentivePooling("tanh")
    pooling.build(items.shape)
    yield (
        "AttentivePooling",
        pooling,
        {"items": items, "valid_mask": MASK},
    )
    recurrence = TimeLSTM(5)
    recurrence.build(items.shape)
    yield (
        "TimeLSTM",
        recurrence,
        {
            "items": items,
            "times": numbers(3, 4, 2, seed=1),
            "valid_mask": MASK,
        },
    )
    yield (
        "TimeLSTMCell",
        keras.layers.RNN(TimeLSTMCell(2)),
        {"sequences": numbers(3, 4, 12)},
    )
    attention = layers.TargetAttention()
    attention.build((3, 4, 6), (3, 1, 5))
    yield (
        "TargetAttention",
        attention,
        {
            "keys": items,
            "queries": numbers(3, 1, 5, seed=1),
            "valid_mask": MASK,
        },
    )
    yield (
        "FeedForward",
        Parts(layers.FeedForward()),
        {"users": numbers(3, 1, 6), "items": numbers(3, 4, 5, seed=1)},
    )


class LookUp(keras.layers.Layer):
    """Asks the memory that a history leaves about the history's items."""

    def __init__(self, cell):
        super().__init__()
        self.memory = keras.layers.RNN(cell, return_state=True)

    def build(self, shape):
        self.memory.build(shape)

    def call(self, items):
        _, *states = self.memory(items)
        return self.memory.cell.look_up(items, states)


class Parts(keras.layers.Layer):
    """Gives a layer its inputs as one list."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def build(self, *shapes):
        self.layer.build(list(shapes))

    def call(self, users, items, training=False):
        return self.layer([users, items], training=training)


def temporal_cases():
    """Yields the cases of layers that read a temporal graph."""
    neighbors = TemporalNeighbors(4, 2, 3, sampling="recent")
    graph = {
        "offsets": np.array([0, 0, 2, 3, 4], "int32"),
        "neighbors": np.array([2, 3, 1, 1], "int32"),
        "times": np.array([0, 10, 0, 10], "int32"),
        "origin": np.array(1_600_000_000),
    }
    neighbors.assign(graph)
    yield (
        "TemporalNeighbors",
        neighbors,
        {
            "nodes": np.array([1, 1, 3], "int32"),
            "times": np.array([10, 11, 9], "int32"),
        },
    )
    yield (
        "TimeEncoding",
        TimeEncoding(4),
        {"gaps": np.array([0, 3, 20], "int32")},
    )
    attention = TemporalAttention()
    attention.build((3, 6), (3, 2))
    yield (
        "TemporalAttention",
        attention,
        {
            "nodes": numbers(3, 6),
            "query_codes": numbers(3, 2),
            "neighbors": numbers(3, 4, 6),
            "time_codes": numbers(3, 4, 2),
            "valid_mask": MASK,
        },
    )


def set_weights(model):
    """Gives every trainable weight the same numbers on every backend."""
    for index, weight in enumerate(model.trainable_weights):
        weight.assign(0.5 * numbers(*weight.shape, seed=index))


class Harness(keras.Model):
    """Adds a weight, before the first input unless it holds ids."""

    def __init__(self, layer, inputs):
        super().__init__()
        self.layer = layer
        self.first, *self.others = inputs
        self.scale = self.add_weight(name="scale", shape=())
        if not layer.built:
            layer.build(*(value.shape for value in inputs.values()))
        self.built = True

    def call(self, inputs, training=False):
        values = dict(inputs)
        if "training" in inspect.signature(self.layer.call).parameters:
            # The JAX trainer calls `call` itself, so this is not handed on.
            values["training"] = training
        if keras.backend.is_float_dtype(values[self.first].dtype):
            values[self.first] = values[self.first] * self.scale
            return joined(self.layer(**values))
        return joined(self.layer(**values)) * self.scale


def joined(outputs):
    """Returns the outputs of a layer as one tensor."""
    if not isinstance(outputs, tuple):
        return outputs
    parts = [
        keras.ops.cast(keras.ops.reshape(x, (x.shape[0], -1)), "float32")
        for x in outputs
        if x is not None
    ]
    return keras.ops.concatenate(parts, axis=-1)


def run_model(model, features, loss, labels=None):
    set_weights(model)
    # Before the first call, as it throws away what was made for calls.
    model.compile(keras.optimizers.SGD(0.1), loss)
    results = {"before": np.asarray(model.predict_on_batch(features))}
    if labels is None:
        labels = numbers(*results["before"].shape, seed=2)
    results["loss"] = np.asarray(model.train_on_batch(features, labels))
    for index, weight in enumerate(model.trainable_weights):
        results[f"weight_{index}"] = keras.ops.convert_to_numpy(weight.value)
    results["after"] = np.asarray(model.predict_on_batch(features))
    return results


def run_all():
    """Returns {"case/number": array}."""
    results = {}
    for name, layer, inputs in layer_cases():
        case = run_model(Harness(layer, inputs), inputs, "mean_squared_error")
        results.update({f"{name}/{key}": v for key, v in case.items()})
    for name, features, loss, labels in (
        ("paper", FEATURES, SigmoidCrossEntropy(), LABELS),
        ("released", SHARED, SampledSoftmax(), SHARED_LABELS),
    ):
        options = {"embedding_dim": 6, "routing_noise": 0.0}
        model = create_model(f"mgnm:{name}", 4, 9, options, max_length=4)
        case = run_model(model, features, loss, labels)
        results.update({f"MGNM_{name}/{k}": v for k, v in case.items()})
    options = {"embedding_dim": 6, "routing_noise": 0.0, "dropout": 0.0}
    model = create_model("mgnm+target_distillation", 4, 9, options, 4)
    model.predictor.dropout_layer.rate = 0.0
    case = run_model(model, FEATURES, SigmoidCrossEntropy(), LABELS)
    results.update({f"MGNM_target/{k}": v for k, v in case.items()})
    model = create_model(
        "tisasrec",
        4,
        9,
        {"embedding_dim": 6, "dropout": 0.0, "temperature": None},
        max_length=4,
    )
    model.load_tables({"smallest_gaps": np.array([0, 3, 0, 60, 7], "int32")})
    times = 1_700_000_000 + 5 * np.arange(12).reshape(3, 4) ** 2
    times = {"history_time": np.where(FEATURES["history"] > 0, times, 0)}
    case = run_model(
        model, {**FEATURES, **times}, SigmoidCrossEntropy(), LABELS
    )
    results.update({f"TiSASRec/{k}": v for k, v in case.items()})
    model = create_model(
        "youtube_dnn", 4, 9, {"embedding_dim": 6, "dropout": 0.0}
    )
    positive = FEATURES["candidates"][:, :1]
    case = run_model(
        model,
        {**FEATURES, "candidates": positive},
        CatalogueSoftmax(),
        np.ones(positive.shape, "float32"),
    )
    results.update({f"YouTubeDNN/{k}": v for k, v in case.items()})
    return results


if __name__ == "__main__":
    np.savez(sys.argv[1], backend=keras.backend.backend(), **run_all())
