"""Downloads are complete and checked, or not there."""

import hashlib
import os
import zipfile

import pytest

from mgnm_tf.data import download
from mgnm_tf.data.download import extract_member
from mgnm_tf.data.download import fetch
from mgnm_tf.data.download import fetch_from_package
from mgnm_tf.errors import DataError
from tests.data.server import make_wheel
from tests.data.server import serve
from tests.data.server import use_only

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    with serve({"log.csv": CONTENT}) as running:
        yield running


def test_fetch(server, tmp_path):
    path = tmp_path / "new" / "log.csv"
    fetch(f"{server.url}/log.csv", path, SHA256)
    assert path.read_bytes() == CONTENT
    assert os.listdir(path.parent) == ["log.csv"]
    # What is there is not fetched again.
    fetch(f"{server.url}/log.csv", path, SHA256)
    assert len(server.requests) == 1


def test_interrupted_download_goes_on(server, tmp_path):
    server.cuts = [300_000, 400_000]
    fetch(f"{server.url}/log.csv", tmp_path / "log.csv", SHA256)
    assert [asked for _, asked in server.requests] == [
        None,
        "bytes=300000-",
        "bytes=700000-",
    ]
    assert os.listdir(tmp_path) == ["log.csv"]


def test_next_call_goes_on(server, tmp_path):
    server.cuts = [100_000, 100_000, 100_000]
    with pytest.raises(DataError, match="300000 of 1024000 bytes came.*goes o"):
        fetch(f"{server.url}/log.csv", tmp_path / "log.csv", SHA256)
    assert sorted(os.listdir(tmp_path)) == ["log.csv.part", "log.csv.part.tag"]
    fetch(f"{server.url}/log.csv", tmp_path / "log.csv", SHA256)
    assert server.requests[-1] == ("/log.csv", "bytes=300000-")
    assert (tmp_path / "log.csv").read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["log.csv"]


def test_a_changed_file_is_not_glued_to_the_old_one(server, tmp_path):
    server.cuts = [100_000] * 3
    with pytest.raises(DataError, match="goes on from there"):
        fetch(f"{server.url}/log.csv", tmp_path / "log.csv")
    server.content["log.csv"] = CONTENT[::-1]
    server.tag = '"two"'
    fetch(f"{server.url}/log.csv", tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_bytes() == CONTENT[::-1]


def test_server_that_cannot_resume(server, tmp_path):
    server.cuts = [300_000]
    server.resumable = False
    fetch(f"{server.url}/log.csv", tmp_path / "log.csv", SHA256)
    assert (tmp_path / "log.csv").read_bytes() == CONTENT


def test_part_that_is_too_long(server, tmp_path):
    (tmp_path / "log.csv.part").write_bytes(CONTENT + b"more")
    (tmp_path / "log.csv.part.tag").write_text(server.tag)
    fetch(f"{server.url}/log.csv", tmp_path / "log.csv", SHA256)
    assert (tmp_path / "log.csv").read_bytes() == CONTENT


def test_wrong_checksum(server, tmp_path):
    with pytest.raises(DataError, match="has the SHA-256 .*, expected 0000"):
        fetch(f"{server.url}/log.csv", tmp_path / "log.csv", "0" * 64)
    assert os.listdir(tmp_path) == []
    (tmp_path / "log.csv").write_bytes(b"other")
    with pytest.raises(DataError, match="of an earlier download. has the SHA"):
        fetch(f"{server.url}/log.csv", tmp_path / "log.csv", SHA256)


def test_no_such_file_server_or_scheme(server, tmp_path):
    with pytest.raises(DataError, match="the server says 404"):
        fetch(f"{server.url}/other.csv", tmp_path / "log.csv")
    assert len(server.requests) == 1
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match="cannot be fetched: .*refused"):
        fetch(f"{server.url}/log.csv", tmp_path / "log.csv")
    with pytest.raises(DataError, match="is not an http or https address"):
        fetch((tmp_path / "x").as_uri(), tmp_path / "log.csv")
    assert os.listdir(tmp_path) == []


def test_place_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be written"):
        fetch(f"{server.url}/log.csv", tmp_path / "file" / "log.csv")


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_extract_member(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"in/u.data": CONTENT, "b": b"x"})
    extract_member(archive, "in/u.data", tmp_path / "out" / "log", SHA256)
    assert (tmp_path / "out" / "log").read_bytes() == CONTENT
    assert os.listdir(tmp_path / "out") == ["log"]
    with pytest.raises(DataError, match="a.zip holds no file 'u.data'"):
        extract_member(archive, "u.data", tmp_path / "log")
    with pytest.raises(DataError, match="'b' in a.zip has the SHA-256"):
        extract_member(archive, "b", tmp_path / "log", SHA256)
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/evil",
        "a/../../evil",
        "..\\evil",
        "a\\..\\..\\evil",
        "C:\\evil",
        "..",
    ],
)
def test_archive_that_leads_out_is_refused(tmp_path, name):
    archive = make_zip(tmp_path / "a.zip", {"good": b"x", name: b"evil"})
    for member in ("good", name):
        with pytest.raises(DataError, match="leads out of the folder"):
            extract_member(archive, member, tmp_path / "log")
    assert os.listdir(tmp_path) == ["a.zip"]


def test_harmless_dots_are_accepted(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a/..b/c": b"x", "a/../d": b"y"})
    extract_member(archive, "a/..b/c", tmp_path / "log")
    assert (tmp_path / "log").read_bytes() == b"x"


def test_damaged_archive(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"m": os.urandom(5000)})
    content = path.read_bytes()
    for damaged in (content[:3000], content[:99] + b"!!" + content[101:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="a.zip is not a whole zip"):
            extract_member(path, "m", tmp_path / "log")
        assert not (tmp_path / "log").exists()


def test_fetch_from_package(tmp_path, monkeypatch):
    (tmp_path / "wheels").mkdir()
    make_wheel(tmp_path / "wheels", "madelog", "1.2", {"madelog/x": CONTENT})
    use_only(monkeypatch, tmp_path / "wheels")
    log = tmp_path / "cache" / "log"
    fetch_from_package("madelog", "1.2", "madelog/x", log, SHA256)
    assert log.read_bytes() == CONTENT

    def no_pip(*arguments, **options):
        raise AssertionError("what is there is not fetched again")

    monkeypatch.setattr(download.subprocess, "run", no_pip)
    fetch_from_package("madelog", "1.2", "madelog/x", log, SHA256)
    with pytest.raises(DataError, match="of an earlier download"):
        fetch_from_package("madelog", "1.2", "madelog/x", log, "0" * 64)


def test_package_that_cannot_be_had(tmp_path, monkeypatch):
    (tmp_path / "wheels").mkdir()
    make_wheel(tmp_path / "wheels", "madelog", "1.2", {"madelog/x": b"x"})
    use_only(monkeypatch, tmp_path / "wheels")
    log = tmp_path / "log"
    with pytest.raises(DataError, match="pip cannot fetch .* madelog==9.9"):
        fetch_from_package("madelog", "9.9", "madelog/x", log)
    with pytest.raises(DataError, match="holds no file 'madelog/y'"):
        fetch_from_package("madelog", "1.2", "madelog/y", log)
    with pytest.raises(DataError, match="has the SHA-256"):
        fetch_from_package("madelog", "1.2", "madelog/x", log, "0" * 64)
    assert not log.exists()
