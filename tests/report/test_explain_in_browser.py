"""The page of `mgnm explain` as a browser lays it out."""

import html
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mgnm_tf.report.explain import write_explanation
from tests.report.explain_world import MadeUpRecommender

WIDTHS = (390, 1280)
SCRIPT = Path(__file__).with_name("measure_page.js")
HOSTILE = "</title><script>window.hacked=1</script>"
LONG = "long" * 50


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    random = np.random.default_rng(0)
    items = [f"B00{number:07d}" for number in range(40)]
    items += [HOSTILE, LONG, "子供のための積み木", "كتاب"]
    histories = {
        f"A{number:013d}": random.choice(items, size=size).tolist()
        for number, size in enumerate((1, 5, 30))
    }
    histories |= {HOSTILE: items[-4:], LONG: ["gone"], "nobody": []}
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_explanation(MadeUpRecommender(items), histories, path)
    return path.read_text(encoding="utf-8")


def measure(browser, page, folder, *options):
    """Returns what `measure_page.js` finds in the page at each width."""
    frames = "".join(
        f'<iframe style="width:{width}px;height:900px;border:0" '
        f'srcdoc="{html.escape(page)}"></iframe>'
        for width in WIDTHS
    )
    script = SCRIPT.read_text(encoding="utf-8")
    around = folder / "around.html"
    around.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><pre></pre>{frames}'
        f"<script>{script}</script>",
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1400,1000",
            "--hide-scrollbars",
            "--dump-dom",
            *options,
            around.as_uri(),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    (result,) = re.findall("<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    return json.loads(html.unescape(result))


def check(found):
    """Checks what holds in every width and scheme."""
    for one, width in zip(found, WIDTHS, strict=True):
        assert one["width"] == width
        assert one["pageWidth"] == width
        assert one["texts"] > 200
        assert one["names"] > 8
        assert not one["hacked"]
        assert one["wrong"] == []


def test_light(browser, page, tmp_path):
    found = measure(browser, page, tmp_path)
    check(found)
    assert {one["background"] for one in found} == {"rgb(255, 255, 255)"}


def test_dark(browser, page, tmp_path):
    dark = "--blink-settings=preferredColorScheme=0"
    found = measure(browser, page, tmp_path, dark)
    check(found)
    assert {one["background"] for one in found} == {"rgb(19, 20, 24)"}


def test_what_is_wrong_is_found(browser, page, tmp_path):
    for old, new in (
        ("--soft: #55585f", "--soft: #aaa"),
        ("font-size: .8125rem; white-space", "font-size: 9px; white-space"),
        (".bars { width: 100%;", ".bars { width: 120%;"),
        ("</style>", ".score { min-width: 90rem; }</style>"),
        (HOSTILE.replace("<", "&lt;").replace(">", "&gt;"), HOSTILE),
    ):
        assert old in page
        page = page.replace(old, new)
    found = measure(browser, page, tmp_path)
    for one, width in zip(found, WIDTHS, strict=True):
        assert one["pageWidth"] > width
        assert one["hacked"]
        kinds = {text.split(" (")[0].split(":")[0] for text in one["wrong"]}
        assert kinds >= {"pale", "sticks out", "small"}
