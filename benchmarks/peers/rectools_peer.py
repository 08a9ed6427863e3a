"""RecTools' side of `quality.py`; runs with the Python of its environment.

    python rectools_peer.py SETTINGS.json

It trains a model of RecTools on the training events, ranks the whole
catalogue for each validation event after each epoch, keeps the best epoch,
and writes its lists for the test. It prints a line of JSON: versions, how many
epochs there were, the best of them with its seconds since the start of the
training, and the parameters.
"""

import json
import platform
import sys
import time

import numpy as np
import pandas as pd
import pytorch_lightning
import rectools
import torch
from pytorch_lightning import Callback
from pytorch_lightning import Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

K = 10


class BestEpoch(Callback):
    """Ranks the catalogue after each epoch, and keeps the best weights.

    Args:
        patience: epochs without improvement until the training ends.
    """

    def __init__(self, patience: int):
        self.patience = patience
        self.epochs = []
        self.best = -1.0
        self.weights = None

    def on_train_start(self, trainer, module):
        self.start = time.perf_counter()

    def on_validation_epoch_start(self, trainer, module):
        self.gains, self.records = 0.0, 0

    def on_validation_batch_end(self, trainer, module, outputs, batch, *rest):
        model = module.torch_model
        sessions, target = batch["x"], batch["y"][:, -1]
        with torch.no_grad():
            last = model.encode_sessions(batch, module.item_embs)[:, -1, :]
            scores = last @ module.item_embs.T
        scores.scatter_(1, sessions, -torch.inf)
        scores[:, 0] = -torch.inf
        best = torch.topk(scores, K).indices
        hits = (best == target[:, None]).float()
        places = torch.arange(K) + 2
        self.gains += float((hits / torch.log2(places)).sum())
        self.records += len(target)

    def on_validation_epoch_end(self, trainer, module):
        if trainer.sanity_checking:
            return
        ndcg = self.gains / self.records
        seconds = time.perf_counter() - self.start
        self.epochs.append({"seconds": round(seconds, 1), "ndcg": ndcg})
        print(f"epoch {len(self.epochs)}: {ndcg:.4f}, {seconds:.0f} s")
        if ndcg > self.best:
            self.best = ndcg
            state = module.torch_model.state_dict()
            self.weights = {key: one.clone() for key, one in state.items()}
        since = len(self.epochs) - 1 - self.best_epoch
        trainer.should_stop = since >= self.patience

    @property
    def best_epoch(self) -> int:
        """The index of the best epoch, from 0."""
        return int(np.argmax([one["ndcg"] for one in self.epochs]))


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        settings = json.load(file)
    replies, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(settings["threads"])
    pytorch_lightning.seed_everything(settings["seed"], workers=True)
    events = pd.read_csv(settings["events"], parse_dates=[Columns.Datetime])
    seen = events[events["part"] != "test"]
    held_out = seen[seen["part"] == "validation"]
    held_out = set(zip(held_out[Columns.User], held_out[Columns.Datetime]))
    dataset = Dataset.construct(seen.drop(columns="part"))
    model = SASRecModel(
        **settings["options"],
        epochs=settings["epochs"],
        get_val_mask_func=lambda rows: np.array(
            [
                pair in held_out
                for pair in zip(rows[Columns.User], rows[Columns.Datetime])
            ]
        ),
        get_trainer_func=lambda: Trainer(
            max_epochs=settings["epochs"],
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[BestEpoch(settings["patience"])],
        ),
    )
    model.fit(dataset)
    # RecTools trains with a copy of the trainer and its callbacks.
    keeper = next(
        one for one in model.fit_trainer.callbacks if isinstance(one, BestEpoch)
    )
    model.torch_model.load_state_dict(keeper.weights)
    users = events.loc[events["part"] == "test", Columns.User].unique()
    lists = model.recommend(
        users=users, dataset=dataset, k=K, filter_viewed=True
    )
    lists[[Columns.User, Columns.Item, Columns.Rank]].to_csv(
        settings["lists"], index=False
    )
    best = keeper.best_epoch
    answer = {
        "rectools": rectools.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "parameters": sum(
            weights.numel() for weights in model.torch_model.parameters()
        ),
        "epochs": len(keeper.epochs),
        "best_epoch": best + 1,
        "seconds_to_best": keeper.epochs[best]["seconds"],
        "seconds": keeper.epochs[-1]["seconds"],
        "validation_ndcg@10": keeper.best,
    }
    replies.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
