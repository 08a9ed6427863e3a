"""An entry of the reference for each baseline, written as a page is built."""

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = "api/models.md"
"""The page below `docs/` that ends with the baselines."""

_LIST = Path(__file__).parents[1] / "mgnm_tf" / "models" / "models.toml"


def with_baselines(text: str) -> str:
    """Returns the text of `PAGE` with an entry for each baseline behind it.

    Args:
        text: the page, which has the entry of MGNM itself.
    """
    targets = tomllib.loads(_LIST.read_text(encoding="utf-8")).values()
    names = [target.replace(":", ".") for target in targets]
    entries = [
        f"\n::: {name}\n    options:\n      heading: {name}\n"
        for name in names
        if name.startswith("baselines.")
    ]
    return text.rstrip("\n") + "\n" + "".join(entries)


def on_page_markdown(markdown, *, page, **kwargs):
    """Hands `PAGE` over to `with_baselines`; MkDocs calls it for each page."""
    if page.file.src_uri == PAGE:
        return with_baselines(markdown)
    return markdown
