"""The checkout of another commit."""

import subprocess

import pytest

from benchmarks import machine
from benchmarks.against import checkout_of
from mgnm_tf.errors import UserError


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Makes a repository: a commit without benchmarks, one with them."""
    root = tmp_path / "repository"
    root.mkdir()

    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *arguments], cwd=root, check=True)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "old")
    git("tag", "old")
    (root / "benchmarks").mkdir()
    (root / "benchmarks" / "__main__.py").write_text("new = True")
    git("add", ".")
    git("commit", "-q", "-m", "new")
    monkeypatch.setattr(machine, "ROOT", root)
    return root


def test_a_revision_is_checked_out_and_cleared_away(repository):
    (repository / "benchmarks" / "__main__.py").write_text("changed = True")
    with checkout_of("HEAD") as tree:
        content = (tree / "benchmarks" / "__main__.py").read_text()
        assert content == "new = True"
    assert not tree.exists()
    assert len(machine.git("worktree", "list").splitlines()) == 1
    assert machine.commit()["changed"]


def test_a_revision_without_benchmarks(repository):
    with pytest.raises(UserError, match="old is older than"):
        with checkout_of("old"):
            pass


def test_no_revision(repository):
    with pytest.raises(UserError, match="'none' is no revision"):
        with checkout_of("none"):
            pass
