"""Versions that are too old are named in one sentence."""

import ast
import re
from importlib import metadata
from pathlib import Path

import pytest

from mgnm_tf.utils import versions
from mgnm_tf.utils.versions import check_versions

SETUP = Path(__file__).parents[2] / "setup.py"


def test_the_installed_versions_fit():
    check_versions()


@pytest.mark.parametrize(
    ("name", "version"), [("keras", "2.15.0"), ("tensorflow", "2.17.1")]
)
def test_an_old_version_is_refused(monkeypatch, name, version):
    installed = {"keras": "3.15.1", "tensorflow": "2.21.0", name: version}
    monkeypatch.setattr(metadata, "version", installed.get)
    with pytest.raises(ImportError) as caught:
        check_versions()
    assert f"{name} {version} is installed" in str(caught.value)
    assert "pip install --upgrade" in str(caught.value)


def test_a_package_of_another_name_is_not_checked(monkeypatch):
    def version(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    check_versions()


def test_the_bounds_are_those_of_the_installation():
    (required,) = [
        keyword.value
        for node in ast.walk(ast.parse(SETUP.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "install_requires"
    ]
    bounds = dict(
        re.match(r"(\w+)>=([\d.]+)", entry).groups()
        for entry in ast.literal_eval(required)
        if entry.startswith(("tensorflow", "keras"))
    )
    assert bounds == {
        name: ".".join(map(str, minimum))
        for name, minimum in versions.MINIMUM_VERSIONS.items()
    }
