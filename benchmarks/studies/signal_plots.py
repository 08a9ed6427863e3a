"""Plots of the study `signal`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

STAGES = ("items", "capsule_before", "capsule", "interest")
PANELS = {
    "learning": {
        "spread of pooled logits": lambda record: record["pooled_std"],
        "loss of pooled logits": lambda record: record["loss"],
        "HIT@5, validation": lambda record: record["hit"],
    },
    "gradients": {
        "an interest": lambda record: np.mean(record["gradient_interests"]),
        "item table, by histories": lambda r: r["gradient_table_histories"],
        "item table, by candidates": lambda r: r["gradient_table_candidates"],
        "capsule projections": lambda r: r["gradient_projections"],
        "graph matrix": lambda record: record["gradient_graph"],
        "BiLSTM": lambda record: record["gradient_encoder"],
    },
    "routing": {
        "entropy of the coupling": lambda r: np.mean(r["entropy"]),
        "the same in training": lambda r: np.mean(r["training_entropy"]),
        "largest share of wins": lambda record: max(record["wins"]),
        "cosine, interests of a user": lambda r: np.mean(r["cosine_between"]),
        "cosine, two users": lambda record: np.mean(record["cosine_users"]),
        "cosine to the mean item": lambda r: np.mean(r["cosine_to_items"]),
    },
}
"""Plot -> panel -> what of a measurement is drawn over the steps."""

LOGARITHMIC = ("learning:spread of pooled logits", "gradients:")


def save_signal_plots(report: dict[str, Any], stem: Path) -> list[Path]:
    """Draws lengths, learning, gradients and routing, as SVG.

    Args:
        report: what the study wrote.
        stem: path of the files without their ends.

    Returns:
        The files.
    """
    style = {"svg.fonttype": "none", "svg.hashsalt": "signal"}
    paths = [Path(f"{stem}-lengths.svg")]
    with plt.rc_context(style):
        _save(_lengths(report["recipes"]), paths[0])
        for plot, panels in PANELS.items():
            paths.append(Path(f"{stem}-{plot}.svg"))
            _save(_over_steps(report["recipes"], plot, panels), paths[-1])
    return paths


def _save(figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _lengths(recipes: dict[str, list[dict]]):
    """Draws lengths by stage, before and after, a line for each level."""
    rows = -(-len(recipes) // 3)
    figure, panels = plt.subplots(
        rows,
        3,
        figsize=(10, 2.7 * rows),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, (name, records) in zip(panels.flat, recipes.items()):
        for record, style in ((records[0], ":"), (records[-1], "-")):
            for level in range(len(record["items"])):
                axes.plot(
                    [record[stage][level] for stage in STAGES],
                    f"o{style}",
                    color=f"C{level}",
                    markersize=3,
                    label=f"level {level}, step {record['step']}",
                )
        axes.set(title=name, yscale="log", ylabel="mean length")
        axes.set_xticks(
            range(len(STAGES)), ["items", "v", "squashed", "interest"]
        )
        axes.label_outer()
    return _with_legend(figure, panels[0][0])


def _over_steps(
    recipes: dict[str, list[dict]], plot: str, panels: dict[str, Callable]
):
    """Draws a panel for each figure, a line for each recipe."""
    rows = -(-len(panels) // 3)
    figure, grid = plt.subplots(
        rows, 3, figsize=(10, 3 * rows), squeeze=False, layout="constrained"
    )
    for axes, (title, read) in zip(grid.flat, panels.items()):
        for number, (name, records) in enumerate(recipes.items()):
            points = [(r["step"], _number(read, r)) for r in records]
            axes.plot(*zip(*points), color=f"C{number}", label=name)
        axes.set(title=title, xlabel="step")
        if f"{plot}:{title}".startswith(LOGARITHMIC):
            axes.set_yscale("log")
    return _with_legend(figure, grid[0][0])


def _with_legend(figure, axes):
    """Sets the legend of one panel below all."""
    lines, names = axes.get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=4)
    return figure


def _number(read: Callable, record: dict) -> float:
    """Reads a figure; NaN, which is not drawn, where there is none."""
    value = read(record)
    return np.nan if value is None else value
