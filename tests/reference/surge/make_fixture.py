"""Writes surge.npz: what tsinghua-fib-lab/SIGIR21-SURGE computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import pickle
import sys
import tempfile
from pathlib import Path

import numpy as np

ITEMS, CATEGORIES = 20, 3
ITEM_DIM, CATEGORY_DIM = 4, 2
LENGTHS = [9, 8, 5, 3]
MAX_LENGTH, POOL_LENGTH, CANDIDATES = 9, 5, 3
SEED = 2021


class Settings(dict):
    """Hyper-parameters; what is not set is None."""

    __getattr__ = dict.get


def settings(folder):
    sizes = {"user": 2, "item": ITEMS + 1, "cate": CATEGORIES + 1}
    vocabularies = {}
    for name, size in sizes.items():
        path = Path(folder) / name
        path.write_bytes(pickle.dumps({str(i): i for i in range(size)}))
        vocabularies[name + "_vocab"] = str(path)
    return Settings(
        **vocabularies,
        method="classification",
        loss="cross_entropy_loss",
        optimizer="adam",
        learning_rate=1e-3,
        init_method="tnormal",
        init_value=0.01,
        layer_sizes=[100, 64],
        att_fcn_layer_sizes=[80, 40],
        activation=["relu", "relu"],
        dropout=[0.0, 0.0],
        embedding_dropout=0.0,
        item_embedding_dim=ITEM_DIM,
        cate_embedding_dim=CATEGORY_DIM,
        user_embedding_dim=1,
        hidden_size=ITEM_DIM + CATEGORY_DIM,
        embed_l2=0.0,
        embed_l1=0.0,
        layer_l2=0.0,
        layer_l1=0.0,
        cross_l2=0.0,
        cross_l1=0.0,
        enable_BN=True,
        max_seq_length=MAX_LENGTH,
        epochs=1,
        need_sample=False,
        train_num_ngs=0,
    )


def make_batch(random):
    """Returns histories without repeats, candidates, item categories."""
    history = np.zeros((len(LENGTHS), MAX_LENGTH), np.int32)
    for row, length in enumerate(LENGTHS):
        items = random.permutation(np.arange(1, ITEMS + 1))
        history[row, :length] = items[:length]
    candidates = random.randint(1, ITEMS + 1, (len(LENGTHS), CANDIDATES))
    categories = random.randint(1, CATEGORIES + 1, ITEMS + 1)
    categories[0] = 0
    return history, candidates.astype(np.int32), categories.astype(np.int32)


def recording(base):
    """Returns a subclass of the model that remembers what we compare."""

    class Recording(base):
        # The reference sets the length by the name of the machine.
        pool_length = property(lambda _: POOL_LENGTH, lambda *_: None)

        def _attention_fcn(self, query, *args, **kwargs):
            output, weights = super()._attention_fcn(query, *args, **kwargs)
            # In this order: cluster and query over items, which only the
            # edges read, both again over nodes, and the recurrence.
            call = sum(key.startswith("attention_") for key in self.recorded)
            self.recorded[f"attention_{call}"] = weights
            if call == 0:
                self.recorded["cluster_means"] = query
            return output, weights

        def _interest_fusion_extraction(self, X, A, *args, **kwargs):
            self.recorded = {"adjacency": A}
            results = super()._interest_fusion_extraction(X, A, *args, **kwargs)
            self.recorded["nodes"] = results[0]
            self.recorded["readout"] = results[2]
            self.recorded["kept"] = self.mask
            return results

    return Recording


def random_weight(random, variable):
    """Returns a value that float16 holds exactly, to keep the file small."""
    shape = variable.shape.as_list()
    name = variable.op.name
    if name.endswith("_embedding"):
        # Similar vectors with padding in their midst: then padding, which
        # the reference lets into the smallest similarity of a row, is never
        # that.
        value = random.uniform(0.1, 1.0, size=shape)
        value[0] = 0.5
    elif name.endswith("moving_variance"):
        value = random.uniform(0.5, 1.5, size=shape)
    else:
        value = random.normal(scale=0.5, size=shape)
    return value.astype(np.float16)


def check(weights, metric, batch):
    """Padding is not the least similar to any item, as meant above."""
    history, _, categories = batch
    vectors = np.concatenate(
        [
            weights["embedding/item_embedding"],
            weights["embedding/cate_embedding"][categories],
        ],
        axis=1,
    ).astype(np.float32)
    vectors = vectors * metric
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for row, length in zip(history, LENGTHS):
        items = vectors[row[:length]]
        least = (items @ items.T).min(axis=1)
        assert length == MAX_LENGTH or (items @ vectors[0] >= least).all()


def main():
    checkout = Path(sys.argv[1])
    sys.path.insert(0, str(checkout))
    import tensorflow as tf
    from reco_utils.recommender.deeprec.io.sequential_iterator import (
        SequentialIterator,
    )
    from reco_utils.recommender.deeprec.models.sequential import surge

    # The width 40 is written into one layer of the reference.
    dense = tf.layers.dense
    tf.layers.dense = lambda inputs, units, **kwargs: dense(
        inputs, inputs.shape[-1] if units == 40 else units, **kwargs
    )
    random = np.random.RandomState(SEED)
    batch = make_batch(random)
    with tempfile.TemporaryDirectory() as folder:
        model = recording(surge.SURGEModel)(
            settings(folder), SequentialIterator
        )
    with model.graph.as_default():
        weights = {}
        for variable in tf.global_variables():
            name = variable.op.name
            if not name.startswith("sequential/") or "/user_" in name:
                continue
            name = name[len("sequential/") :]
            weights[name] = random_weight(random, variable)
            variable.load(weights[name].astype(np.float32), model.sess)
        metric = model.sess.run(model.weighted_tensor)
        check(weights, metric, batch)
        history, candidates, categories = batch
        rows = np.repeat(history, CANDIDATES, axis=0)
        targets = candidates.reshape(-1)
        factors = random.normal(size=(len(targets), 1)).astype(np.float32)
        small = [
            variable
            for variable in tf.trainable_variables()
            if "/user_" not in variable.op.name
            and variable.shape.num_elements() <= 240
        ]
        form = tf.reduce_sum(model.logit * factors)
        gradients = {
            variable.op.name[len("sequential/") :]: tf.convert_to_tensor(
                gradient
            )
            for variable, gradient in zip(small, tf.gradients(form, small))
            if gradient is not None
        }
        iterator = model.iterator
        found, gradients, logits = model.sess.run(
            [model.recorded, gradients, model.logit],
            {
                iterator.items: targets,
                iterator.cates: categories[targets],
                iterator.item_history: rows,
                iterator.item_cate_history: categories[rows],
                iterator.mask: (rows > 0).astype(np.int32),
                model.is_train_stage: False,
                model.embedding_keeps: 1.0,
                model.layer_keeps: [1.0, 1.0],
            },
        )
    arrays = {
        "history": history,
        "candidates": candidates,
        "categories": categories,
        "factors": factors.reshape(candidates.shape),
        "logits": logits.reshape(candidates.shape),
    }
    for name, value in found.items():
        arrays[name] = value.reshape(candidates.shape + value.shape[1:])
    for name, value in weights.items():
        arrays["weight/" + name] = value
    for name, value in gradients.items():
        arrays["gradient/" + name] = value
    np.savez_compressed(Path(__file__).with_name("surge.npz"), **arrays)


if __name__ == "__main__":
    main()
