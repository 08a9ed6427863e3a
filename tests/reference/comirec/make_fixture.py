"""Writes comirec.npz: interests and gradients of THUDM/ComiRec.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of THUDM/ComiRec as its argument.
"""

import sys
from pathlib import Path

import numpy as np

NUM_ROWS = 21
DIM = 8
COUNT = 3
LENGTHS = [6, 4, 2, 1, 5]
MAX_LENGTH = 6
SEED = 2022


def make_batch(random):
    """Returns histories padded at the end, their mask, and targets."""
    history = random.randint(1, NUM_ROWS, (len(LENGTHS), MAX_LENGTH))
    mask = np.arange(MAX_LENGTH) < np.array(LENGTHS)[:, None]
    target = random.randint(1, NUM_ROWS, len(LENGTHS))
    return np.where(mask, history, 0), mask.astype(np.float32), target


def run(tf, make_model, batch, random):
    """Returns what a model of the reference computes with random weights."""
    history, mask, target = batch
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.compat.v1.set_random_seed(SEED)
        model = make_model()
        variables = tf.compat.v1.trainable_variables()
        weights = {}
        for variable in variables:
            name = variable.op.name
            value = random.normal(scale=0.7, size=variable.shape.as_list())
            if name.endswith("bilinear/dense/bias"):
                # Ours has none, see "Differences" of MIND.
                value = np.zeros_like(value)
            weights[name] = value.astype(np.float32)
            variable.load(weights[name], session)
        factors = random.normal(size=(len(history), COUNT, DIM))
        factors = factors.astype(np.float32)
        form = tf.reduce_sum(model.user_eb * factors)
        wanted = {
            "interests": model.user_eb,
            "target_scores": tf.reduce_sum(model.readout * model.item_eb, -1)
            if hasattr(model, "readout")
            else (),
            "noise": [
                operation.outputs[0]
                for operation in graph.get_operations()
                if operation.type == "TruncatedNormal"
            ],
            "gradients": {
                variable.op.name: tf.convert_to_tensor(gradient)
                for variable, gradient in zip(
                    variables, tf.gradients(form, variables)
                )
                if gradient is not None
            },
        }
        found = session.run(
            wanted,
            {
                model.mid_his_batch_ph: history,
                model.mask: mask,
                model.mid_batch_ph: target,
            },
        )
    arrays = {"factors": factors, "interests": found["interests"]}
    if hasattr(model, "readout"):
        arrays["target_scores"] = found["target_scores"]
    if found["noise"]:
        (arrays["noise"],) = found["noise"]
    for name, value in weights.items():
        arrays["weight/" + name] = value
    for name, value in found["gradients"].items():
        arrays["gradient/" + name] = value
    return arrays


def main():
    sys.path.insert(0, str(Path(sys.argv[1]) / "src"))
    import model as reference
    import tensorflow as tf

    random = np.random.RandomState(SEED)
    batch = make_batch(random)
    sizes = (NUM_ROWS, DIM, DIM, 1, COUNT, MAX_LENGTH)
    models = {
        "mind": lambda: reference.Model_MIND(*sizes),
        "mind_without_relu": lambda: reference.Model_MIND(
            *sizes, relu_layer=False
        ),
        "comirec_dr": lambda: reference.Model_ComiRec_DR(*sizes),
        "comirec_sa": lambda: reference.Model_ComiRec_SA(*sizes),
        "comirec_sa_without_positions": lambda: reference.Model_ComiRec_SA(
            *sizes, add_pos=False
        ),
    }
    arrays = dict(zip(("history", "mask", "target"), batch))
    for name, make_model in models.items():
        for key, value in run(tf, make_model, batch, random).items():
            arrays[name + "/" + key] = value
    np.savez_compressed(Path(__file__).with_name("comirec.npz"), **arrays)


if __name__ == "__main__":
    main()
