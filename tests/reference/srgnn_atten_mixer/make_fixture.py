"""Writes srgnn_atten_mixer.npz: what GNN-AM of Atten-Mixer-torch computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import sys
from pathlib import Path

import numpy as np

from tests.reference.atten_mixer_sessions import HISTORY
from tests.reference.atten_mixer_sessions import ITEMS
from tests.reference.atten_mixer_sessions import SETTINGS
from tests.reference.atten_mixer_sessions import scores_of
from tests.reference.torch_fixture import draw_weights
from tests.reference.torch_fixture import write_fixture

SEED = 2024


def main():
    sys.path.insert(0, str(Path(sys.argv[1]) / "GNN-AM"))
    import model as reference
    from utils import Data

    model = reference.SessionGraph(SETTINGS, ITEMS + 1).eval()
    random = np.random.default_rng(SEED)
    arrays = {"history": np.array(HISTORY), **draw_weights(model, random)}
    scores = scores_of(reference, model, Data)
    out = Path(__file__).with_name("srgnn_atten_mixer.npz")
    write_fixture(out, arrays, model, scores, random)


if __name__ == "__main__":
    main()
