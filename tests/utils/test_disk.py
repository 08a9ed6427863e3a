"""Disks without room."""

import errno
import os

import pytest

from mgnm_tf.utils.disk import disk_error
from mgnm_tf.utils.disk import reserve


def test_reserve_leaves_nothing(tmp_path):
    reserve(tmp_path, 10_000)
    assert list(tmp_path.iterdir()) == []


def test_reserve_tells_that_there_is_no_room(tmp_path):
    with pytest.raises(OSError) as found:
        reserve(tmp_path, 2**62)
    assert found.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_every_library_s_word_for_a_full_disk(number):
    text = os.strerror(number)
    for error in (
        OSError(number, text),
        OSError(f"Can't write data (errno = 28, message = '{text}',\n buf)"),
        RuntimeError(f"Can't decrement id ref count ('{text}')"),
    ):
        found = disk_error(error)
        assert found.errno == number and found.strerror == text


def test_numpy_s_word_for_a_full_disk():
    found = disk_error(OSError("9986 requested and 2544 written"))
    assert found.errno == errno.ENOSPC and found.strerror


def test_other_errors():
    other = OSError(errno.EACCES, "Permission denied")
    assert disk_error(other) is other
    assert disk_error(ValueError("shape")) is None
