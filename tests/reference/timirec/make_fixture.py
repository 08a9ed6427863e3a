"""Writes timirec.npz: what THUwangcy/ReChorus, branch CIKM22, computes.

Runs in the environment of requirements.txt, not in that of this project, with
the folder of a checkout of the reference as its argument.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

ITEMS, DIM, HIDDEN, INTERESTS, LENGTH, NEGATIVES = 9, 4, 3, 2, 5, 2
SEED = 2022
CASES = {
    "comirec_plus": ("pretrain", 1, 1, 1.0),
    "extractor": ("pretrain", 0, 1, 1.0),
    "timirec": ("finetune", 0, 1, 0.5),
    "timirec_plus": ("finetune", 1, 2, 0.25),
}
"""Stage, block, maps of the predictor, and T."""


def main():
    sys.path.insert(0, str(Path(sys.argv[1]) / "src"))
    import torch
    from models.sequential.TiMiRec import TiMiRec

    random = np.random.default_rng(SEED)
    lengths = np.array([5, 3, 1])
    history = random.integers(1, ITEMS + 1, (len(lengths), LENGTH))
    history[np.arange(LENGTH) >= lengths[:, None]] = 0
    candidates = np.stack(
        [
            random.choice(np.arange(1, ITEMS + 1), 1 + NEGATIVES, replace=False)
            for _ in lengths
        ]
    )
    arrays = {"history": history, "candidates": candidates}
    for name, (stage, block, maps, temperature) in CASES.items():
        arguments = SimpleNamespace(
            device="cpu",
            model_path="",
            buffer=0,
            num_neg=NEGATIVES,
            dropout=0,
            test_all=0,
            history_max=LENGTH,
            emb_size=DIM,
            attn_size=HIDDEN,
            K=INTERESTS,
            add_pos=1,
            add_trm=block,
            temp=temperature,
            n_layers=maps,
            stage=stage,
        )
        corpus = SimpleNamespace(
            dataset="none", n_users=3, n_items=ITEMS + 1, random_seed=0
        )
        arguments.random_seed = 0
        model = TiMiRec(arguments, corpus)
        # Without dropout; what the phase says is asked for below.
        model.eval()
        for path, weight in model.named_parameters():
            value = random.normal(scale=0.7, size=tuple(weight.shape))
            value = value.astype("float32")
            if path == "interest_extractor.i_embeddings.weight":
                value[0] = 0.0  # Padding, which the block sees there as well.
            weight.data = torch.from_numpy(value)
            arrays[f"{name}/weight/{path}"] = value
        batch = {
            "item_id": torch.from_numpy(candidates),
            "history_items": torch.from_numpy(history),
            "lengths": torch.from_numpy(lengths),
            "batch_size": len(lengths),
        }
        arrays[f"{name}/scores"] = (
            model({**batch, "phase": "test"})["prediction"].detach().numpy()
        )
        found = model({**batch, "phase": "train"})
        loss = model.loss(found)
        loss.backward()
        arrays[f"{name}/training_scores"] = found["prediction"].detach().numpy()
        arrays[f"{name}/loss"] = loss.detach().numpy()
        for path, weight in model.named_parameters():
            arrays[f"{name}/gradient/{path}"] = weight.grad.numpy()
    np.savez_compressed(Path(__file__).with_name("timirec.npz"), **arrays)


if __name__ == "__main__":
    main()
