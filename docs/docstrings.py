"""Our docstrings as Markdown, for the reference pages.

`Args`, `Returns` and `Raises` are those of Google's style. What it does not
know is turned into Markdown here: examples after `>>>`, `Call arguments`, and
paragraphs that begin with a word of ours.
"""

import re

import griffe

_WORDS = re.compile(
    r"^(Masking|Parameters|Example|Reference|Differences):(?!\S)"
)
"""What begins a paragraph; see "Docstrings" in CONTRIBUTING."""


def as_markdown(text: str) -> str:
    """Returns a docstring with the house style turned into Markdown.

    Args:
        text: the docstring, without the indentation of the code.
    """
    lines = []
    inside = fenced = called = False
    for line in [*text.splitlines(), ""]:
        if line.startswith("```"):
            fenced = not fenced
        if not fenced and inside and not line.strip():
            lines.append("```")
            inside = False
        if not fenced and not inside and line.startswith(">>> "):
            lines.append("```pycon")
            inside = True
        if line.strip() and not line.startswith(" "):
            called = line == "Call arguments:"
        if called:
            line = re.sub(r"^ {4}([\w*, ]+): ", r"    - `\1`: ", line)
        if not fenced and not inside:
            line = re.sub(_WORDS, r"**\1**:", line)
            # `Args` are headed "Parameters" on the page.
            line = line.replace("**Parameters**", "**Number of weights**")
        lines.append(line)
    return "\n".join(lines[:-1])


class HouseStyle(griffe.Extension):
    """Passes every docstring through `as_markdown`."""

    def on_object(self, *, obj, **kwargs):
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
