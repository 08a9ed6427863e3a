"""The command that says what a size costs."""

from typing import Annotated

import typer

from mgnm_tf.cli.app import command
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import print_rows
from mgnm_tf.errors import UserError


@command()
def estimate(
    events: Annotated[float, typer.Option(help="Events of the log: 1e9.")],
    items: Annotated[float, typer.Option(help="Items of the catalogue.")],
    users: Annotated[float, typer.Option(help="Users.")],
    width: Annotated[int, typer.Option(help="Width of the vectors.")] = 64,
    workers: Annotated[
        int, typer.Option(help="Processes, each with one core.")
    ] = 1,
    model: Annotated[
        str, typer.Option(help="Whose measured speed: mgnm or gru4rec.")
    ] = "mgnm",
    memory: Annotated[str, typer.Option(help="Of a machine.")] = "64GB",
    cores: Annotated[int, typer.Option(help="Of a machine.")] = 16,
    network: Annotated[
        float, typer.Option(help="Gbit/s between machines.")
    ] = 10.0,
    batch: Annotated[
        int, typer.Option(help="Positives of a batch, of all workers.")
    ] = 4096,
    top: Annotated[int, typer.Option(help="Recommended items of a user.")] = 20,
) -> None:
    """Estimate memory, time and machines of a size, and what breaks first.

    Computed from measured rates by the laws that stand beside each number:
    right to a factor of two or so where the law is linear, not a promise.
    """
    from mgnm_tf.cluster import estimate as estimates
    from mgnm_tf.data.large.memory import read_memory

    sizes = estimates.Sizes(
        events=_whole(events, "events"),
        items=_whole(items, "items"),
        users=_whole(users, "users"),
        width=width,
        workers=workers,
        model=model,
        memory=read_memory(memory),
        cores=cores,
        network=network,
        batch=batch,
        top=top,
    )
    found = estimates.estimate(sizes)
    print_rows(
        ("", "what", "estimate", "law"),
        [(one.stage, one.what, one.value, one.law) for one in found.quantities],
    )
    first = found.limits[0]
    begin = "Breaks first" if first.load >= 1 else "Nothing breaks; nearest to"
    console.print(f"{begin}: {first.what}. In order:")
    for limit in found.limits:
        console.print(
            f"- {limit.what}: {_share(limit.load)} {limit.measure}. What to "
            f"do: {limit.remedy}."
        )


def _whole(value: float, name: str) -> int:
    """Reads a number of things, which may be written as 1e9.

    Raises:
        UserError: it is no whole number.
    """
    if not float(value).is_integer():
        raise UserError(
            f"--{name} must be a whole number, for example 1e9. Received: "
            f"{value}"
        )
    return int(value)


def _share(load: float) -> str:
    return f"{load:.3g} times what there is" if load >= 1 else f"{load:.1%}"
