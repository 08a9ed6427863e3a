"""Examples in docstrings run, and defaults named in them are the real ones."""

import ast
import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

DEFAULT = re.compile(
    r"^ {4}(\w+):(?:(?!^ {0,4}\S)[\s\S])*?"
    r"[Dd]efaults\s+to\s+(`[^`]+`|-?\d[\de.-]*\b)",
    flags=re.MULTILINE,
)
"""An entry of `Args:` that says "Defaults to `x`", or to a number."""


def library_modules():
    """Returns dotted name -> source of all modules of the library."""
    files = [*ROOT.glob("mgnm_tf/**/*.py"), *ROOT.glob("baselines/**/*.py")]
    return {
        path.relative_to(ROOT)
        .as_posix()
        .removesuffix(".py")
        .removesuffix("/__init__")
        .replace("/", "."): path.read_text(encoding="utf-8")
        for path in sorted(files)
        if path.name != "__main__.py"
    }


def documented(module):
    """Yields name, docstring and signature of what a module defines."""
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield f"{name}", value.__doc__, value
            for key, member in vars(value).items():
                member = getattr(member, "__func__", member)
                if inspect.isfunction(member):
                    yield f"{name}.{key}", member.__doc__, member
        elif inspect.isfunction(value):
            yield name, value.__doc__, value


def wrong_defaults(name, text, value):
    """Compares what the entries of `Args:` call a default with the code.

    Returns:
        The number of defaults named, and a sentence on each wrong one.
    """
    named = re.findall(DEFAULT, inspect.cleandoc(text or ""))
    wrong = []
    for argument, quoted in named:
        written = quoted.strip("`")
        parameters = inspect.signature(value).parameters
        if argument not in parameters:
            wrong.append(f"{name} documents {argument}, which it has not")
            continue
        default = parameters[argument].default
        if default is None and written.endswith(")"):
            continue  # `None` stands for an object made in the call
        try:
            equal = ast.literal_eval(written) == default
        except (SyntaxError, ValueError):
            equal = written in (str(default), repr(default))
        if not equal:
            wrong.append(f"{name}: {argument} is {default!r}, not {written}")
    return len(named), wrong


def unknown_arguments(name, text, value):
    """Returns a sentence on each entry of `Args:` that is no argument."""
    section = re.search(
        r"^Args:\n((?: {4}.*\n|\n)+)",
        inspect.cleandoc(text or "") + "\n",
        flags=re.MULTILINE,
    )
    if section is None:
        return []
    entries = re.findall(
        r"^ {4}([\w*][\w*, ]*):", section[1], flags=re.MULTILINE
    )
    listed = [
        part.strip(" *") for entry in entries for part in entry.split(",")
    ]
    known = inspect.signature(value).parameters
    return [
        f"{name} documents {argument}, which it has not"
        for argument in listed
        if argument not in known
    ]


def test_every_module_is_seen():
    assert {"mgnm_tf", "mgnm_tf.cli", "baselines.gru4rec"} <= set(
        library_modules()
    )


@pytest.mark.parametrize("name", library_modules())
def test_examples_run(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=OPTIONS)
    assert result.failed == 0


def test_examples_are_seen():
    sources = library_modules().values()
    assert sum(">>> " in source for source in sources) >= 5


@pytest.mark.parametrize("name", library_modules())
def test_arguments_in_docstrings_are_those_of_the_code(name):
    wrong = []
    for entry in documented(importlib.import_module(name)):
        wrong += unknown_arguments(*entry)
        wrong += wrong_defaults(*entry)[1]
    assert wrong == []


def test_defaults_in_docstrings_are_seen():
    seen = 0
    for name in library_modules():
        for entry in documented(importlib.import_module(name)):
            seen += wrong_defaults(*entry)[0]
    assert seen > 30


def test_a_wrong_default_is_found():
    def rank(k=5, ties="half", dim=16, seed=0):
        """Ranks.

        Args:
            k: how many, for example
                five. Defaults
                to `10`.
            ties: the rule. Defaults to `"half"`.
            dim: width. Defaults to 16.
            seed: no default named.
        """

    count, wrong = wrong_defaults("rank", rank.__doc__, rank)
    assert count == 3
    assert wrong == ["rank: k is 5, not 10"]


def test_an_argument_that_is_not_there_is_found():
    def rank(k, ties):
        """Ranks.

        Args:
            k, ties: two arguments; they are
                long: very.
            tise: another.
        """

    assert unknown_arguments("rank", rank.__doc__, rank) == [
        "rank documents tise, which it has not"
    ]
