"""Recipes: their form, their sources in order, and what they make."""

import hashlib
import io
import os
import zipfile

import pytest

from mgnm_tf.data import recipe as recipes
from mgnm_tf.data.recipe import prepare_recipe
from mgnm_tf.data.recipe import read_recipe
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from tests.data.server import make_wheel
from tests.data.server import serve
from tests.data.server import use_only

ROWS = [(f"u{n % 5}", f"i{n % 3}", 3 + n % 3, 100 + n) for n in range(40)]
PLAIN = "".join("\t".join(map(str, row)) + "\n" for row in ROWS).encode()
NAMED = b"user:token\titem:token\tstars:float\ttime:float\n" + PLAIN
SHA256 = hashlib.sha256(NAMED).hexdigest()

HEAD = """
title = "Made"
description = "A synthetic log."
homepage = "none"
licence = "none"
"""

MADE = """
rating_above = 3

[expected]
events = 26
users = 5

[[sources]]
url = "{url}/made.zip"
member = "made/u.data"

[sources.read]
column_names = ["user_id", "item_id", "rating", "timestamp"]
separator = "\\t"
rating_column = "rating"

[[sources]]
package = "madelog"
version = "1.2"
member = "madelog/made.inter"
sha256 = "{sha256}"

[sources.read]
separator = "\\t"
user_column = "user:token"
item_column = "item:token"
time_column = "time:float"
rating_column = "stars:float"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "recipes"
    made.mkdir()
    monkeypatch.setattr(recipes, "recipe_folder", lambda: made)
    return made


@pytest.fixture
def server(folder):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("made/u.data", PLAIN)
    with serve({"made.zip": archive.getvalue()}) as running:
        text = HEAD + MADE.format(url=running.url, sha256=SHA256)
        (folder / "made.toml").write_text(text)
        yield running


def prepare_made(tmp_path, **arguments):
    return prepare_recipe(
        "made", tmp_path / "out", cache=tmp_path / "cache", **arguments
    )


def test_first_source(server, tmp_path):
    steps = []
    data = prepare_made(tmp_path, progress=steps.append)
    assert data.metadata["filtered"]["events"] == 26
    assert data.metadata["name"] == "made"
    assert data.metadata["title"] == "Made"
    assert data.metadata["licence"] == "none"
    assert data.metadata["source"].endswith("made.zip-u.data")
    assert steps[0] == f"fetching {server.url}/made.zip"
    assert os.listdir(tmp_path / "cache" / "made") == ["made.zip-u.data"]
    # The second time nothing is fetched.
    prepare_made(tmp_path, overwrite=True)
    assert len(server.requests) == 1


def test_second_source_when_the_first_fails(server, tmp_path, monkeypatch):
    (tmp_path / "wheels").mkdir()
    use_only(monkeypatch, tmp_path / "wheels")
    server.content["made.zip"] = b"not a zip"
    with pytest.raises(DataError) as caught:
        prepare_made(tmp_path)
    assert "cannot be fetched from any of its sources" in str(caught.value)
    assert "made.zip is not a whole zip archive" in str(caught.value)
    assert "pip cannot fetch the Python package" in str(caught.value)
    assert os.listdir(tmp_path / "cache" / "made") == []
    members = {"madelog/made.inter": NAMED}
    make_wheel(tmp_path / "wheels", "madelog", "1.2", members)
    data = prepare_made(tmp_path)
    assert data.metadata["source"].endswith("madelog-made.inter")
    assert data.metadata["filtered"]["events"] == 26


def test_cache_variable(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MGNM_TF_CACHE", str(tmp_path / "elsewhere"))
    prepare_recipe("made", tmp_path / "out")
    assert (tmp_path / "elsewhere" / "made" / "made.zip-u.data").exists()


def test_own_file_in_the_form_of_the_first_source(server, tmp_path):
    (tmp_path / "mine").write_bytes(PLAIN)
    data = prepare_made(tmp_path, file=tmp_path / "mine")
    assert data.metadata["filtered"]["events"] == 26
    assert server.requests == []


def test_unexpected_counts_warn(server, tmp_path):
    (tmp_path / "mine").write_bytes(PLAIN[: len(PLAIN) // 2])
    with pytest.warns(UserWarning, match="Made has .* events, expected 26"):
        prepare_made(tmp_path, file=tmp_path / "mine")


def test_output_is_checked_before_fetching(server, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="out exists already"):
        prepare_made(tmp_path)
    assert server.requests == []


def test_file_to_bring(folder, tmp_path):
    text = HEAD + 'bring = "write a CSV file and name it."\n'
    (folder / "made.toml").write_text(text)
    with pytest.raises(DataError, match="Made has to be brought: write a CSV"):
        prepare_made(tmp_path)
    (tmp_path / "mine.csv").write_text(
        "user_id,item_id,timestamp\na,x,1\na,x,2\na,x,3\n"
    )
    assert prepare_made(tmp_path, file=tmp_path / "mine.csv").num_users == 1


def test_unknown_name(folder):
    (folder / "made.toml").write_text(HEAD)
    with pytest.raises(UserError, match="Unknown data set 'mad'.*'made'"):
        recipes.load_recipe("mad")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("titel = 'x'\n" + HEAD, "key 'titel'. Did you mean 'title'"),
        ("title = 'x'\n", "the key 'description' is missing"),
        (
            HEAD + "min_user = 'two'\n",
            "'min_user': found 'two', expected a whole",
        ),
        (
            HEAD + "min_user = true\n",
            "'min_user': found True, expected a whole",
        ),
        (HEAD + "ratios = 7\n", "'ratios': found 7, expected a list"),
        (HEAD + "[read]\nuser = 'x'\n", "read.*key 'user'. Did you mean"),
        (HEAD + "[read]\nseparator = 1\n", "'separator': found 1, expected te"),
        (HEAD + "[[sources]]\nlink = 'x'\n", "sources.*Unknown key 'link'"),
        (HEAD + "[[sources]]\nmember = 'x'\n", "either `url` or `package`"),
        (HEAD + "[[sources]]\npackage = 'x'\n", "needs `version` and"),
        (HEAD + "[sources]\nurl = 'x'\n", "'sources': found .*expected a list"),
        (HEAD + "sources = [1]\n", r"sources.*found 1, expected a table"),
        (HEAD + "[world]\nusers = 1\n", "world.*Unknown key 'users'"),
        ("title = ", "is not a readable recipe"),
    ],
)
def test_wrong_recipe(folder, text, message):
    (folder / "made.toml").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_recipe(folder / "made.toml")
    assert "made.toml" in str(caught.value)


def test_whole_numbers_are_good_floats(folder):
    (folder / "made.toml").write_text(HEAD + "rating_above = 2\n")
    assert read_recipe(folder / "made.toml").rating_above == 2
