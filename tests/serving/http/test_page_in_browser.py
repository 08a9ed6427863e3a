"""The page at `/`, used in a browser at the width of a phone and of a desk."""

import html
import json
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi_offline", reason="needs the extra [serve]")
pytest.importorskip("prometheus_client", reason="needs the extra [serve]")

import uvicorn
from fastapi.responses import HTMLResponse

from mgnm_tf.serving.http.application import create_application
from mgnm_tf.serving.http.item_list import Item
from mgnm_tf.serving.http.served_models import ServedModels
from mgnm_tf.serving.http.settings import Settings
from mgnm_tf.serving.http.user_histories import UserHistories
from mgnm_tf.serving.requests.history_table import read_history
from tests.serving.exports import export_interests
from tests.serving.exports import export_times

WIDTHS = (390, 1280)
HERE = Path(__file__).parent
SCRIPTS = [
    HERE.parents[1] / "report" / "measure_page.js",
    HERE / "drive_page.js",
]
TITLES = {
    "tea": Item("Green Tea"),
    "milk": Item("Oat milk" + "!" * 60),
    "é": Item("Hostile <b>é</b>"),
}
LOG = "user_id,item_id,timestamp\nann,tea,1\nann,milk,2\nann,é,3\nbob,tea,1\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Serves two models, and a page with frames around the page."""
    folder = tmp_path_factory.mktemp("page")
    paths = [
        export_interests(folder / "interests"),
        export_times(folder / "times"),
    ]
    (folder / "log.csv").write_text(LOG)
    models = ServedModels(
        paths, Settings(check_every=0.0, timeout=300.0), TITLES
    )
    users = UserHistories(read_history(folder / "log.csv", True))
    app = create_application(models, users)
    frames = "".join(
        f'<iframe src="/" style="width:{width}px;height:900px;border:0">'
        "</iframe>"
        for width in WIDTHS
    )
    scripts = "".join(one.read_text(encoding="utf-8") for one in SCRIPTS)
    around = (
        f'<!DOCTYPE html><meta charset="utf-8"><pre></pre>{frames}'
        f"<script>{scripts}</script>"
    )

    @app.get("/around")
    async def page():
        return HTMLResponse(around)

    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
        assert thread.is_alive()
    (one,) = server.servers
    yield f"http://127.0.0.1:{one.sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(60)


def browse(browser, folder, url, *options):
    done = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1400,1000",
            "--hide-scrollbars",
            *options,
            url,
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=400,
        check=True,
    )
    return done.stdout


def results(browser, folder, address, *options):
    """Returns what `drive_page.js` and `measure_page.js` find."""
    text = browse(
        browser,
        folder,
        f"{address}/around",
        "--dump-dom",
        "--virtual-time-budget=60000",
        *options,
    )
    (result,) = re.findall("<pre>(.*?)</pre>", text, re.DOTALL)
    found = json.loads(html.unescape(result))
    assert "error" not in found, found
    return found["found"]


@pytest.mark.parametrize(
    "options, colour",
    [
        ([], "rgb(255, 255, 255)"),
        (["--blink-settings=preferredColorScheme=0"], "rgb(19, 20, 24)"),
    ],
    ids=["light", "dark"],
)
def test_it_is_used_by_keyboard_at_each_width(
    browser, address, tmp_path, options, colour
):
    found = results(browser, tmp_path, address, *options)
    for one, width in zip(found, WIDTHS, strict=True):
        used, measured = one["used"], one["measured"]
        assert measured["width"] == measured["pageWidth"] == width
        assert measured["wrong"] == []
        assert not measured["hacked"] and measured["texts"] > 30
        assert measured["background"] == colour
        assert used["popular"][0].startswith("Oat milk")
        assert not used["secondHidden"]
        assert used["active"] == "found-1" and len(used["selected"]) == 1
        assert used["closed"]
        assert used["history"] == ["Green Tea"]
        assert used["focus"] == "search"
        assert "Green Tea" not in used["first"]
        assert used["added"] == [used["first"][0], "Green Tea"]
        assert used["rows"] == used["added"]
        assert used["interests"] == 2 and len(used["cells"]) == 2
        assert all(re.fullmatch(r"\d+%", one) for one in used["cells"])
        assert any("fed by" in text for text in used["reasons"])
        assert any("interest" in text for text in used["reasons"])
        assert used["sizes"] == [3, 3] and used["hour"]
        assert used["users"] == ["ann"]
        assert used["loaded"][0] == "Hostile <b>é</b>"
        assert used["loaded"][2] == "Green Tea"
        assert used["afterRemoval"] == "BUTTON"
        assert used["status"].startswith("3 recommendations of interests")
        assert used["error"] and used["names"]
