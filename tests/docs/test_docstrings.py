"""Our docstrings as Markdown."""

import pytest

pytest.importorskip("griffe", reason="the extra [docs] is not installed")

from docs.docstrings import as_markdown  # noqa: E402

TEXT = """Sums.

```
Masking: in a formula this is left alone
>>> and so is this
```

Call arguments:
    items, more: float,
        (batch, n).
    valid_mask: bool.

Args:
    one: of Google's.

Masking: none.

Parameters: d.

Example: two lines.

>>> a = 1
>>> a
1

Reference: us.
"""


def test_the_house_style_is_turned_into_markdown():
    text = as_markdown(TEXT)
    assert "```pycon\n>>> a = 1\n>>> a\n1\n```\n" in text
    assert "    - `items, more`: float,\n        (batch, n).\n" in text
    assert "    - `valid_mask`: bool.\n" in text
    assert "\n    one: of Google's.\n" in text
    for word in ("Masking", "Example", "Reference"):
        assert f"\n**{word}**: " in text
    assert "\n**Number of weights**: d.\n" in text
    assert "```\nMasking: in a formula this is left alone\n>>> and" in text


def test_what_is_fenced_is_left_alone():
    fenced = "```\nMasks: x\n>>> y\n\n>>> z\n```"
    assert as_markdown(fenced) == fenced


def test_an_example_at_the_end_is_closed():
    assert as_markdown(">>> a\n1") == "```pycon\n>>> a\n1\n```"
