"""The page of `mgnm start` says all, needs nothing and hides nothing."""

import re

import pytest

from mgnm_tf.report.start_page import write_start_page
from tests.report.test_explain_in_browser import WIDTHS
from tests.report.test_explain_in_browser import measure

ROW = {
    "model": "mgnm",
    "name": "MGNM",
    "ndcg": 0.16,
    "low": 0.15,
    "high": 0.17,
    "hit": 0.21,
    "gauc": 0.79,
    "gain": "+60 % (+55 to +65)",
    "epochs": "12 of 16",
    "seconds": 99.6,
}
STARTED = {
    "verdict": {
        "headline": "MGNM is worth <its> training.",
        "sentences": ["NDCG@5 0.16 against 0.10: +60 %.", "One seed."],
    },
    "findings": [
        ("care", "Times are whole days."),
        ("fact", "20 % of nothing."),
    ],
    "rows": [ROW, {**ROW, "name": "item-kNN", "ndcg": 0.1, "low": 0.09}],
    "metric": "ndcg@5",
    "protocol": "Each event is ranked.",
    "commands": [
        ("Export", "mgnm export " + "runs/" * 30),
        ("Next", "mgnm recommend 'a b.csv'"),
    ],
    "page": "start.html",
    "cuts": [],
}


@pytest.fixture
def page(tmp_path):
    write_start_page(
        tmp_path / "start.html",
        name="a<b>.csv",
        said=["Columns: user is 'user_id'."],
        minutes=0.5,
        started=STARTED,
    )
    return (tmp_path / "start.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(page):
    assert not re.findall(r"(?:src|href)=", page)
    assert "<script" not in page and "@import" not in page
    assert 'name="viewport"' in page


def test_the_page_says_all(page):
    for text in (
        "<h1>MGNM is worth &lt;its&gt; training.</h1>",
        "a&lt;b&gt;.csv, 0.5 minutes",
        "+60\xa0%.",
        '<p class="care">Times are whole days.</p>',
        "<li>20\xa0% of nothing.</li>",
        "<td>0.1500 to 0.1700</td>",
        "<td>12 of 16</td>",
        "<td>100</td>",
        "Each event is ranked.",
        "<pre>mgnm recommend &#39;a b.csv&#39;</pre>",
    ):
        assert text in page


def test_bars_are_in_proportion(page):
    widths = re.findall(r'"bar" style="width: ([\d.]+)%', page)
    assert [float(width) for width in widths] == pytest.approx(
        [94.1, 58.8], abs=0.1
    )
    ranges = re.findall(r"left: ([\d.]+)%; width: ([\d.]+)%", page)
    assert [float(end) for end in ranges[0]] == pytest.approx(
        [88.2, 11.8], abs=0.1
    )


def test_it_fits_a_phone(browser, page, tmp_path):
    for one, width in zip(
        measure(browser, page, tmp_path), WIDTHS, strict=True
    ):
        assert one["pageWidth"] == one["width"] == width
        assert one["wrong"] == []
