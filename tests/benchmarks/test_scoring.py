import os
import subprocess
import sys

import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.process_tree import cpu_seconds
from benchmarks.scoring import same
from benchmarks.scoring import speed
from benchmarks.scoring import write_histories

SPIN = """
import subprocess, sys, time
code = "import time; end = time.time() + 3\\nwhile time.time() < end: pass"
child = subprocess.Popen([sys.executable, "-c", code])
time.sleep(3)
child.kill()
"""


def test_the_time_of_a_child_that_nobody_waits_for_counts():
    process = subprocess.Popen([sys.executable, "-c", SPIN])
    with cpu_seconds(process.pid) as used:
        process.wait()
    assert len(used) == 2
    assert max(seconds for _, seconds in used.values()) > 0.1
    assert all(sys.executable in name for name, _ in used.values())


def test_made_histories_have_whole_users_in_each_file(tmp_path):
    write_histories(tmp_path / "h", ["a", "b"], 12, 3)
    tables = [pd.read_parquet(path) for path in (tmp_path / "h").iterdir()]
    users = [set(table["user_id"]) for table in tables]
    assert [len(one) for one in users] == [4, 4, 4]
    assert len(set.union(*users)) == 12


def test_the_speed_leaves_out_the_first_file(tmp_path):
    write_histories(tmp_path / "h", ["a", "b"], 12, 3)
    for number, path in enumerate(sorted((tmp_path / "h").iterdir())):
        os.utime(path, (0, 100 + 2 * number))
    assert speed(tmp_path / "h") == pytest.approx(8 / 4)


def test_folders_of_other_rows_differ(tmp_path):
    for name in ("one", "two"):
        write_histories(tmp_path / name, ["a", "b"], 4, 2)
    assert same(tmp_path / "one", tmp_path / "two")
    path = tmp_path / "two" / "part-001.parquet"
    pq.write_table(pq.read_table(path)[1:], path)
    assert not same(tmp_path / "one", tmp_path / "two")
