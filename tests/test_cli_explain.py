"""`mgnm explain` with a real export."""

import html
import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mgnm_tf.cli import app
from mgnm_tf.cli.explain import choose_users
from mgnm_tf.cli.explain import read_titles
from mgnm_tf.errors import UserError
from mgnm_tf.export import Vocabularies
from mgnm_tf.export import export
from mgnm_tf.models.mgnm import MGNM
from mgnm_tf.models.registry import create_model
from mgnm_tf.serving import Recommender
from mgnm_tf.utils.winners import winning_interests
from tests.export.worlds import no_space

ITEMS = ["tea", "milk", "a,b", "子供 <b>", *(f"item {i}" for i in range(11))]
EVENTS = {
    "ann": ["tea", "a,b", "gone", "子供 <b>", "milk"],
    "7": ["item 3", "item 4"],
    "bob": ["gone"],
    "x,y": ["milk"],
}
PLACE = Path("h.csv")
SMALL = {
    "embedding_dim": 6,
    "num_interests": 2,
    "num_layers": 1,
    "sequence_encoder": None,
}
"""An MGNM whose graphs are soon made."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with exports, and histories with the latest event first."""
    folder = tmp_path_factory.mktemp("explain")
    words = Vocabularies(["ann", "x,y"], ITEMS, list(range(15)))
    model = MGNM(2, 15, embeddings_initializer=1.0, **SMALL)
    export(model, words, folder / "mgnm")
    export(create_model("gru4rec", 2, 15), words, folder / "gru4rec")
    lines = ["user_id,item_id,timestamp"]
    for user, items in EVENTS.items():
        for time in reversed(range(len(items))):
            lines.append(f'"{user}","{items[time]}",{time}')
    (folder / "h.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def invoke(folder, *options, model="mgnm", code=0, history=None):
    """Runs the command; returns its standard output and standard error."""
    history = history or folder / "h.csv"
    result = CliRunner().invoke(
        app,
        ["explain", str(folder / model), "--history", str(history)]
        + [str(option) for option in options],
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def run(*arguments, code=0, **options):
    """Runs the command; returns its standard output or its message."""
    printed, notes = invoke(*arguments, code=code, **options)
    return notes.splitlines()[-1] if code else printed


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


def export_mixture(kind, folder):
    """Exports a model that mixes its interests; returns its folder."""
    keras.utils.set_random_seed(2)
    if kind == "timirec":
        model = create_model("timirec:timirec_paper", 2, 15, max_length=4)
    else:
        options = {**SMALL, "embeddings_initializer": 1.0}
        model = MGNM(2, 15, **options, distillation_temperature=0.1)
    random = np.random.default_rng(3)
    for weight in model.trainable_weights:
        if weight.path.startswith(("predictor/", "item_", "extractor/")):
            weight.assign(random.normal(size=weight.shape))
    words = Vocabularies(["ann", "x,y"], ITEMS, list(range(15)))
    export(model, words, folder / kind)
    return folder / kind


@pytest.mark.parametrize("kind", ["timirec", "mgnm"])
def test_the_page_of_a_mixture_shows_what_is_expected(folder, tmp_path, kind):
    """What the page says is what the scores of the export are made of."""
    place = export_mixture(kind, tmp_path)
    out = tmp_path / "page.html"
    run(folder, "--users", "ann", "--out", out, model=place)
    page = out.read_text(encoding="utf-8")
    recommender = Recommender.load(place)
    history = EVENTS["ann"]
    expected = recommender.recommend([history], 10, ["ann"])
    found = recommender.interest_distribution([history], ["ann"])
    shares = found["distribution"][0]
    vectors = recommender.item_vectors(expected["item_id"])
    parts = shares[:, None] * (found["interests"][0] @ vectors.T)
    np.testing.assert_allclose(
        parts.sum(axis=0), expected["score"], rtol=1e-3, atol=1e-4
    )
    places = parts.argmax(axis=0)
    chips = re.findall(r'class="chip c(\d)">(.*?)</span>', page)
    levels, numbers = found["level"], found["interest"]
    if kind == "timirec":
        assert levels.tolist() == [0] * 4 and numbers.tolist() == [1, 2, 3, 4]
        shown = {f"Interest {n}": shares[n - 1] for n in numbers}
        texts = [(str(p), f"interest {numbers[p]}") for p in places]
    else:
        assert levels.tolist() == [0, 0, 1, 1]
        shown = {f"Level {n}": shares[levels == n].sum() for n in (0, 1)}
        texts = [
            (str(levels[p]), f"level {levels[p]}, interest {numbers[p]}")
            for p in places
        ]
    assert chips == texts and len(set(texts)) > 1
    words = [
        f"{name}: {'<1%' if share < 0.005 else f'{share:.0%}'}"
        for name, share in shown.items()
    ]
    assert ", ".join(words) in html.unescape(page)
    assert "is expected now:" in page
    # Of a history without a known item nothing is expected.
    run(folder, "--users", "bob", "--out", tmp_path / "b.html", model=place)
    assert "is expected now:" not in (tmp_path / "b.html").read_text("utf-8")


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


def test_what_is_not_known_is_said_once(folder, tmp_path):
    _, notes = invoke(folder, "--out", tmp_path / "page.html")
    assert notes.splitlines() == [
        f"{folder / 'h.csv'}: the model does not know 2 of 4 users (for "
        "example '7') and 1 of 7 items (for example 'gone'), so 2 of 9 events "
        "are left out."
    ]


def test_a_history_with_ids_of_another_form(folder, tmp_path):
    history = tmp_path / "h.csv"
    history.write_text("user_id,item_id,timestamp\nann,TEA,1\n")
    out = tmp_path / "page.html"
    line = run(folder, "--out", out, code=1, history=history)
    assert "h.csv, column 'item_id': the model knows none of the 1 it" in line
    assert "for example 'TEA'; an item that it knows is 'tea'" in line
    assert not out.exists()


def test_columns_of_other_names(folder, tmp_path):
    table = pd.read_csv(folder / "h.csv", dtype=str)
    table.columns = ["u", "i", "t"]
    history = tmp_path / "h.txt"
    table.to_csv(history, index=False, sep=";")
    options = ["--user-column", "u", "--item-column", "i", "--separator", ";"]
    pages = {}
    for name, more in (("timed", ["--time-column", "t"]), ("plain", [])):
        out = tmp_path / f"{name}.html"
        arguments = ["--out", out, *options, *more]
        _, notes = invoke(folder, *arguments, history=history)
        assert ("has no column 'timestamp'" in notes) == (name == "plain")
        pages[name] = out.read_text(encoding="utf-8")
    run(folder, "--out", tmp_path / "expected.html")
    expected = (tmp_path / "expected.html").read_text(encoding="utf-8")
    assert pages["timed"] == expected != pages["plain"]


def test_titles_of_ids_that_are_numbers(tmp_path):
    words = Vocabularies(["ann"], [str(i) for i in range(15)], [1] * 15)
    model = MGNM(1, 15, **SMALL)
    export(model, words, tmp_path / "mgnm")
    (tmp_path / "h.csv").write_text("user_id,item_id\nann,3\nann,4\n")
    ids = np.arange(3, 12)
    names = [f"Title {i}" for i in ids]
    pages = []
    for place, items in enumerate(
        [ids.astype(str), ids, ids.astype("float64"), pd.Categorical(ids)]
    ):
        table = pd.DataFrame({"item_id": items, "title": names})
        titles = tmp_path / f"{place}.parquet"
        table.to_parquet(titles)
        out = tmp_path / f"{place}.html"
        _, notes = invoke(tmp_path, "--titles", titles, "--out", out)
        assert f"{titles}: titles of 9 of the 15 items." in notes
        pages.append(out.read_text())
    assert pages[0] == pages[1] == pages[2] == pages[3]
    assert "Title 3" in pages[0]


def test_titles_of_other_items(folder, tmp_path):
    titles = tmp_path / "titles.csv"
    titles.write_text("item_id,title\nMilk,Fresh & cold\n")
    _, notes = invoke(folder, "--titles", titles, "--out", tmp_path / "p.html")
    assert (
        f"{titles}: titles of 0 of the 15 items. It has titles of other items, "
        "for example 'Milk'; an item of the model is 'tea'."
    ) in notes


def test_a_full_disk(folder, tmp_path):
    out = tmp_path / "page.html"
    with no_space(100):
        line = run(folder, "--out", out, code=1)
    assert line == (
        f"mgnm: {out} could not be written: File too large; nothing was left "
        "of it."
    )
    assert list(tmp_path.iterdir()) == []


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
