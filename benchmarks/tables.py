"""Results as a Markdown table."""

import pandas as pd


def rows_of(results: dict) -> pd.DataFrame:
    """Flattens the results.

    Args:
        results: phase -> row -> figures.

    Returns:
        A row for each figure: `phase`, `what`, `figure`, `median`, `least`,
        `most`; the last two are missing for what is measured once.
    """
    rows = []
    for phase, measured in results.items():
        for what, figures in measured.items():
            for name, value in figures.items():
                if not isinstance(value, dict):
                    value = {"median": value}
                rows.append(
                    {"phase": phase, "what": what, "figure": name, **value}
                )
    columns = ["phase", "what", "figure", "median", "least", "most"]
    return pd.DataFrame(rows, columns=columns)


def markdown(report: dict) -> str:
    """Returns a heading for the machine and a table for each phase.

    Args:
        report: what `run_phases` returned or wrote.
    """
    machine = ", ".join(
        f"{name} {value}" for name, value in report["machine"].items()
    )
    settings = ", ".join(
        f"{name} {value}"
        for name, value in report["settings"].items()
        if value not in ("", None, [])
    )
    parts = ["# Benchmark", f"Machine: {machine}.", f"Settings: {settings}."]
    for phase, rows in rows_of(report["results"]).groupby("phase", sort=False):
        parts += [f"## {phase}", phase_table(rows)]
    return "\n\n".join(parts) + "\n"


def phase_table(rows: pd.DataFrame) -> str:
    """Returns the figures of one phase, a line for each thing measured.

    A figure of several windows is shown as median (least to most).
    """
    cells = rows.assign(cell=rows.apply(cell, axis=1))
    table = cells.pivot(index="what", columns="figure", values="cell")
    table = table.loc[rows["what"].unique(), rows["figure"].unique()]
    table = table.fillna("-").reset_index(names="")
    return plain_table(table)


def plain_table(table: pd.DataFrame) -> str:
    """Returns a table in Markdown."""
    lines = [table.columns, ["---"] * table.shape[1], *table.to_numpy()]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def cell(row: pd.Series) -> str:
    """Returns the text of a figure."""
    if isinstance(row["median"], str):
        return row["median"]
    text = f"{row['median']:,.6g}"
    if pd.notna(row["least"]):
        text += f" ({row['least']:,.6g} to {row['most']:,.6g})"
    return text
