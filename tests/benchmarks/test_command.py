"""`python -m benchmarks`, on the tiniest world."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import gpu
from benchmarks.__main__ import app
from benchmarks.data import full_histories
from benchmarks.data import load_data
from benchmarks.settings import QUICK_WORLD
from benchmarks.settings import Settings
from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.batches.pipeline import num_batches

ROOT = Path(__file__).parents[2]
TINY = ["--quick", "--max-length", "4", "--windows", "1", "--seconds", "0.01"]


def invoke(*arguments):
    return CliRunner().invoke(app, [*arguments])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "results" / "tiny.json"
    phases = ("pipeline", "train", "epochs", "evaluate", "ranking")
    done = invoke(*phases, *TINY, "--models", "mgnm:paper", "--out", str(out))
    assert done.exit_code == 0, done.output
    return json.loads(out.read_text())


@pytest.mark.large
def test_every_phase_has_figures(report):
    assert list(report["results"]) == [
        "pipeline",
        "train",
        "epochs",
        "evaluate",
        "ranking",
    ]
    for phase in ("evaluate", "ranking"):
        assert report["results"][phase]["mgnm:paper"]["records_per_second"][
            "least"
        ]
    assert report["results"]["pipeline"]["train"]["rows_per_second"]["median"]


@pytest.mark.large
def test_what_is_told_of_training(report):
    found = report["results"]["train"]["mgnm:paper"]
    assert found["retraces"] == 0
    assert found["parameters"] > 500 * 16
    assert 0 < found["mean_length"] <= found["mean_width"] <= 4
    assert found["gflops"]["median"] < found["ceiling_gflops"]["median"]
    share = found["share_of_ceiling_percent"]["median"]
    assert 0 < share <= found["share_with_padding_percent"]["median"] < 100


@pytest.mark.large
def test_an_epoch_is_its_steps(report):
    found = report["results"]["epochs"]["mgnm:paper"]
    data = load_data(Settings(**QUICK_WORLD))
    records = num_batches(data, "train", batch_size=1)
    assert found["steps"] == -(-records // 512)
    seconds = found["steps"] * found["step_ms"]["median"] / 1000
    assert found["epoch_seconds"]["median"] == pytest.approx(seconds, rel=0.01)


@pytest.mark.large
def test_where_it_ran_is_told(report):
    machine = report["machine"]
    assert machine["backend"] == "tensorflow"
    assert machine["cores"] >= 1
    assert machine["tensorflow"] and machine["keras"]
    assert report["settings"]["users"] == 2000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["trian"], "unknown phase 'trian'"),
        (["train", "--models", "mgmn"], "unknown model 'mgmn'"),
        (["train", "--models", "mgnm:papr"], "Unknown recipe of mgnm 'papr'"),
        (["train", "--against", "no-such"], "'no-such' is no revision"),
        (["train", "--log", "no-such.csv"], "no-such.csv"),
        (["gpu", "--models", "mgmn"], "unknown model 'mgmn'"),
        (["gpu", "--cases", "amazn"], "unknown setting 'amazn'"),
        (["profile", "--model", "mgmn", "--out", "x"], "unknown model 'mgmn'"),
    ],
)
def test_what_cannot_be_used_ends_in_a_sentence(arguments, sentence):
    done = invoke(*arguments)
    assert done.exit_code == 1
    assert sentence.lower() in done.output.replace("\n", " ").lower()
    assert "Traceback" not in done.output


def test_a_gpu_run_on_a_cpu(tmp_path):
    out = tmp_path / "gpu.json"
    arguments = ["--cases", "micro_video", "--models", "popularity,gru4rec"]
    done = invoke("gpu", "--dry-run", *arguments, "--out", str(out))
    assert done.exit_code == 0, done.output
    results = json.loads(out.read_text())["results"]
    assert list(results["micro_video"]) == [
        "paper: mgnm, Micro-video, 256",
        "gru4rec, float32, 4",
        "gru4rec, mixed_float16, 4",
    ]
    found = results["micro_video"]["gru4rec, mixed_float16, 4"]
    assert found["step_ms"]["median"] > 0


LABELS = ["sasrec", "gru4rec", "mgnm", "caser"]
LABELS = [n if n == "mgnm" else f"{n}:mgnm_paper" for n in LABELS]


def test_what_the_gpu_measures_first():
    plan = gpu.Plan(gpu.CASES, (256, 1024))
    rows = gpu.rows_by_priority(LABELS, plan)
    order = [f"{row.case}: {row}" for row in rows if row.policy == "float32"]
    assert order == [
        "micro_video: mgnm, float32, 256",
        "micro_video: caser:mgnm_paper, float32, 256",
        "micro_video: gru4rec:mgnm_paper, float32, 256",
        "micro_video: mgnm, float32, 1024",
        "micro_video: caser:mgnm_paper, float32, 1024",
        "micro_video: gru4rec:mgnm_paper, float32, 1024",
        "micro_video: sasrec:mgnm_paper, float32, 256",
        "micro_video: sasrec:mgnm_paper, float32, 1024",
        *(
            f"amazon: {model}, float32, {size}"
            for size in (256, 1024)
            for model in [LABELS[i] for i in (2, 3, 1, 0)]
        ),
    ]


def test_the_budget_ends_the_measurement(monkeypatch):
    monkeypatch.setattr(gpu, "measure_row", lambda row, plan: {})
    plan = gpu.Plan(gpu.CASES, (256,), budget=-1.0)
    report = gpu.run(["gru4rec"], plan)
    assert [*report["results"]["micro_video"]] == [
        "paper: mgnm, Micro-video, 256"
    ]
    assert len(report["not_reached"]) == 4


WITHOUT_TENSORFLOW = """
import runpy, sys
sys.modules["tensorflow"] = None  # An import of it fails.
sys.argv = ["benchmarks", "gpu", *sys.argv[1:]]
runpy.run_module("benchmarks", run_name="__main__")
"""


@pytest.mark.large
def test_the_gpu_run_needs_no_tensorflow(tmp_path):
    pytest.importorskip("jax", reason="the extra [dev] brings jax")
    out = tmp_path / "gpu.json"
    arguments = ["--dry-run", "--cases", "micro_video"]
    arguments += ["--models", "mgnm"]
    done = subprocess.run(
        [
            *(sys.executable, "-c", WITHOUT_TENSORFLOW),
            *(*arguments, "--out", str(out)),
        ],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(out.read_text())
    assert report["machine"]["backend"] == "jax"
    assert report["results"]["micro_video"]["mgnm, float32, 4"]["step_ms"]


def test_every_history_of_the_curves_is_full():
    data = full_histories(users=5, items=9, targets=3, length=8)
    batches = make_dataset(data, max_length=8, batch_size=4)
    rows = [f["history"] for f, _ in batches.as_numpy_iterator()]
    assert sum(map(len, rows)) == 15
    assert all((row > 0).all() and row.shape[1] == 8 for row in rows)
