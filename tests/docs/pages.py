"""README and the pages of `docs/`, their blocks and commands."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from docs import reference

ROOT = Path(__file__).parents[2]

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
}
"""Path -> text."""

PAGES["docs/" + reference.PAGE] = reference.with_baselines(
    PAGES["docs/" + reference.PAGE]
)

COMMAND = re.compile(r"`(mgnm (?!_tf)[^`]+)`")
"""A command in the middle of a sentence."""


class Block(NamedTuple):
    """A block of code.

    Attributes:
        mark: what the comment above it says: `run`, `run without mgnm_tf`,
            `file NAME`, or nothing.
        language: `python`, `bash`, `toml` or nothing.
        text: the code.
    """

    mark: str
    language: str
    text: str


def blocks(page):
    """Returns the blocks of code of a page, in order."""
    found = re.findall(
        r"(?:^<!-- ((?:run|file)\b[^\n]*?) -->\n)?^```(\w*)\n(.*?)^```",
        PAGES[page],
        re.M | re.S,
    )
    return [Block(*block) for block in found]


def commands(page):
    """Returns the `mgnm` commands of a page, each a list of words."""
    lines = [
        line
        for block in blocks(page)
        if block.language == "bash"
        for line in block.text.splitlines()
    ]
    lines += re.findall(COMMAND, PAGES[page])
    found = [shlex.split(line, comments=True) for line in lines]
    return [words for words in found if words[:1] == ["mgnm"]]


def run_python(code, folder, hidden=False):
    """Runs code in a process of its own.

    Args:
        code: the code.
        folder: where it runs; modules that lie there are found.
        hidden: whether it must do without this package.

    Returns:
        What it printed.
    """
    paths = [str(folder)] if hidden else [str(folder), str(ROOT)]
    if hidden:
        names = "sys.modules['mgnm_tf'] = sys.modules['baselines'] = None"
        code = f"import sys\n{names}\n{code}"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
