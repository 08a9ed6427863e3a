"""Imports point one way, and light modules stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

GROUND = {"types", "version", "errors", "serialization"}
BELOW_MODELS = GROUND | {"utils", "layers", "losses", "metrics", "optimizers"}
BELOW_TRAINING = BELOW_MODELS | {
    "recipes",
    "models",
    "data",
    "evaluation",
    "runs",
}
BELOW_CLI = BELOW_TRAINING | {
    "training",
    "index",
    "export",
    "serving",
    "studies",
    "report",
    "cluster",
}

ARROWS = {
    "types": set(),
    "version": set(),
    "errors": set(),
    "serialization": set(),
    "utils": GROUND,
    "layers": {"types", "serialization", "utils"},
    "losses": {"types", "serialization", "utils"},
    "metrics": {"types", "serialization", "utils"},
    "optimizers": {"types", "serialization", "utils"},
    "recipes": GROUND | {"utils"},
    "models": BELOW_MODELS | {"recipes"},
    "baselines": BELOW_MODELS | {"models"},
    "data": GROUND | {"utils"},
    "evaluation": BELOW_MODELS | {"models", "data"},
    "runs": GROUND | {"utils", "data", "recipes", "models"},
    "training": BELOW_TRAINING,
    "index": GROUND | {"utils"},
    "export": BELOW_TRAINING | {"training", "index"},
    "serving": GROUND | {"utils", "data", "index", "export"},
    "studies": BELOW_TRAINING | {"training", "report"},
    "report": GROUND | {"utils", "runs"},
    "cluster": BELOW_TRAINING | {"training", "export", "serving"},
    "front_door": BELOW_TRAINING | {"training", "export", "serving"},
    "cli": BELOW_CLI,
    "__init__": {"utils", "version"},
    "__main__": {"cli"},
}
"""Group -> the groups of this project that it may import, itself apart.

Of baselines each file, or each folder, is a room of its own.
"""

NO_TENSORFLOW = {"layers", "models", "losses", "metrics", "baselines", "report"}
KERAS_ALONE = {"layers", "losses", "metrics"}
TENSORFLOW_IN_DATA = "mgnm_tf/data/batches/"
DATA_ROOMS = {
    "reading": {"parts"},
    "steps": {"parts", "reading", "log", "index", "dataset"},
    "tables": {"parts", "reading", "dataset"},
    "batches": {"parts", "reading", "dataset"},
}
"""Folder of the data -> the files and folders of it that it may import.

The other files of the data import any but the batches, the only ones with
TensorFlow in them.
"""


def library_files():
    """Returns the paths of the library, relative to the project."""
    files = [*ROOT.glob("mgnm_tf/**/*.py"), *ROOT.glob("baselines/**/*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in files)


def group_of(path):
    """Returns the key of `ARROWS` for a path or a dotted module name."""
    parts = path.removesuffix(".py").replace("/", ".").split(".")
    if parts[0] == "baselines":
        return "baselines"
    return parts[1] if len(parts) > 1 else "__init__"


def room_of(path, depth=1):
    """Returns the file or folder that a path is in, so many folders down.

    It is "" of a package as a whole, which nothing inside it imports.
    """
    parts = path.removesuffix(".py").replace("/", ".").split(".")
    return parts[depth] if len(parts) > depth else ""


def imported_modules(source):
    """Returns the modules that a source imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            if node.module == "mgnm_tf":
                modules.update(f"mgnm_tf.{alias.name}" for alias in node.names)
            else:
                modules.add(node.module)
    return modules


def wrong_imports(path, source):
    """Returns a sentence for every import that the arrows forbid."""
    group, found = group_of(path), []
    for module in sorted(imported_modules(source)):
        top = module.split(".")[0]
        if top in ("mgnm_tf", "baselines"):
            target = group_of(module)
            allowed = target in ARROWS[group] or target == group
            if group == target == "baselines":
                allowed = room_of(module) == room_of(path)
            elif group == target == "data":
                room, imported = room_of(path, 2), room_of(module, 2)
                allowed = imported == room or (
                    imported in DATA_ROOMS[room]
                    if room in DATA_ROOMS
                    else imported not in ("", "batches")
                )
        elif top == "tensorflow":
            allowed = group not in NO_TENSORFLOW and (
                group != "data" or path.startswith(TENSORFLOW_IN_DATA)
            )
        elif top == "keras":
            allowed = group not in ("data", "report")
        elif group in KERAS_ALONE:
            allowed = top in sys.stdlib_module_names
        else:
            allowed = top not in ("datasets", "tests", "benchmarks")
        if not allowed:
            found.append(f"{path} imports {module}")
    return found


