"""ReChorus's side of `compare.py`; runs with the Python of its environment.

    python rechorus_peer.py SETTINGS.json FOLDER

The script first prints a line of JSON that describes data and model, then
answers each line `train` of its standard input with a line of JSON: the number
of samples and the seconds. Whatever ReChorus itself prints goes to the
standard error. It is imported from a checkout, in which nothing is changed.
"""

import argparse
import contextlib
import importlib
import itertools
import json
import os
import platform
import subprocess
import sys
import time


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        settings = json.load(file)
    # ReChorus looks for the first stage of TiMiRec beside where it stands.
    os.makedirs(os.path.join(sys.argv[2], "src"), exist_ok=True)
    os.chdir(os.path.join(sys.argv[2], "src"))
    replies = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        peer = Peer(settings)
        _reply(replies, peer.description)
        for _ in sys.stdin:
            _reply(replies, peer.measure())


def _reply(stream, values: dict) -> None:
    stream.write(json.dumps(values) + "\n")
    stream.flush()


def prepare_imports(code: str) -> None:
    """Makes the modules of a checkout importable by today's libraries.

    It writes `np.int`, `np.float` and `np.object`, which NumPy took away in
    1.24; they are given back. Its progress bars are switched off.

    Args:
        code: folder of the checkout.
    """
    import numpy as np

    for name, kind in (("int", int), ("float", float), ("object", object)):
        if name not in vars(np):
            setattr(np, name, kind)
    os.environ.setdefault("TQDM_DISABLE", "1")
    sys.path.insert(0, os.path.join(code, "src"))


class Peer:
    """A model of ReChorus with its data set and runner.

    Args:
        settings: `code`, the folder of the checkout; `model`, the name of a
            model; `options`, its arguments and those of the runner, without
            their dashes; `train_samples`, how many are trained on in a turn,
            drawn anew each time, 0 for all; `trial_samples`, with how many
            the fastest number of threads and worker processes is found;
            `workers`, the numbers of these to try.
    """

    def __init__(self, settings: dict):
        prepare_imports(settings["code"])
        import numpy as np
        import torch

        utils = importlib.import_module("utils.utils")
        name = settings["model"]
        module = importlib.import_module(f"models.sequential.{name}")
        kind = getattr(module, name)
        readers = importlib.import_module(f"helpers.{kind.reader}")
        runners = importlib.import_module(f"helpers.{kind.runner}")
        reader = getattr(readers, kind.reader)
        runner = getattr(runners, kind.runner)
        arguments = parse(reader, runner, kind, settings["options"])
        utils.init_seed(arguments.random_seed)
        corpus = reader(arguments)
        self.model = kind(arguments, corpus)
        self.dataset = kind.Dataset(self.model, corpus, "train")
        self.everything = dict(self.dataset.data)
        self.total = len(self.dataset)
        self.samples = settings["train_samples"] or self.total
        self.random = np.random.default_rng(arguments.random_seed)
        self.runner = runner(arguments)
        self.seen = []
        self.model.register_forward_hook(
            lambda model, inputs, output: self.seen.append(
                len(output["prediction"])
            )
        )
        # Small networks can be faster on one core than on all, and processes
        # that make batches cost more than they bring.
        threads = sorted({1, torch.get_num_threads()})
        trials = list(itertools.product(threads, settings["workers"]))
        speeds = []
        self._train(*trials[0], settings["trial_samples"])  # It warms up.
        for trial in trials:
            count, seconds = self._train(*trial, settings["trial_samples"])
            speeds.append(count / seconds)
        _, self.chosen = max(zip(speeds, trials))
        self.description = {
            "rechorus": commit(settings["code"]),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "threads": {"train": self.chosen[0]},
            "workers": self.chosen[1],
            "trials": [
                {"threads": n, "workers": m, "samples_per_second": round(speed)}
                for speed, (n, m) in zip(speeds, trials)
            ],
            "parameters": self.model.count_variables(),
            "samples": {"train": self.total},
        }

    def measure(self) -> dict:
        """Trains on the samples of a turn, as an epoch of the runner."""
        count, seconds = self._train(*self.chosen, self.samples)
        return {"samples": count, "seconds": seconds}

    def _train(self, threads: int, workers: int, samples: int):
        """Returns how many samples the model was given, and the seconds."""
        import torch

        torch.set_num_threads(threads)
        self.runner.num_workers = workers
        chosen = self.random.permutation(self.total)[:samples]
        self.dataset.data = {
            key: values[chosen] for key, values in self.everything.items()
        }
        self.seen.clear()
        begin = time.perf_counter()
        self.runner.fit(self.dataset)
        seconds = time.perf_counter() - begin
        return sum(self.seen), seconds


def parse(reader, runner, model, options: dict) -> argparse.Namespace:
    """Returns the arguments that ReChorus's `main.py` would have read."""
    parser = argparse.ArgumentParser()
    parser = reader.parse_data_args(parser)
    parser = runner.parse_runner_args(parser)
    parser = model.parse_model_args(parser)
    words = [f"--{name}={value}" for name, value in options.items()]
    arguments = parser.parse_args(words)
    arguments.random_seed = 0
    arguments.device = "cpu"
    return arguments


def commit(code: str) -> str | None:
    """Returns the commit of a checkout; `None` for a copy without Git."""
    if not os.path.exists(os.path.join(code, ".git")):
        return None
    done = subprocess.run(
        ["git", "-C", code, "rev-parse", "--short=12", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main()
