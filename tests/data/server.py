"""A small web server on this machine, and wheels for a pip without an index."""

import contextlib
import http.server
import threading
import zipfile


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        files = self.server
        files.requests.append((self.path, self.headers.get("Range")))
        name = self.path.lstrip("/")
        if name not in files.content:
            self.send_error(404)
            return
        content = files.content[name]
        start = 0
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, files.tag)
        if asked and same and files.resumable:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", files.tag)
        self.end_headers()
        sent = content[start:]
        if files.cuts:
            sent = sent[: files.cuts.pop(0)]
        self.wfile.write(sent)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serve(content):
    """Serves a dict of name -> bytes.

    The server has `url`, `requests` (path, Range), `cuts` (how many bytes
    the next answers send before they break off), `tag` and `resumable`.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.content = content
    server.requests, server.cuts = [], []
    server.tag, server.resumable = '"one"', True
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make_wheel(folder, package, version, members):
    """Writes a wheel of a made package, with the members in it."""
    info = f"{package}-{version}.dist-info"
    files = {
        **members,
        f"{info}/METADATA": (
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        ),
        f"{info}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n"
        ),
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in files)
    path = folder / f"{package}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    return path


def use_only(monkeypatch, folder):
    """Lets pip look for packages in `folder` and nowhere else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
