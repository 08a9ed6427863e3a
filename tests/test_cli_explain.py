"""`mgnm explain` with a real export."""

import html
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mgnm_tf.cli import app
from mgnm_tf.cli.explain import choose_users
from mgnm_tf.cli.explain import read_titles
from mgnm_tf.errors import UserError
from mgnm_tf.models.mgnm import MGNM
from mgnm_tf.models.registry import create_model
from mgnm_tf.serving import Recommender
from mgnm_tf.serving import Vocabularies
from mgnm_tf.serving import export
from mgnm_tf.utils.winners import winning_interests

ITEMS = ["tea", "milk", "a,b", "子供 <b>", *(f"item {i}" for i in range(11))]
EVENTS = {
    "ann": ["tea", "a,b", "gone", "子供 <b>", "milk"],
    "7": ["item 3", "item 4"],
    "bob": ["gone"],
    "x,y": ["milk"],
}
PLACE = Path("h.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with exports, and histories with the latest event first."""
    folder = tmp_path_factory.mktemp("explain")
    words = Vocabularies(["ann", "x,y"], ITEMS, list(range(15)))
    options = {"embedding_dim": 6, "num_interests": 2, "num_layers": 1}
    model = MGNM(2, 15, embeddings_initializer=1.0, **options)
    export(model, words, folder / "mgnm")
    export(create_model("gru4rec", None, 2, 15), words, folder / "gru4rec")
    lines = ["user_id,item_id,timestamp"]
    for user, items in EVENTS.items():
        for time in reversed(range(len(items))):
            lines.append(f'"{user}","{items[time]}",{time}')
    (folder / "h.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def run(folder, *options, model="mgnm", code=0):
    """Runs the command; returns its standard output or its message."""
    result = CliRunner().invoke(
        app,
        ["explain", str(folder / model), "--history", str(folder / "h.csv")]
        + [str(option) for option in options],
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stderr.splitlines()[-1] if code else result.stdout


def test_the_page_says_what_the_model_does(folder, tmp_path):
    out = tmp_path / "page.html"
    assert str(out) in run(folder, "--users", "ann", "--out", out)
    page = out.read_text(encoding="utf-8")
    names = re.findall(r'<bdi class="name">(.*?)</bdi>', page)
    assert [html.unescape(name) for name in names] == [
        "milk",
        "子供 <b>",
        "gone (unknown)",
        "a,b",
        "tea",
    ]
    recommender = Recommender.load(folder / "mgnm")
    history = EVENTS["ann"]
    expected = recommender.recommend([history], 10, ["ann"])
    found = recommender.interests([history], ["ann"])
    vectors = recommender.item_vectors(expected["item_id"])
    (places,) = winning_interests(found["interests"], found["level"], vectors)
    chips = re.findall(r'class="chip c(\d)">(.*?)</span>', page)
    assert chips == [
        (str(level), f"level {level}, interest {number}")
        for level, number in zip(
            found["level"][places], found["interest"][places], strict=True
        )
    ]
    # What wins is what was scored: the attention over the winning level.
    own = found["interests"][0]
    for place, vector, score in zip(
        places, vectors, expected["score"], strict=True
    ):
        products = own[found["level"] == found["level"][place]] @ vector
        weights = np.exp(products) / np.exp(products).sum()
        np.testing.assert_allclose(weights @ products, score, rtol=1e-3)


def test_some_users_and_titles(folder, tmp_path):
    titles = tmp_path / "titles.csv"
    titles.write_text("item_id,title\nmilk,Fresh & cold\ntea,\n")
    out = tmp_path / "page.html"
    run(folder, "--users", "2", "--titles", titles, "--out", out)
    page = out.read_text(encoding="utf-8")
    assert len(re.findall("<details", page)) == 2
    everyone = tmp_path / "all.html"
    run(folder, "--titles", titles, "--out", everyone)
    page = everyone.read_text(encoding="utf-8")
    assert len(re.findall("<details", page)) == 4
    assert "Fresh &amp; cold" in page and ">tea<" in page


@pytest.mark.parametrize(
    ("options", "model", "message"),
    [
        (["--users", "eve"], "mgnm", "h.csv has no event of the user 'eve'."),
        (["--users", "0"], "mgnm", "--users must be at least 1."),
        ([], "gru4rec", "needs a model with several interests"),
        ([], "nothing", "There is no export folder"),
        (["--titles", "/none.csv"], "mgnm", "There is no file /none.csv"),
    ],
)
def test_refused(folder, tmp_path, options, model, message):
    out = tmp_path / "page.html"
    line = run(folder, "--out", out, *options, model=model, code=1)
    assert line.startswith("mgnm: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_not_written_over(folder, tmp_path):
    out = tmp_path / "page.html"
    out.write_text("mine")
    assert "exists already" in run(folder, "--out", out, code=1)
    assert out.read_text() == "mine"


def test_choice_of_users():
    known = ["ann", "7", "bob", "x,y"]
    assert choose_users("bob,ann,bob", known, PLACE) == [2, 0]
    assert choose_users("7,", known, PLACE) == [1]
    assert choose_users("x,y", known, PLACE) == [3]
    assert choose_users("99", known, PLACE) == [0, 1, 2, 3]
    drawn = choose_users("7", [str(i) for i in range(50)], PLACE)
    assert len(set(drawn)) == 7 and drawn == sorted(drawn)
    assert drawn == choose_users("7", [str(i) for i in range(50)], PLACE)
    with pytest.raises(UserError, match="a number of users or ids"):
        choose_users(",", known, PLACE)


def test_titles_need_their_columns(tmp_path):
    path = tmp_path / "titles.csv"
    path.write_text("item_id,name\nmilk,Milk\n")
    with pytest.raises(UserError, match="title"):
        read_titles(path)
