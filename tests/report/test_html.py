import base64
import json
import re

import pytest

from mgnm_tf.report.html import write_report
from tests.report.test_tables import SUMMARY

RESULTS = """model,seed,status,gauc,ndcg@5,best_epoch,seconds,error,folder
mgnm,0,finished,0.6,0.03,2.0,60,,mgnm/seed-0
popularity,0,finished,0.5,0.0123,,0.2,,popularity/seed-0
item_knn,0,finished,0.7,0.02,,0.3,,item_knn/seed-0
gru4rec,0,failed,,,,,no <memory>,
"""
HISTORY = "epoch,loss,val_gauc,val_ndcg@5\n0,1.5,0.5,0.1\n1,1.2,0.6,0.2\n"


@pytest.fixture
def page(tmp_path):
    environment = {
        "mgnm_tf": "0.1",
        "python": "3.11",
        "packages": {"tensorflow": "2.21"},
        "device": "CPU (2 cores)",
        "platform": "Linux",
    }
    shared = {
        "settings": {"batch_size": 2000, "jit": False, "steps": None},
        "data": {
            "fingerprint": "abc",
            "name": "toys & games",
            "filters": [{"min_user": 5}, {"min_item": 1}],
        },
    }
    for name in ("mgnm", "popularity", "item_knn"):
        folder = tmp_path / name / "seed-0"
        folder.mkdir(parents=True)
        (folder / "environment.json").write_text(json.dumps(environment))
    (tmp_path / "mgnm" / "seed-0" / "history.csv").write_text(HISTORY)
    (tmp_path / "comparison.json").write_text(json.dumps(shared))
    (tmp_path / "results.csv").write_text(RESULTS)
    path = write_report(tmp_path, SUMMARY, "Ranked among 1,000.")
    return path.read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(page):
    sources = re.findall(r'src(?:set)?="([^"]*)"', page)
    assert sources and all(link.startswith("data:") for link in sources)
    links = re.findall(r'href="([^"]*)"', page)
    assert links and all(link.startswith("#") for link in links)
    assert "http" not in page
    assert "<script" not in page and "@import" not in page


def test_the_page_says_what_was_compared(page):
    for text in (
        "Comparison on toys &amp; games",
        '<td class="best">0.0300 ± 0.0040</td>',
        '<td class="second">0.0200*</td>',
        "Ranked among 1,000.",
        "no &lt;memory&gt;",
        "CPU (2 cores); mgnm_tf 0.1, Python 3.11, tensorflow 2.21; Linux",
        "<dt>batch size</dt><dd>2,000</dd>",
        "<dt>jit</dt><dd>no</dd>",
        "<dt>steps</dt><dd>none</dd>",
        "<dt>filters</dt><dd>min user 5; min item 1</dd>",
        "<dt>fingerprint</dt><dd>abc</dd>",
    ):
        assert text in page
    assert page.count("CPU (2 cores)") == 1


def figures(page):
    """Returns description -> SVG of the figures of a page."""
    found = re.findall(
        r'<img src="data:image/svg\+xml;base64,([^"]*)" alt="([^"]+)"', page
    )
    return {text: base64.b64decode(code).decode() for code, text in found}


def test_the_figures_are_inside(page):
    drawn = figures(page)
    assert list(drawn) == [
        "NDCG@5 and training time of each model",
        "GAUC of each model",
        "NDCG@5 of each model",
        "validation NDCG@5 of each model by epoch",
        "validation GAUC of each model by epoch",
        "training loss of each model by epoch",
    ]
    assert ">popularity<" in drawn["NDCG@5 of each model"]
    assert page.count('media="(max-width: 600px)"') == 1


def test_the_legend_of_the_curves_names_the_models_that_have_them(page):
    names = re.findall(
        r'<li><img [^>]*alt=""[^>]*><span>([^<]*)</span></li>', page
    )
    assert names == ["mgnm"]


def test_the_page_says_what_a_star_is(page):
    assert "seeds and users both taken as drawn at random" in page
    assert "empty where a model has fewer than three seeds" in page
    assert "paired t-test" not in page
