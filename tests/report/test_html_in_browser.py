"""The report of a comparison as a browser lays it out."""

import html
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.report.html import write_report

WIDTHS = (390, 1280)
SCRIPT = Path(__file__).with_name("measure_report.js")
MODELS = [
    "popularity",
    "item_knn",
    "mgnm",
    "mgnm:recommended+self_attention_for_capsules+without_graph",
    "x" * 80,
    "</title><script>window.hacked=1</script>",
]
METRICS = ["gauc", "ndcg@5", "hit@5", "mrr@5"]
SLICES = {
    "history length": ["1-2", "3-5", "6-10", "11-20", "21-50", "51-100"],
    "item popularity": ["1-5", "6-10", "11-20", "101-500", "501+"],
    "days since the last event": ["under a day", "1-7", "8-30", "366+"],
}
TITLES = [
    "Failed runs",
    "Quality and training time",
    "Metrics",
    "Slices",
    "Coverage and novelty",
    "Training curves",
    "Significance",
    "Runs",
    "Training",
    "Data",
    "Machine and versions",
]


def write_run(folder, random):
    """Writes what a report reads of a run."""
    folder.mkdir(parents=True)
    environment = {
        "mgnm_tf": "0.1",
        "python": "3.11",
        "packages": {"tensorflow": "2.21"},
        "device": "CPU (2 cores)",
        "platform": "Linux",
    }
    (folder / "environment.json").write_text(json.dumps(environment))
    beyond = {
        "k": 5,
        "records": 1000,
        "coverage": 0.2,
        "novelty": 12.3,
        "gini": 0.9,
    }
    (folder / "beyond_accuracy.json").write_text(json.dumps(beyond))
    names = ["loss", "val_gauc", "val_ndcg@5"]
    history = pd.DataFrame(random.uniform(size=(8, 3)), columns=names)
    history.to_csv(folder / "history.csv", index=False)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = tmp_path_factory.mktemp("comparison")
    random = np.random.default_rng(0)
    rows, slices, models = [], [], {}
    for number, model in enumerate(MODELS):
        for seed in (0, 1, 2):
            folder = f"{number}/seed-{seed}"
            write_run(out / folder, random)
            values = dict(zip(METRICS, random.uniform(0.02, 0.08, 4)))
            one = {"model": model, "seed": seed}
            run = {"seconds": 10.0 ** random.uniform(-1, 4), "folder": folder}
            rows.append({**one, "status": "finished", **values, **run})
            slices += [
                {**one, "slice": name, "bounds": bounds, "records": 12345}
                | {metric: random.uniform() for metric in METRICS}
                for name, all_bounds in SLICES.items()
                for bounds in all_bounds
            ]
        own = pd.DataFrame(rows[-3:])[METRICS]
        models[model] = {
            "test": own.mean().to_dict(),
            "std": own.std().to_dict(),
            "seeds": [0, 1, 2],
            "positives_per_second": 12345.6,
            "seconds_per_epoch": 4.5,
            "peak_memory": 1234.5,
            "parameters": 1234567,
            "pvalues": dict.fromkeys(METRICS, 0.031),
        }
    error = "no memory left " + "a" * 200
    failed = {"model": "gru4rec", "seed": 0, "error": error}
    rows.append({**failed, "status": "failed"})
    pd.DataFrame(rows).to_csv(out / "results.csv", index=False)
    pd.DataFrame(slices).to_csv(out / "slices.csv", index=False)
    shared = {
        "settings": {"batch_size": 256, "epochs": None},
        "data": {"fingerprint": "ab" * 32, "name": "Toys & Games"},
    }
    (out / "comparison.json").write_text(json.dumps(shared))
    summary = {
        "protocol": {"part": "test"},
        "models": models,
        "best": {
            metric: max(models, key=lambda name: models[name]["test"][metric])
            for metric in METRICS
        },
        "failed": [failed],
    }
    return write_report(out, summary, "Ranked. " * 20).read_text("utf-8")


def measure(browser, page, folder):
    """Returns what `measure_report.js` finds in the page at each width."""
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
            "--window-size=1700,1000",
            "--hide-scrollbars",
            "--dump-dom",
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


def test_the_page_fits_and_can_be_read(browser, page, tmp_path):
    for one, width in zip(measure(browser, page, tmp_path), WIDTHS):
        assert one["width"] == one["pageWidth"] == width
        assert one["titles"] == TITLES
        assert not one["hacked"]
        assert one["wrong"] == []
        # What is too wide scrolls inside its box.
        assert one["scrolling"] >= (5 if width < 600 else 1)
        # Letters of 9 points in a figure of 4.4 inches.
        assert one["smallestLetters"] >= 9.5
        assert one["columns"] == (1 if width < 600 else 2)
        assert one["figures"] == 1 + 4 + 3 + 3
    assert "http" not in page


def test_what_is_wrong_is_found(browser, page, tmp_path):
    for old, new in (
        ("color: #55585f", "color: #bbb"),
        (".scroll { overflow-x: auto;", ".scroll { overflow-x: visible;"),
        ("data:image/svg+xml;base64,PD94", "data:image/svg+xml;base64,AAAA"),
        (".problems { color", ".problems { width: 70rem; color"),
    ):
        assert old in page
        page = page.replace(old, new)
    phone, wide = measure(browser, page, tmp_path)
    assert phone["pageWidth"] > 390
    kinds = {text.split(":")[0].split(" (")[0] for text in phone["wrong"]}
    assert kinds >= {"pale", "sticks out", "not drawn"}
    assert phone["scrolling"] == 0 and wide["pageWidth"] >= 1280
