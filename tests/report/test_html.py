import base64
import json
import re

import pytest

from mgnm_tf.report.html import write_report
from tests.report.test_tables import SUMMARY

RESULTS = """model,seed,status,gauc,ndcg@5,best_epoch,device,error,folder
mgnm,0,finished,0.6,0.03,2.0,CPU,,mgnm/seed-0
popularity,0,finished,0.5,0.0123,,CPU,,popularity/seed-0
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
    for name in ("mgnm", "popularity"):
        folder = tmp_path / name / "seed-0"
        folder.mkdir(parents=True)
        (folder / "environment.json").write_text(json.dumps(environment))
    (tmp_path / "mgnm" / "seed-0" / "history.csv").write_text(HISTORY)
    (tmp_path / "comparison.json").write_text(json.dumps(shared))
    (tmp_path / "results.csv").write_text(RESULTS)
    path = write_report(tmp_path, SUMMARY, "Ranked among 1,000.")
    return path.read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(page):
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources and all(link.startswith("data:") for link in sources)
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


def test_the_curves_are_inside(page):
    (source,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', page)
    svg = base64.b64decode(source).decode()
    for title in ("validation NDCG@5", "validation GAUC", "training loss"):
        assert title in svg
    assert ">mgnm<" in svg and ">popularity<" not in svg


def test_the_page_says_what_a_star_is(page):
    assert "seeds and users both taken as drawn at random" in page
    assert "empty where a model has fewer than three seeds" in page
    assert "paired t-test" not in page
