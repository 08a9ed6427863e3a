"""Writes mimn.npz: weights, inputs and results of the released MIMN.

Runs in the environment of requirements.txt, not in that of this project:
`python make_fixture.py CHECKOUT`, with the path of a checkout of the
released code.
"""

import sys
import types
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import rnn_cell_impl

SEED = 2019
BATCH, LENGTH, ROWS = 6, 7, 20
EMBEDDING, HIDDEN, SLOTS = 4, 6, 4


def import_model(checkout):
    """Imports the reference, whose other models want modules not at hand."""
    keras = types.ModuleType("keras")
    keras.backend = tf.keras.backend
    rnn = types.ModuleType("rnn")
    rnn.dynamic_rnn = None
    sys.modules.update(keras=keras, rnn=rnn)
    if not hasattr(rnn_cell_impl, "_Linear"):
        rnn_cell_impl._Linear = None
    sys.path.insert(0, str(Path(checkout) / "script"))
    import model

    return model


def run(reference, random, full):
    """Returns arrays by name, of the model with or without both options."""
    tf.compat.v1.reset_default_graph()
    kept = {}
    dense = tf.compat.v1.layers.dense

    def keep_logits(*args, **kwargs):
        result = dense(*args, **kwargs)
        kept[kwargs.get("name")] = result
        return result

    tf.layers.dense = keep_logits
    model = reference.Model_MIMN(
        n_uid=2,
        n_mid=ROWS,
        EMBEDDING_DIM=EMBEDDING,
        HIDDEN_SIZE=HIDDEN,
        BATCH_SIZE=BATCH,
        MEMORY_SIZE=SLOTS,
        SEQ_LEN=LENGTH,
        Mem_Induction=int(full),
        Util_Reg=int(full),
    )
    tf.layers.dense = dense
    state = model.state_list[-1]
    results = {
        "logits": kept["f3"],
        "controller_state": state["controller_state"],
        "read_vector": state["read_vector_list"][0],
        "M": state["M"],
        "w_aggre": state["w_aggre"],
        "sum_aggre": state["sum_aggre"],
    }
    o2p = [v for v in tf.compat.v1.trainable_variables() if "o2p" in v.name]
    if full:
        results["regularizer"] = model.reg_loss
        for variable, gradient in zip(o2p, tf.gradients(model.reg_loss, o2p)):
            part = "weights" if "weights" in variable.name else "biases"
            results["regularizer_gradient_" + part] = gradient
    categories = random.randint(1, ROWS, size=ROWS)
    history = random.randint(1, ROWS, size=(BATCH, LENGTH))
    candidate = random.randint(1, ROWS, size=BATCH)
    weights = {}
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        for variable in tf.compat.v1.global_variables():
            name, shape = variable.op.name, variable.shape.as_list()
            # The statistics of the normalisation stay as they are for ever,
            # and what the optimizer keeps has no part in the results.
            if "moving" in name or "Adam" in name or "_power" in name:
                continue
            value = random.normal(scale=0.3, size=shape).astype(np.float16)
            weights["weight:" + name] = value
            variable.load(value.astype(np.float32), session)
        values = session.run(
            results,
            {
                model.mid_his_batch_ph: history,
                model.cate_his_batch_ph: categories[history],
                model.mid_batch_ph: candidate,
                model.cate_batch_ph: categories[candidate],
                model.mask: np.ones((BATCH, LENGTH)),
            },
        )
    inputs = {
        "item_categories": categories.astype(np.int32),
        "history": history.astype(np.int32),
        "candidate": candidate.astype(np.int32),
    }
    return {**weights, **inputs, **values}


def main():
    reference = import_model(sys.argv[1])
    random = np.random.RandomState(SEED)
    arrays = {}
    for name, full in (("full", True), ("plain", False)):
        for key, value in run(reference, random, full).items():
            arrays[name + "/" + key] = value
    np.savez_compressed(Path(__file__).with_name("mimn.npz"), **arrays)


if __name__ == "__main__":
    main()
