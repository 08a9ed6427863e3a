"""The command that makes the table or figure of a study."""

from pathlib import Path
from typing import Annotated

import typer

from mgnm_tf.cli.app import command
from mgnm_tf.cli.app import console
from mgnm_tf.cli.app import load_tensorflow
from mgnm_tf.cli.app import notes
from mgnm_tf.cli.app import print_rows
from mgnm_tf.cli.app import quiet_training
from mgnm_tf.cli.app import read_numbers
from mgnm_tf.errors import UserError


@command(resumable=True)
def study(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]", help="A name of --list, or a TOML file."
        ),
    ] = None,
    list_: Annotated[
        bool,
        typer.Option("--list", help="List the studies, and which were run."),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="The log of the study, or a data folder made of it.",
            show_default="here, in data/, or fetched",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for data, runs and results.",
            show_default="runs/studies/STUDY",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="Seeds.", show_default="those of the study"),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="Some of its models, with commas."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Most epochs.", show_default="those of the recipes"),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(help="Runs at a time, each on its share of the cores."),
    ] = 1,
    show: Annotated[
        bool,
        typer.Option(
            "--show", help="Show the runs that are there, and make none."
        ),
    ] = False,
    later_only: Annotated[
        bool,
        typer.Option(
            "--later-only",
            help="Show the records later than the event before them alone.",
        ),
    ] = False,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Make all runs in --out; the kept ones do not count.",
        ),
    ] = False,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Write the results beside the study, too."),
    ] = False,
) -> None:
    """Make a table or figure of README, the docs or the MGNM paper.

    What was run before is not run again, and an interrupted study goes on.
    """
    if (name is None) != list_:
        raise UserError("Give the name of a study, or --list alone.")
    load_tensorflow()
    if list_:
        from mgnm_tf.studies.listing import list_studies

        print_rows(("study", "runs", "last run", "title"), list_studies())
        return
    from mgnm_tf.studies.run_study import run_study
    from mgnm_tf.studies.study import find_study
    from mgnm_tf.studies.study import read_study
    from mgnm_tf.studies.study_tables import levels_table
    from mgnm_tf.studies.study_tables import markdown
    from mgnm_tf.studies.study_tables import study_table

    if later_only and read_study(find_study(name)).show in (
        "data",
        "levels",
        "divergences",
        "time",
    ):
        raise UserError(f"--later-only says nothing of the study {name}.")
    with quiet_training():
        made = run_study(
            name,
            data=data,
            out=out,
            seeds=None
            if seeds is None
            else read_numbers(seeds, int, "--seeds"),
            only=None if only is None else only.split(","),
            epochs=epochs,
            jobs=jobs,
            again=again,
            keep=keep,
            show=show,
            console=notes,
        )
    console.print(markdown(*study_table(made.study, made.results, later_only)))
    if made.results.levels:
        console.print(markdown(*levels_table(made.study, made.results)))
    notes.print(f"The page is {made.folder / 'page.html'}.")
    if made.failed:
        raise UserError(
            f"{len(made.failed)} of the runs failed; the reasons stand above "
            "and on the page."
        )
