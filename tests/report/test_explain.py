import html
import re

import numpy as np
import pytest

from mgnm_tf.errors import OutputExistsError
from mgnm_tf.report.explain import write_explanation
from mgnm_tf.report.explanation import Explainer
from tests.report.explain_world import MadeUpMixture
from tests.report.explain_world import MadeUpRecommender

ITEMS = [f"item {number}" for number in range(30)]
HOSTILE = "</title><script>window.hacked=1</script>\"'&"
HISTORIES = {
    "ann": ["item 3", "item 7", HOSTILE, "item 3"],
    HOSTILE: [HOSTILE, "積み木", "gone"],
    "nobody": [],
    "stranger": ["gone"],
}


@pytest.fixture(scope="module")
def recommender():
    return MadeUpRecommender([*ITEMS, HOSTILE, "積み木"], levels=3, count=2)


@pytest.fixture
def page(recommender, tmp_path):
    path = write_explanation(recommender, HISTORIES, tmp_path / "page.html")
    return path.read_text(encoding="utf-8")


def rows(page, css_class):
    """Returns the rows of all bodies of tables of a class, as lists of text."""
    found = []
    for table in re.findall(
        rf'<table class="{css_class}[^"]*".*?</table>', page, re.DOTALL
    ):
        (body,) = re.findall(r"<tbody>(.*?)</tbody>", table, re.DOTALL)
        found += [
            [
                html.unescape(re.sub("<[^>]*>", "", cell)).strip()
                for cell in re.findall(
                    r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL
                )
            ]
            for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
        ]
    return found


def test_the_page_needs_nothing_else(page):
    assert not re.findall(r"(?:https?:|src=|@import|url\(|<link)", page)
    assert "<script" not in page
    links = re.findall(r'href="([^"]*)"', page)
    assert links == [f"#user-{number}" for number in range(1, 5)]
    for link in links:
        assert page.count(f'id="{link[1:]}"') == 1


def test_what_users_wrote_is_text(page):
    assert page.count("&lt;script&gt;window.hacked=1&lt;/script&gt;&#34;") > 3
    assert "積み木" in page
    assert "MGNM &lt;paper&gt;" in page


def test_the_heat_map_holds_the_shares(page, recommender):
    attention = recommender.interests([HISTORIES["ann"]])["attention"][0]
    ann = rows(page, "heat")[:4]
    assert [row[0] for row in ann] == HISTORIES["ann"][::-1]
    for row, weights in zip(ann, attention.T[::-1], strict=True):
        assert row[1:] == [
            f"{100 * weight:.0f}" if weight >= 0.005 else ""
            for weight in weights
        ]
    # The highest share of a user has the full colour.
    assert f"{100 * attention.max():.0f}%</span>" in page
    tones = re.findall(r'style="--w:(.*?)"', page)
    expected = [
        f"{weight / attention.max():.2f}"
        for weights in attention.T[::-1].tolist()
        for weight in weights
        if weight >= 0.005
    ]
    assert tones[: len(expected)] == expected
    for level in range(3):
        heading = f'scope="colgroup" colspan="2">Level {level}</th>'
        assert heading in page


def test_bars_say_in_words_how_often_a_level_wins(page):
    bars = re.findall(r'class="bar" role="img" aria-label="([^"]*)"', page)
    assert len(bars) == 4  # two for all users, and two users with a history
    for bar in bars:
        shares = re.findall(r"Level \d: (\d+)%", bar)
        assert len(shares) == 3
        assert abs(sum(map(int, shares)) - 100) <= 1


def test_recommendations_name_what_they_come_from(page, recommender):
    found = [row for row in rows(page, "items") if "fed by" in row[1]]
    assert len(found) == 20
    for row in found:
        assert re.search(r"level [0-2], interest [12]\s+fed by .*%\)", row[1])
    (ann,) = Explainer(recommender).explain({"ann": HISTORIES["ann"]})
    for row, one in zip(found, ann.recommendations, strict=False):
        behind = row[1].partition("fed by ")[2]
        assert behind == ", ".join(
            f"{item} ({100 * share:.0f}%)" for item, share in one.sources
        )
    expected = recommender.recommend([HISTORIES["ann"]], 10, ["ann"])
    assert found[0][1].startswith(expected["item_id"][0])
    assert found[0][2] == f"{expected['score'][0]:#.3g}"


def test_users_without_a_known_history(page):
    assert page.count("no known history") == 2
    assert page.count("Without a known history the most popular items") == 2
    assert "The history is empty." in page
    assert "The model knows no item of this history." in page
    assert "gone (unknown)" in page


def test_titles(recommender, tmp_path):
    titles = {"item 3": "Kite & <string>"}
    path = write_explanation(
        recommender, HISTORIES, tmp_path / "page.html", titles=titles
    )
    page = path.read_text(encoding="utf-8")
    assert "Kite &amp; &lt;string&gt;" in page
    assert 'title="item 3"' in page and ">item 3<" not in page


def test_a_model_without_levels(tmp_path):
    recommender = MadeUpRecommender(ITEMS, levels=1, count=3)
    path = write_explanation(
        recommender, {"ann": ["item 1", "item 2"]}, tmp_path / "page.html"
    )
    page = path.read_text(encoding="utf-8")
    assert "Which interest wins?" in page
    assert not re.search("[Ll]evel", re.sub("<style.*?</style>", "", page))
    assert re.search(r'aria-label="Interest 1: \d+%, Interest 2', page)


def test_a_model_that_predicts_which_interest_is_next(page, tmp_path):
    path = write_explanation(
        MadeUpMixture(ITEMS, [0.62, 0.3, 0.08]),
        {"ann": ["item 1", "item 2"], "nobody": []},
        tmp_path / "mixture.html",
    )
    mixture = path.read_text(encoding="utf-8")
    assert mixture.count("Which interest is expected now:") == 1
    words = "Interest 1: 62%, Interest 2: 30%, Interest 3: 8%"
    assert f'aria-label="{words}"' in mixture
    assert "adds most to the score wins" in mixture
    assert "likes it best" not in mixture
    assert "likes it best" in page and "expected now" not in page


def test_no_user(recommender, tmp_path):
    path = write_explanation(recommender, {}, tmp_path / "page.html")
    assert "0 users" in path.read_text(encoding="utf-8")


def test_a_file_that_exists_is_kept(recommender, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("mine")
    with pytest.raises(OutputExistsError):
        write_explanation(recommender, HISTORIES, path)
    assert path.read_text() == "mine"


def test_nothing_is_left_of_a_page_that_failed(recommender, tmp_path):
    class Broken(MadeUpRecommender):
        def recommend(self, *args, **kwargs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_explanation(Broken(ITEMS), HISTORIES, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_the_same_page_for_the_same_input(recommender, tmp_path):
    pages = [
        write_explanation(
            recommender, HISTORIES, tmp_path / f"{number}.html"
        ).read_bytes()
        for number in range(2)
    ]
    assert pages[0] == pages[1]
    assert np.all([b"Why these items?" in page for page in pages])
