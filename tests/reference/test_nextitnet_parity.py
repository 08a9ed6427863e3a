"""NextItNet against RecBole, see `nextitnet/`."""

from pathlib import Path

import numpy as np

from baselines.nextitnet import NextItNet
from tests.reference.parity import check_parity
from tests.reference.torch_gru import below

FIXTURE = dict(np.load(Path(__file__).parent / "nextitnet" / "nextitnet.npz"))
ITEMS, DIM, DILATIONS, REPEATS = 12, 5, (1, 2), 2


def converted(theirs):
    """Returns path -> array in our layout."""
    found = {
        "item_embedding/embeddings": theirs["item_embedding.weight"],
        "output_projection/kernel": theirs["final_layer.weight"].T,
        "output_projection/bias": theirs["final_layer.bias"],
    }
    for block in range(len(DILATIONS) * REPEATS):
        for part in (1, 2):
            name = f"residual_blocks.{block}."
            place = f"{block + 1}_{part}"
            # Output, input, row, column there; column, input, output here.
            kernel = theirs[f"{name}conv{part}.weight"][:, :, 0]
            found |= {
                f"convolution_{place}/kernel": kernel.transpose(2, 1, 0),
                f"convolution_{place}/bias": theirs[f"{name}conv{part}.bias"],
                f"normalization_{place}/gamma": theirs[
                    f"{name}ln{part}.weight"
                ],
                f"normalization_{place}/beta": theirs[f"{name}ln{part}.bias"],
            }
    return found


def test_scores_and_gradients():
    model = NextItNet(3, ITEMS, DIM, DILATIONS, REPEATS)
    gradients = converted(below(FIXTURE, "gradient/"))
    # Theirs is that of the candidate 0, which is none here.
    gradients["item_embedding/embeddings"][0] = 0.0
    check_parity(
        model,
        FIXTURE["history"],
        FIXTURE,
        converted(below(FIXTURE, "weight/")),
        gradients,
    )
