"""Two commits side by side, by turns on the same machine."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from benchmarks.machine import ROOT
from benchmarks.machine import git
from benchmarks.measure import significant
from benchmarks.tables import rows_of
from mgnm_tf.errors import UserError

KEY = ["phase", "what", "figure"]


@contextmanager
def checkout_of(revision: str) -> Iterator[Path]:
    """Checks a revision out beside this one, for as long as it is needed.

    Raises:
        UserError: there is no such revision, or it has no benchmarks.
    """
    try:
        commit = git("rev-parse", "--verify", "-q", f"{revision}^{{commit}}")
        commit = commit.strip()
    except subprocess.CalledProcessError as error:
        raise UserError(
            f"{revision!r} is no revision of the repository in {ROOT}."
        ) from error
    if not git("ls-tree", commit, "benchmarks/__main__.py"):
        raise UserError(
            f"Revision {revision} is older than `python -m benchmarks`, so "
            "it cannot be measured."
        )
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def compare(
    revision: str,
    arguments: Sequence[str],
    pairs: int,
    progress: Callable[[str], None] = lambda text: None,
) -> pd.DataFrame:
    """Measures this checkout and a revision by turns, a process each.

    Args:
        revision: any name of a commit.
        arguments: of `python -m benchmarks`, without `--against` and `--out`.
        pairs: how often each is measured.
        progress: called with a few words at the start of each turn.

    Returns:
        See `ratios`.

    Raises:
        UserError: see `checkout_of`; or a run of the revision failed.
    """
    here, there = [], []
    with checkout_of(revision) as tree:
        for pair in range(pairs):
            for name, folder, found in (
                ("here", ROOT, here),
                (revision, tree, there),
            ):
                progress(f"pair {pair + 1} of {pairs}: {name}")
                found.append(_run(name, folder, arguments))
    return ratios(here, there)


def ratios(here: Sequence[dict], there: Sequence[dict]) -> pd.DataFrame:
    """Compares results pair by pair.

    Args:
        here: `results` of the runs of this checkout.
        there: `results` of the runs of the other one.

    Returns:
        A row for each figure that both have: `phase`, `what`, `figure`, the
        median of `here` and `there`, and `ratio`, here divided by there: the
        median of the pairs, `least` and `most`.
    """
    joined = pd.concat(
        rows_of(a).merge(rows_of(b), on=KEY, suffixes=("_here", "_there"))
        for a, b in zip(here, there)
    )
    rows = []
    for key, group in joined.groupby(KEY, sort=False):
        sides = [
            pd.to_numeric(group[f"median_{side}"], errors="coerce").tolist()
            for side in ("here", "there")
        ]
        pairs = [a / b for a, b in zip(*sides) if b]
        if pairs:
            values = {
                "here": statistics.median(sides[0]),
                "there": statistics.median(sides[1]),
                "ratio": statistics.median(pairs),
                "least": min(pairs),
                "most": max(pairs),
            }
            values = {name: significant(v) for name, v in values.items()}
            rows.append({**dict(zip(KEY, key)), **values})
    return pd.DataFrame(rows)


def _run(name: str, folder: Path, arguments: Sequence[str]) -> dict:
    """Runs the suite of a checkout; returns its `results`."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary, "results.json")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "benchmarks", "run"),
                *(*arguments, "--out", str(out)),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(f"The benchmark of {name} failed: {last}")
        return json.loads(out.read_text(encoding="utf-8"))["results"]
