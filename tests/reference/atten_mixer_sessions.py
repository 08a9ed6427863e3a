"""Sessions and settings for the two graph models of Atten-Mixer-torch.

For the scripts `make_fixture.py`, which run in environments of their own.
"""

from types import SimpleNamespace

import numpy as np

ITEMS = 12
# Without padding, whose state the reference reads.
HISTORY = [
    [4, 5, 4, 6, 9],
    [7, 8, 8, 7, 8],
    [3, 12, 10, 2, 1],
    [1, 2, 11, 1, 3],
]
SETTINGS = SimpleNamespace(
    hiddenSize=8,
    norm=True,
    scale=True,
    batchSize=len(HISTORY),
    step=2,
    lr=0.001,
    l2=0.0,
    lr_dc_step=3,
    lr_dc=0.1,
    last_k=3,
    l_p=4,
    use_attn_conv="True",
    heads=4,
    dot=True,
)


def scores_of(reference, model, data_class):
    """Returns the scores of a model for `HISTORY`.

    Args:
        reference: the module of the model.
        model: the model.
        data_class: the class `Data` of the module `utils` beside it.
    """
    data = data_class((HISTORY, [1] * len(HISTORY)))
    _, scores, *_ = reference.forward(model, np.arange(len(HISTORY)), data)
    return scores
