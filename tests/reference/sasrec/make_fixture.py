"""Writes sasrec.npz: what kang205/SASRec computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import sys
from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np

ITEMS, DIM, LENGTH, SEED = 20, 6, 5, 2018
LENGTHS = [5, 3, 1, 4]


def make_history(random):
    """Returns histories padded before the first item, as the code has them."""
    history = np.zeros((len(LENGTHS), LENGTH), "int64")
    for row, length in enumerate(LENGTHS):
        history[row, -length:] = random.randint(1, ITEMS + 1, length)
    return history


def run(tf, make_model, random, history):
    """Returns what a model of the reference computes with random weights."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        model = make_model()
        variables = tf.compat.v1.trainable_variables()
        arrays = {}
        for variable in variables:
            value = random.normal(scale=0.5, size=variable.shape.as_list())
            arrays["weight/" + variable.op.name] = value.astype("float32")
            variable.load(value, session)
        # The reference scores 101 candidates at a time.
        scores = model.test_logits[:, 1 : ITEMS + 1]
        factors = random.normal(size=(len(history), ITEMS)).astype("float32")
        gradients = tf.gradients(tf.reduce_sum(scores * factors), variables)
        found = session.run(
            {
                "scores": scores,
                **{
                    "gradient/" + variable.op.name: tf.convert_to_tensor(value)
                    for variable, value in zip(variables, gradients)
                },
            },
            {
                model.input_seq: history,
                model.test_item: np.arange(101) % (ITEMS + 1),
                model.is_training: False,
            },
        )
    return {"factors": factors, **arrays, **found}


def main():
    sys.path.insert(0, sys.argv[1])
    import tensorflow as tf
    from model import Model

    random = np.random.RandomState(SEED)
    history = make_history(random)
    arrays = {"history": history}
    for heads in (1, 2):
        settings = Namespace(
            maxlen=LENGTH,
            hidden_units=DIM,
            num_blocks=2,
            num_heads=heads,
            dropout_rate=0.0,
            l2_emb=0.0,
            lr=0.001,
        )
        make_model = partial(Model, 3, ITEMS, settings)
        found = run(tf, make_model, random, history)
        for name, value in found.items():
            arrays[f"{heads}/{name}"] = value
    np.savez_compressed(Path(__file__).with_name("sasrec.npz"), **arrays)


if __name__ == "__main__":
    main()
