"""The pages are built without a warning."""

import os
import re
import subprocess
import sys

import pytest

from tests.docs.pages import PAGES
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built pages."""
    for name in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(name, reason="the extra [docs] is not installed")
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [
            *(sys.executable, "-m", "mkdocs", "build", "--strict"),
            *("--site-dir", str(folder)),
        ],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr
    return folder


def test_every_page_is_built(site):
    for page in PAGES:
        if page != "README.md":
            built = site / page.removeprefix("docs/")
            assert built.with_suffix(".html").is_file(), page


def test_the_table_of_the_readme_stands_in_the_results(site):
    text = (site / "results.html").read_text(encoding="utf-8")
    assert "0.1621" in text and "--8&lt;--" not in text


def test_the_reference_tells_arguments_and_results(site):
    text = (site / "api/data.html").read_text(encoding="utf-8")
    assert 'id="mgnm_tf.data.log.read_log"' in text
    plain = re.sub(r"<[^>]+>", " ", text)
    for word in ("Parameters:", "Returns:", "Raises:", "user_column"):
        assert word in plain


def test_nothing_is_fetched_from_elsewhere(site):
    for page in site.glob("**/*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'(?:src|stylesheet" href)="https?:', text)
