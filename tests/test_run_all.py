"""`run_all.sh`: its stages, with stand-ins for Python and `mgnm`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

STAND_IN = """#!/usr/bin/env bash
[[ "$1 $2" == "-m pip" && $3 == --version ]] && exit
[[ $1 == -c && $2 == *print* ]] && echo 3.11
[[ $1 == -c ]] && exit
echo "$(basename "$0") $*" >> "$CALLS"
[[ $1 == "$FAIL" ]] && exit 1
[[ $1 == prepare ]] && mkdir -p "$4"
exit 0
"""


@pytest.fixture
def project(tmp_path):
    """A project folder whose environment writes down what it is asked."""
    for name in (
        "run_all.sh",
        "setup.py",
        "pyproject.toml",
        "mgnm_tf/version.py",
        "mgnm_tf/models/models.toml",
        "constraints/python3.11.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name in ("python", "mgnm"):
        (commands / name).write_text(STAND_IN)
        (commands / name).chmod(0o755)
    return tmp_path


def run_all(folder, *arguments, **environment):
    """Runs the script from another folder and without input."""
    names = "DATA MODELS SEEDS EPOCHS JOBS OUT PYTHON VENV".split()
    kept = {k: v for k, v in os.environ.items() if k not in names}
    return subprocess.run(
        ["bash", str(folder / "run_all.sh"), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={
            **kept,
            "CALLS": str(folder / "calls"),
            "FAIL": "",
            **environment,
        },
        cwd="/",
    )


def calls(folder):
    """Returns what was asked since the last look."""
    path = folder / "calls"
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    path.unlink()
    return lines


def test_it_parses():
    subprocess.run(["bash", "-n", str(ROOT / "run_all.sh")], check=True)


@pytest.mark.parametrize(
    "arguments", [["help"], ["--help"], ["setup", "--help"]]
)
def test_help_names_every_command_and_flag(arguments):
    result = run_all(ROOT, *arguments)
    assert result.returncode == 0
    for (
        word
    ) in "setup smoke test --data --models --seeds --epochs --jobs".split():
        assert word in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "unknown command 'trian'"),
        (["--sedes", "1"], "unknown argument '--sedes'"),
        (["setup", "now"], "unknown argument 'now'"),
        (["--seeds"], "--seeds needs a value"),
    ],
)
def test_misuse_ends_in_one_sentence(project, arguments, words):
    result = run_all(project, *arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert calls(project) == []


def test_main_installs_prepares_and_compares(project):
    result = run_all(project)
    assert result.returncode == 0, result.stderr
    install, prepare, compare = calls(project)
    assert install.startswith("python -m pip install -q")
    assert "-c constraints/python3.11.txt -e ." in install
    assert install.split()[-1].startswith(".")
    assert prepare == "mgnm prepare movielens-100k --out data/movielens-100k"
    assert compare.startswith(
        "mgnm compare --data data/movielens-100k "
        "--models popularity,item_knn:whole_history,item_knn,gru4rec,sasrec,"
        "caser,mind,comirec_dr,comirec_sa,surge:short,mgnm --seeds 0 --jobs "
    )
    # What a model is trained with stands in its recipe alone.
    assert "--set" not in compare and "--learning-rate" not in compare
    assert "--out runs/movielens-100k" in compare
    assert "runs/movielens-100k/report.html" in result.stdout


def test_finished_stages_are_skipped(project):
    run_all(project)
    calls(project)
    result = run_all(project)
    assert [line.split()[1] for line in calls(project)] == ["compare"]
    assert "Installed already" in result.stdout
    assert "prepared already" in result.stdout


def test_a_changed_setup_is_installed_again(project):
    run_all(project, "setup")
    calls(project)
    with open(project / "setup.py", "a") as file:
        file.write("# changed\n")
    run_all(project, "setup")
    assert len(calls(project)) == 1
    assert len(list(project.glob(".venv/installed-*"))) == 1


def test_changed_constraints_are_installed(project):
    run_all(project, "setup")
    calls(project)
    with open(project / "constraints" / "python3.11.txt", "a") as file:
        file.write("# changed\n")
    run_all(project, "setup")
    assert len(calls(project)) == 1


@pytest.mark.parametrize("minor", range(10, 14))
def test_every_python_has_the_versions_that_passed(minor):
    text = (ROOT / "constraints" / f"python3.{minor}.txt").read_text()
    versions = dict(line.split("==") for line in text.split())
    assert {"tensorflow", "keras", "numpy", "pandas", "pytest"} <= {*versions}


def test_constraints_are_remade_by_one_command(project):
    stand_in = project / ".venv" / "bin" / "uv"
    shutil.copy(stand_in.with_name("mgnm"), stand_in)
    assert run_all(project, "constraints").returncode == 0
    install, *compiled = calls(project)
    assert install.endswith("uv")
    assert [line.split()[-1] for line in compiled] == [
        f"constraints/python3.{minor}.txt" for minor in range(10, 14)
    ]


def test_a_failed_install_is_tried_again(project):
    result = run_all(project, "setup", FAIL="-m")
    assert result.returncode == 1
    assert len(calls(project)) == 1
    run_all(project, "setup")
    assert len(calls(project)) == 1


def test_a_failed_stage_ends_the_job(project):
    result = run_all(project, FAIL="prepare")
    assert result.returncode == 1
    assert [line.split()[1] for line in calls(project)] == ["-m", "prepare"]


@pytest.mark.parametrize("way", ["environment", "flags"])
def test_settings(project, way):
    (project / "mine").mkdir()
    settings = {
        "DATA": "mine",
        "MODELS": "mgnm",
        "SEEDS": "3,4",
        "EPOCHS": "7",
        "JOBS": "3",
        "OUT": "runs/x",
    }
    if way == "environment":
        run_all(project, **settings)
    else:
        pairs = [(f"--{key.lower()}", settings[key]) for key in settings]
        run_all(project, *(word for pair in pairs for word in pair))
    compare = calls(project)[-1]
    assert compare.startswith(
        "mgnm compare --data mine --models mgnm --seeds 3,4 --jobs 3 "
        "--out runs/x --epochs 7"
    )
    # Options of models that are not compared would be refused.
    assert "--set" not in compare


def test_epochs_that_are_given_are_those_of_every_model(project):
    run_all(project, "--models", "gru4rec,surge", "--epochs", "3")
    compare = calls(project)[-1]
    assert compare.endswith(" --epochs 3")


def test_smoke_uses_synthetic_data_and_few_models(project):
    assert run_all(project, "smoke").returncode == 0
    _, prepare, compare = calls(project)
    assert prepare == "mgnm prepare planted --out data/planted"
    assert "--out runs/planted" in compare
    assert compare.endswith(" --epochs 1")
    assert "--models popularity,item_knn,gru4rec,mgnm " in compare


def test_test_passes_its_arguments_to_pytest(project):
    assert run_all(project, "test", "-k", "a or b").returncode == 0
    install, tests = calls(project)
    assert "dev" in install.split()[-1]
    assert tests == (
        "python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -k a or b"
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("bench", "--quick"), "python -m benchmarks --quick"),
        (("gpu", "--dry-run"), "python -m benchmarks gpu --dry-run"),
        (("docs", "--clean"), "python -m mkdocs build --strict --clean"),
    ],
)
def test_benchmarks_and_docs_get_their_arguments(project, command, expected):
    assert run_all(project, *command).returncode == 0
    assert calls(project)[-1] == expected


def test_gpu_needs_a_gpu(project):
    if shutil.which("nvidia-smi"):
        pytest.skip("there is one")
    result = run_all(project, "gpu")
    assert result.returncode == 1
    assert "finds no GPU; --dry-run proves" in result.stderr
    assert calls(project) == []


def test_a_wrong_python_is_refused(project):
    shutil.rmtree(project / ".venv")
    result = run_all(project, "setup", PYTHON="/bin/false")
    assert result.returncode == 1
    assert result.stderr == (
        "run_all.sh: PYTHON=/bin/false is not a Python 3.10 to 3.13.\n"
    )


def test_no_folder_of_other_files_becomes_an_environment(project):
    (project / "notes").mkdir()
    (project / "notes" / "a.txt").write_text("mine")
    result = run_all(project, "setup", VENV="notes")
    assert result.returncode == 1
    assert "is no virtual environment" in result.stderr
    assert (project / "notes" / "a.txt").read_text() == "mine"


def test_continuous_integration_runs_the_tests():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "bash run_all.sh test" in script.read_text()
    assert "bash run_all.sh docs" in script.read_text()
