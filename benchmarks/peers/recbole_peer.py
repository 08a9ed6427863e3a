"""RecBole's side of `compare.py`; runs with the Python of its environment.

    python recbole_peer.py SETTINGS.json FOLDER

The script first prints a line of JSON that describes data and model, then
answers each line of its standard input, `train` or the name of a test, with a
line of JSON: the number of samples and the seconds. Whatever RecBole itself
prints goes to the standard error.
"""

import contextlib
import itertools
import json
import os
import platform
import sys
import time


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        settings = json.load(file)
    # RecBole writes its logs and TensorBoard files where it stands.
    os.chdir(sys.argv[2])
    replies = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        peer = Peer(settings)
        _reply(replies, peer.description)
        for line in sys.stdin:
            _reply(replies, peer.measure(line.strip()))


def _reply(stream, values: dict) -> None:
    stream.write(json.dumps(values) + "\n")
    stream.flush()


class First:
    """The first batches of a loader of RecBole, as one that ends there.

    Args:
        loader: the loader.
        samples: how many are wanted, 0 for all; whole batches, so there may
            be more. `samples` of this object is their number.
    """

    def __init__(self, loader, samples: int):
        self.loader = loader
        total = loader.sample_size
        self.batches = -(-(samples or total) // loader.step)
        self.samples = min(self.batches * loader.step, total)

    def __iter__(self):
        return itertools.islice(self.loader, self.batches)

    def __getattr__(self, name):
        return getattr(self.loader, name)


class Peer:
    """A model of RecBole with its data, loaders and trainer.

    Args:
        settings: `model`, a sequential model; `options`, which replace
            RecBole's; `train_samples`, how many are trained on in a turn;
            `tests`, for each name the evaluation `mode`, the sizes
            of batch to try, of which the fastest is taken (with one thread
            or all, as for training), and `records`,
            how many of the test part are evaluated; all if 0.
    """

    def __init__(self, settings: dict):
        import torch
        from recbole import __version__
        from recbole.utils import get_model
        from recbole.utils import get_trainer
        from recbole.utils import init_seed

        self.settings = settings
        config = self._configure()
        init_seed(config["seed"], config["reproducibility"])
        self.training, _ = self._loaders(config)
        model = get_model(config["model"])(config, self.training.dataset)
        # RecBole's SINE, imported with all other models, has PyTorch look for
        # NaN in every gradient, a fifth of the time of SR-GNN.
        torch.autograd.set_detect_anomaly(False)
        trainer = get_trainer(config["MODEL_TYPE"], config["model"])
        self.trainer = trainer(config, model)
        self.trainer.eval_collector.data_collect(self.training)
        self.epoch = 0
        # Small networks can be faster on one core than on all.
        self.threads = sorted({1, torch.get_num_threads()})
        self.slice = First(self.training, settings["train_samples"])
        graphs = _time_graphs(model)
        found = [(self._train(n, self.slice), n) for n in self.threads]
        _, self.train_threads = min(found)
        graphs_percent = 100 * sum(graphs) / sum(trial[0] for trial in found)
        self.testing = {
            name: self._fastest(**test)
            for name, test in settings["tests"].items()
        }
        self.description = {
            "recbole": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "threads": {
                "train": self.train_threads,
                **{name: test[1] for name, test in self.testing.items()},
            },
            "parameters": sum(weight.numel() for weight in model.parameters()),
            "graphs_percent": round(graphs_percent, 1),
            "samples": {
                "train": len(self.training.dataset),
                **{
                    name: len(loader.dataset)
                    for name, (*_, loader, _) in self.testing.items()
                },
            },
            "batches": {name: test[2] for name, test in self.testing.items()},
        }

    def measure(self, task: str) -> dict:
        """Trains for a while, or evaluates on the test part.

        Args:
            task: `train`, or the name of a test.
        """
        if task == "train":
            return {
                "samples": self.slice.samples,
                "seconds": self._train(self.train_threads, self.slice),
            }
        _, threads, size, loader, samples = self.testing[task]
        return {
            "samples": samples,
            "seconds": self._evaluate(threads, size, loader),
        }

    def _configure(self, **options):
        from recbole.config import Config

        return Config(
            model=self.settings["model"],
            dataset="log",
            config_dict={**self.settings["options"], **options},
        )

    @staticmethod
    def _loaders(config):
        from recbole.data import create_dataset
        from recbole.data import data_preparation

        training, _, testing = data_preparation(config, create_dataset(config))
        return training, testing

    def _fastest(self, mode, batches, records):
        """Finds the fastest number of threads and size of batch.

        Returns:
            Seconds a record, threads, size, its loader, number of records.
        """
        found = []
        for size in batches:
            evaluation = {**self.settings["options"]["eval_args"], "mode": mode}
            config = self._configure(eval_args=evaluation, eval_batch_size=size)
            _, loader = self._loaders(config)
            samples = len(loader.dataset)
            if records:
                # Not for "full", whose loader the trainer knows by its type.
                loader = First(loader, records)
                samples = loader.samples
            for threads in self.threads:
                seconds = self._evaluate(threads, size, loader)
                entry = (seconds / samples, threads, size, loader, samples)
                found.append(entry)
        return min(found, key=lambda entry: entry[0])

    def _train(self, threads, loader) -> float:
        """Trains as the trainer's `fit` does; returns seconds."""
        import torch

        torch.set_num_threads(threads)
        begin = time.perf_counter()
        self.trainer._train_epoch(loader, self.epoch)
        self.epoch += 1
        return time.perf_counter() - begin

    def _evaluate(self, threads, size, loader) -> float:
        import torch

        torch.set_num_threads(threads)
        self.trainer.test_batch_size = size
        begin = time.perf_counter()
        self.trainer.evaluate(loader, load_best_model=False)
        return time.perf_counter() - begin


def _time_graphs(model) -> list[float]:
    """Returns a list that gets the seconds of each batch's graphs.

    A model that makes graphs of its histories does it in Python, in the
    method `_get_slice`; of others the list stays empty.
    """
    seconds = []
    make = getattr(model, "_get_slice", None)

    def timed(histories):
        begin = time.perf_counter()
        made = make(histories)
        seconds.append(time.perf_counter() - begin)
        return made

    if make is not None:
        model._get_slice = timed
    return seconds


if __name__ == "__main__":
    main()