def test_the_files_of_every_group_are_seen():
    groups = {group_of(path) for path in library_files()}
    assert groups == set(ARROWS)
    assert len(library_files()) > 40


@pytest.mark.parametrize("path", library_files())
def test_imports_follow_the_arrows(path):
    source = (ROOT / path).read_text(encoding="utf-8")
    assert wrong_imports(path, source) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("mgnm_tf/models/registry.py", "import baselines.gru4rec"),
        ("mgnm_tf/models/mgnm.py", "from mgnm_tf.data.log import read_log"),
        ("mgnm_tf/models/mgnm.py", "from mgnm_tf import data"),
        ("mgnm_tf/layers/interest/squash.py", "import tensorflow as tf"),
        ("mgnm_tf/layers/interest/squash.py", "import numpy as np"),
        (
            "mgnm_tf/layers/interest/squash.py",
            "def f():\n    import tensorflow",
        ),
        ("mgnm_tf/data/log.py", "import keras"),
        ("mgnm_tf/data/log.py", "import tensorflow"),
        ("mgnm_tf/data/log.py", "import mgnm_tf.data.batches.pipeline"),
        ("mgnm_tf/data/log.py", "from mgnm_tf.data import dataset"),
        ("mgnm_tf/data/steps/splits.py", "import mgnm_tf.data.batches.plan"),
        ("mgnm_tf/data/reading/times.py", "import mgnm_tf.data.dataset"),
        ("mgnm_tf/utils/files.py", "from mgnm_tf.layers import Squash"),
        ("mgnm_tf/__init__.py", "from mgnm_tf.models import mgnm"),
        ("mgnm_tf/report/html.py", "from mgnm_tf.models.mgnm import MGNM"),
        ("baselines/gru4rec.py", "from baselines.popularity import Popularity"),
        ("baselines/gru4rec.py", "from mgnm_tf.data.log import read_log"),
        ("baselines/gru4rec.py", "import baselines.mimn.memory_cell"),
        ("baselines/surge/surge.py", "import baselines.mimn.memory_cell"),
        ("mgnm_tf/layers/graph/graph_propagation.py", "import baselines.caser"),
        ("mgnm_tf/index/interest_index.py", "import mgnm_tf.export.export"),
        (
            "mgnm_tf/export/export.py",
            "import mgnm_tf.serving.requests.request_blocks",
        ),
        ("mgnm_tf/runs/run_folder.py", "import mgnm_tf.training.fit"),
        ("mgnm_tf/cli.py", "import tests.testing"),
    ],
)
def test_a_wrong_import_is_found(path, source):
    assert len(wrong_imports(path, source)) == 1


@pytest.mark.parametrize(
    "statement",
    ["import mgnm_tf", "import mgnm_tf.cli", "import mgnm_tf.models.registry"],
)
def test_light_modules_load_nothing_heavy(statement):
    heavy = "{'tensorflow', 'keras', 'jax', 'matplotlib', 'pandas', 'scipy'}"
    code = f"{statement}, sys; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert result.stdout.strip() == "[]"


def test_the_data_package_loads_neither_tensorflow_nor_keras():
    modules = [
        path.removesuffix(".py").replace("/", ".")
        for path in library_files()
        if path.startswith("mgnm_tf/data/")
        and not path.startswith(TENSORFLOW_IN_DATA)
    ]
    code = (
        f"import sys, {', '.join(modules)}; "
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert result.stdout.strip() == "[]"


def test_our_folder_of_recipes_is_no_package():
    assert not list(ROOT.glob("datasets/**/*.py"))
