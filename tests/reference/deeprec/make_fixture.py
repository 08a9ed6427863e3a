"""Writes deeprec.npz: what DeepRec of recommenders-team/recommenders computes.

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
LENGTHS = [7, 6, 4, 1]
MAX_LENGTH, CANDIDATES = 7, 3
NOW, DAY, SEED = 1500000007, 86400, 2019
FILTERS = {"L": 3, "n_v": 3, "n_h": 2}


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
        **FILTERS,
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
        item_embedding_dim=ITEM_DIM,
        cate_embedding_dim=CATEGORY_DIM,
        user_embedding_dim=1,
        hidden_size=ITEM_DIM + CATEGORY_DIM,
        attention_size=ITEM_DIM + CATEGORY_DIM,
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
    """Returns histories, times, candidates and the categories of items."""
    history = np.zeros((len(LENGTHS), MAX_LENGTH), np.int32)
    times = np.zeros(history.shape, np.int64)
    for row, length in enumerate(LENGTHS):
        history[row, :length] = random.randint(1, ITEMS + 1, length)
        # From hours to months.
        gaps = np.exp(random.uniform(7.0, 16.0, length)).astype(np.int64)
        times[row, :length] = NOW - np.cumsum(gaps)[::-1]
    candidates = random.randint(1, ITEMS + 1, (len(LENGTHS), CANDIDATES))
    categories = random.randint(1, CATEGORIES + 1, ITEMS + 1)
    categories[0] = 0
    return (
        history,
        times,
        candidates.astype(np.int32),
        categories.astype(np.int32),
    )


def random_weight(random, variable):
    """Returns a value that float16 holds exactly, to keep the file small."""
    shape = variable.shape.as_list()
    if variable.op.name.endswith("moving_variance"):
        value = random.uniform(0.5, 1.5, size=shape)
    else:
        value = random.normal(scale=0.5, size=shape)
    return value.astype(np.float16)


def without_attention_to_padding(weights, scope):
    """Gives padding a vector whose weight in the long-term sum is zero.

    The reference does not keep padding out of that softmax.
    """
    direction = (
        weights[scope + "/attention_mat"].astype(np.float64)
        @ weights[scope + "/query"]
    )
    vector = -300.0 * direction / np.sum(direction**2)
    vector = vector.astype(np.float16)
    assert vector.astype(np.float64) @ direction < -200
    weights["embedding/item_embedding"][0] = vector[:ITEM_DIM]
    weights["embedding/cate_embedding"][0] = vector[ITEM_DIM:]


def without_categories(weights, width):
    """Takes from the score of Caser what it reads of categories."""
    weights["embedding/item_embedding"][0] = 0.0
    kernel = weights["logit_fcn/nn_part/w_nn_layer0"]
    assert len(kernel) == 2 * width + ITEM_DIM + CATEGORY_DIM
    kernel[width : 2 * width] = 0.0
    kernel[2 * width + ITEM_DIM :] = 0.0


def time_channels(iterator, times):
    """Returns (age, interval) of one history as the reference parses times.

    The reference's own second channel, the time since the first event, is
    not what the paper has; its parser computes the interval as well.
    """
    ids = ",".join("1" for _ in times)
    stamps = ",".join(str(time) for time in times)
    line = "\t".join(["1", "1", "1", "1", str(NOW), ids, ids, stamps])
    parsed = iterator.parser_one_line(line)
    to_next, ages = parsed[-3], parsed[-1]
    return ages, np.concatenate([[0.0], to_next[:-1]])


def feeds(model, batch):
    """Returns the inputs of all pairs of a history and a candidate."""
    history, times, candidates, categories = batch
    iterator = model.iterator
    age = np.zeros(history.shape, np.float32)
    interval = np.zeros(history.shape, np.float32)
    for row, length in enumerate(LENGTHS):
        ages, intervals = time_channels(iterator, times[row, :length])
        # The blend of the reference reads the last column, where the age of
        # the last event is meant; nothing else reads columns of padding.
        age[row] = ages[-1]
        age[row, :length] = ages
        interval[row, :length] = intervals
    rows = np.repeat(history, CANDIDATES, axis=0)
    targets = candidates.reshape(-1)
    return {
        iterator.items: targets,
        iterator.cates: categories[targets],
        iterator.item_history: rows,
        iterator.item_cate_history: categories[rows],
        iterator.mask: (rows > 0).astype(np.int32),
        iterator.time_to_now: np.repeat(age, CANDIDATES, axis=0),
        iterator.time_from_first_action: np.repeat(
            interval, CANDIDATES, axis=0
        ),
        model.is_train_stage: False,
        model.layer_keeps: [1.0, 1.0],
    }


def run(tf, name, model, batch, random):
    """Returns weights, logits and gradients of one model."""
    history, _, candidates, _ = batch
    with model.graph.as_default():
        variables = {
            variable.op.name[len("sequential/") :]: variable
            for variable in tf.global_variables()
            if variable.op.name.startswith("sequential/")
            and "/user_" not in variable.op.name
            and "/Adam" not in variable.op.name
        }
        weights = {
            key: random_weight(random, variable)
            for key, variable in sorted(variables.items())
        }
        if name == "a2svd":
            without_attention_to_padding(weights, "a2svd/Attention_layer")
        elif name == "slirec":
            without_attention_to_padding(weights, "sli_rec/long_term_asvd")
        else:
            width = FILTERS["n_v"] + FILTERS["L"] * FILTERS["n_h"]
            without_categories(weights, width)
        for key, variable in variables.items():
            variable.load(weights[key].astype(np.float32), model.sess)
        factors = random.normal(size=(candidates.size, 1)).astype(np.float32)
        form = tf.reduce_sum(model.logit * factors)
        small = [
            key
            for key, variable in variables.items()
            if variable in tf.trainable_variables()
            and variable.shape.num_elements() <= 240
        ]
        found = tf.gradients(form, [variables[key] for key in small])
        found = {
            key: tf.convert_to_tensor(gradient)
            for key, gradient in zip(small, found)
            if gradient is not None
        }
        logits, gradients = model.sess.run(
            [model.logit, found], feeds(model, batch)
        )
    arrays = {
        "logits": logits.reshape(candidates.shape),
        "factors": factors.reshape(candidates.shape),
    }
    arrays.update({"weight/" + key: value for key, value in weights.items()})
    arrays.update(
        {"gradient/" + key: value for key, value in gradients.items()}
    )
    return arrays


def main():
    sys.path.insert(0, sys.argv[1])
    import tensorflow as tf
    from recommenders.models.deeprec.io.sequential_iterator import (
        SequentialIterator,
    )
    from recommenders.models.deeprec.models.sequential.asvd import A2SVDModel
    from recommenders.models.deeprec.models.sequential.caser import CaserModel
    from recommenders.models.deeprec.models.sequential.sli_rec import (
        SLI_RECModel,
    )

    random = np.random.RandomState(SEED)
    batch = make_batch(random)
    arrays = dict(zip(("history", "times", "candidates", "categories"), batch))
    arrays["now"] = np.array(NOW)
    classes = {"caser": CaserModel, "a2svd": A2SVDModel, "slirec": SLI_RECModel}
    for name, cls in classes.items():
        with tempfile.TemporaryDirectory() as folder:
            options = settings(folder)
            options["col_spliter"] = "\t"
            model = cls(options, SequentialIterator)
        for key, value in run(tf, name, model, batch, random).items():
            arrays[name + "/" + key] = value
    np.savez_compressed(Path(__file__).with_name("deeprec.npz"), **arrays)


if __name__ == "__main__":
    main()
