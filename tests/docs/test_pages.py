"""What README and the pages of `docs/` name is there."""

import re

import pytest
from typer.testing import CliRunner

import mgnm_tf
from mgnm_tf import layers
from mgnm_tf.cli import app
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import model_names
from tests.docs.pages import PAGES
from tests.docs.pages import ROOT
from tests.docs.pages import blocks
from tests.docs.pages import commands

TABLES = (
    *("README.md", "docs/results.md", "docs/paper.md", "docs/studies.md"),
    "docs/sessions.md",
)
"""Where tables of results have their homes."""

ALL_COMMANDS = {
    " ".join(words): words for page in PAGES for words in commands(page)
}


@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_every_command_named_exists_with_its_options(command):
    _, name, *arguments = ALL_COMMANDS[command]
    result = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, f"there is no command {name}"
    for option in arguments:
        assert not option.startswith("-") or option in result.output


def test_every_command_of_the_program_is_named():
    registered = [
        command.name or command.callback.__name__
        for command in app.registered_commands
        if not command.hidden
    ]
    assert len(registered) >= 7
    assert set(registered) <= {words[1] for words in ALL_COMMANDS.values()}


def test_every_study_is_named_and_every_study_named_is_there():
    named = {
        words[2]
        for words in ALL_COMMANDS.values()
        if words[1] == "study" and words[2:] and words[2].islower()
    } - {"--list"}
    assert named == {path.stem for path in ROOT.glob("studies/*.toml")}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    folder = (ROOT / page).parent
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (folder / path).resolve() if path else ROOT / page
        assert target.exists(), link
        if anchor and "/api/" not in target.as_posix():
            assert anchor in anchors(target), link


def anchors(path):
    """Returns the anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    plain = [re.sub(r"[^\w\s-]", "", heading.lower()) for heading in headings]
    return {re.sub(r"[\s]+", "-", heading.strip()) for heading in plain}


def test_every_link_to_the_reference_is_one_of_its_names():
    for page, text in PAGES.items():
        for target, name in re.findall(r"\((api/\w+\.md)#([\w.]+)\)", text):
            assert f"::: {name}\n" in PAGES[f"docs/{target}"], (page, name)


def test_the_reference_has_every_public_name():
    reference = "".join(PAGES[page] for page in PAGES if "/api/" in page)
    entries = re.findall(
        r"^::: (\S+)\n {4}options:\n {6}heading: (\S+)$", reference, re.M
    )
    homes = dict(pair[::-1] for pair in entries)
    named = [*homes]
    assert len(entries) == len(homes) == reference.count("\n::: ")
    for name, home in mgnm_tf._HOMES.items():
        assert homes.get(f"mgnm_tf.{name}") == f"{home}.{name}"
    expected = {f"mgnm_tf.{name}" for name in mgnm_tf.__all__}
    expected -= {"mgnm_tf.__version__"}
    expected |= {f"mgnm_tf.layers.{name}" for name in layers.__all__}
    for name in model_names():
        cls = model_class(name)
        if cls.__name__ not in mgnm_tf.__all__:
            expected.add(f"{cls.__module__}.{cls.__name__}")
    assert expected - set(named) == set()


def test_the_results_name_every_model_of_the_main_job():
    script = (ROOT / "run_all.sh").read_text(encoding="utf-8")
    models = re.search(r"^MAIN_MODELS=(.*)$", script, re.M)[1]
    for model in models.split(","):
        row = rf"^\| `?{re.escape(model)}`? \|.*0\.\d"
        assert re.search(row, PAGES["docs/results.md"], re.M), model


def test_the_tables_are_those_of_the_kept_results():
    """What a study printed stands in the pages as it is, row for row."""
    shown = [
        words
        for page in TABLES
        for block in blocks(page)
        for words in map(str.split, block.text.splitlines())
        if words[:2] == ["mgnm", "study"]
    ]
    pages = "".join(PAGES[name] for name in TABLES)
    compared = 0
    for _, _, name, *options in shown:
        path = ROOT / "studies" / "results" / name / "table.md"
        if path.is_file():
            tables = path.read_text(encoding="utf-8").split("\n\n| ")[1:]
            table = tables[options == ["--later-only"]]
            for row in table.split("\n\n")[0].splitlines()[2:]:
                assert f"\n{row}\n" in pages, (name, row)
                compared += 1
    assert compared > 60


def test_what_a_part_is_worth_follows_from_the_tables():
    """The map of docs/studies.md, cell for cell."""
    page = PAGES["docs/studies.md"].partition("<!-- worth -->\n")[2]
    rows = [line.split(" | ") for line in page.split("\n\n")[0].splitlines()]
    names = re.findall(r"^mgnm study (world-\S+)$", page, re.M)
    assert len(rows) - 2 == len(names) > 3
    for row, name in zip(rows[2:], names, strict=True):
        path = ROOT / "studies" / "results" / name / "table.md"
        table = re.findall(r"^\| `mgnm(\S*)` \|(.*)$", path.read_text(), re.M)
        ndcg = {
            part: float(re.search(r"0\.\d+", cells.split("|")[1])[0])
            for part, cells in table
        }
        whole = ndcg[""]
        assert row[3] == f"{whole:.4f}", name
        worth = [
            whole / ndcg["+without_graph"],
            *(
                ndcg[part] / whole if part in ndcg else None
                for part in ("+two_layers", "+with_users")
            ),
            whole / ndcg["+one_interest"] if "+one_interest" in ndcg else None,
        ]
        cells = [cell.strip(" |") for cell in row[4:]]
        for cell, ratio in zip(cells, worth, strict=True):
            expected = "-" if ratio is None else f"{100 * (ratio - 1):+.0f} %"
            expected = re.sub(r"^[+-]0 ", "0 ", expected)
            assert cell == expected, (name, cell, expected)
