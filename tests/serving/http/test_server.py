"""`mgnm serve` as a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("httpx2", reason="needs the extra [dev]")
pytest.importorskip("fastapi_offline", reason="needs the extra [serve]")
pytest.importorskip("prometheus_client", reason="needs the extra [serve]")

import httpx2 as httpx
import threadpoolctl
import uvicorn

from mgnm_tf.errors import UserError
from mgnm_tf.serving.http.server import read_token
from mgnm_tf.serving.http.server import serve
from mgnm_tf.serving.http.settings import Settings
from tests.export.worlds import export_sums
from tests.test_cli import refused

BODY = {"history": ["tea"], "user": "hidden-user", "k": 3}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return export_sums(tmp_path_factory.mktemp("server") / "sums")


class Process:
    """A server on a free port."""

    def __init__(self, *arguments, **environment):
        command = [sys.executable, "-m", "mgnm_tf", "serve", "--port", "0"]
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        line = self.process.stdout.readline()
        assert line.startswith("Serving at "), self.process.communicate()
        self.address = line.split()[2].rstrip("/,")
        self.client = httpx.Client(base_url=self.address, timeout=300)
        self.log = []
        self._reader = threading.Thread(
            target=lambda: self.log.extend(self.process.stderr)
        )
        self._reader.start()

    def stop(self, kind=signal.SIGTERM):
        self.process.send_signal(kind)
        code = self.process.wait(300)
        self._reader.join(60)
        self.client.close()
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def test_products_take_one_thread_while_it_serves(path, monkeypatch):
    def threads():
        found = threadpoolctl.threadpool_info()
        return {x["num_threads"] for x in found if x["user_api"] == "blas"}

    served = []
    monkeypatch.setattr(
        uvicorn.Server, "run", lambda *_, **__: served.append(threads())
    )
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        serve([path], "127.0.0.1", 0, Settings(check_every=0))
        assert threads() == {2}
    assert served == [{1}]


def test_from_start_to_end(path):
    server = Process(path, "--check-every", 0, "--timeout", 300)
    try:
        answer = server.client.post("/recommend", json=BODY)
        items = [one["item"] for one in answer.json()["items"]]
        assert items == ["é", "[b]", "x\u2028y"]
        assert "server" not in answer.headers
        # A caller that hangs up before it is answered harms nobody.
        host, port = server.address.removeprefix("http://").split(":")
        for sent in (b"POST /recommend HTTP/1.1\r\nContent-Le", b"", b"\0\r\n"):
            with socket.create_connection((host, int(port))) as client:
                client.sendall(sent)
        with socket.create_connection((host, int(port))) as client:
            body = json.dumps(BODY).encode()
            head = "POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Length: "
            client.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body[:9])
        line = refused("serve", path, "--port", port)
        assert f"Port {port} of 127.0.0.1 cannot be used" in line
        assert "--port" in line

        def ask(number):
            return server.client.post("/recommend", json=BODY)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(40)))
        assert {one.status_code for one in answers} == {200}
        assert {one.text for one in answers} == {answer.text}
        # What was taken before the end is answered.
        with ThreadPoolExecutor(8) as pool:
            late = [pool.submit(ask, number) for number in range(8)]
            late[0].result()
            code = server.stop()
            for one in late:
                error = one.exception()
                assert isinstance(error, httpx.TransportError | None)
                assert error or one.result().status_code == 200
        assert code == 0
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
    # What TensorFlow says of the machine comes first, if at all.
    begin = next(i for i, line in enumerate(server.log) if line[0] == "{")
    lines = [json.loads(line) for line in server.log[begin:]]
    events = [one["event"] for one in lines]
    assert events[0] == "serving" and events[-1] == "stopped"
    assert events.count("request") >= 41
    text = "".join(server.log)
    assert "hidden" not in text and "Traceback" not in text
    assert "127.0.0.1" not in text


def test_a_token_from_the_environment_and_control_c(path):
    server = Process(path, "--timeout", 300, MGNM_TOKEN="abc")
    try:
        post, url = server.client.post, "/recommend"
        assert post(url, json=BODY).status_code == 401
        headers = {"Authorization": "Bearer abc"}
        assert post(url, json=BODY, headers=headers).status_code == 200
        assert server.stop(signal.SIGINT) == 0
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--port", 70_000], "--port must be from 0 to 65535"),
        (["--host", "no.such.host.invalid"], "--host must be an address"),
        (["--timeout", 0], "`timeout` must be between"),
        (["--timeout", "nan"], "`timeout` must be between"),
        (["--max-waiting", 0], "`max_waiting` must be at least 1"),
        (["--check-every", -1], "`check_every` must be between"),
        (["--token-file", "none.txt"], "none.txt cannot be read"),
        (["--items", "none.csv"], "none.csv"),
        (["--history", "none.csv"], "none.csv"),
    ],
)
def test_what_cannot_be_served(path, options, sentence):
    assert sentence in refused("serve", path, "--port", 0, *options)


def test_no_export(tmp_path):
    line = refused("serve", tmp_path / "none", "--port", 0)
    assert "There is no export folder" in line


def test_tokens(tmp_path, monkeypatch):
    monkeypatch.delenv("MGNM_TOKEN", raising=False)
    assert read_token(None) is None
    path = tmp_path / "token"
    path.write_text("a-b\n")
    assert read_token(path) == "a-b"
    for content in (b"", b" \n", "é".encode(), b"a\nb", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="token"):
            read_token(path)
    monkeypatch.setenv("MGNM_TOKEN", "")
    with pytest.raises(UserError, match="MGNM_TOKEN must hold a token"):
        read_token(None)


def test_what_is_missing_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    line = refused("serve", path)
    assert 'pip install "mgnm-tf[serve]"' in line
