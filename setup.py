"""Metadata, extras, the `mgnm` command and the entry points of the models."""

import re
import shutil
import sys
from pathlib import Path

from setuptools import find_packages
from setuptools import setup
from setuptools.command.build_py import build_py

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.resolve()


def read(name):
    """Returns the text of a file of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def read_version():
    """Returns the version without importing the package."""
    return re.search(r'__version__ = "(.+)"', read("mgnm_tf/version.py"))[1]


def read_models():
    """Returns the entry points listed in `mgnm_tf/models/models.toml`."""
    models = tomllib.loads(read("mgnm_tf/models/models.toml"))
    return [f"{name} = {target}" for name, target in models.items()]


class BuildWithData(build_py):
    """Puts `datasets/` and `studies/` into the wheel, inside the package.

    They become `mgnm_tf/data/recipes/` and `mgnm_tf/studies/files/`. They are
    copied to the build folder only, so that the source tree holds each of
    them once.
    """

    def _copies(self):
        package = Path(self.build_lib, "mgnm_tf")
        recipes = package / "data" / "recipes"
        studies = package / "studies" / "files"
        copies = {
            recipe: recipes / recipe.name
            for recipe in ROOT.glob("datasets/*.toml")
        }
        for pattern in ("**/*.toml", "results/*/study.json", "results/*/*.npz"):
            for path in ROOT.glob(f"studies/{pattern}"):
                copies[path] = studies / path.relative_to(ROOT / "studies")
        return dict(sorted(copies.items()))

    def run(self):
        super().run()
        if self.editable_mode:
            return
        for source, target in self._copies().items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode=True):
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        return outputs + [str(path) for path in self._copies().values()]


setup(
    name="mgnm-tf",
    version=read_version(),
    description=(
        "Sequential recommendation with many interests at many "
        "granularities: MGNM and its baselines on TensorFlow and Keras 3"
    ),
    long_description=read("README.md"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    packages=find_packages(
        include=["mgnm_tf", "mgnm_tf.*", "baselines", "baselines.*"]
    ),
    package_data={
        "mgnm_tf.models": ["*.toml"],
        "baselines": ["*.toml", "*/*.toml"],
        "mgnm_tf.report": ["templates/*"],
        "mgnm_tf.serving.http": ["page/*"],
    },
    cmdclass={"build_py": BuildWithData},
    install_requires=[
        "tensorflow>=2.18",
        # The first version with which the tests pass: 3.9 does not keep the
        # names of the inputs of a model when it exports it.
        "keras>=3.10",
        "numpy>=1.26",
        "pandas>=2.2",
        "pyarrow>=15",
        "scipy>=1.12",
        "typer>=0.12",
        "rich>=13",
        "matplotlib>=3.8",
        "jinja2>=3.1",
        "pydantic>=2.7",
        "tomli-w>=1",
        "threadpoolctl>=3",
        "tomli>=2; python_version < '3.11'",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.18"],
        "retrieval": ["faiss-cpu>=1.8"],
        # fastapi-offline brings the script of the OpenAPI page; with httptools
        # and uvloop, which it finds by itself, uvicorn takes a quarter less of
        # a core for a request.
        "serve": [
            "fastapi>=0.115",
            "uvicorn>=0.30",
            "httptools>=0.6",
            "uvloop>=0.21; platform_system != 'Windows'",
            "prometheus-client>=0.20",
            "fastapi-offline>=1.7",
        ],
        "onnx": ["tf2onnx>=1.17", "onnxruntime>=1.20"],
        "docs": [
            # MkDocs 2 takes no plugins, so no reference from docstrings.
            "mkdocs>=1.6,<2",
            "mkdocs-material>=9.6,<10",
            "mkdocstrings[python]>=1.0",
        ],
        "tune": ["optuna>=4"],
        # The client; with SQLAlchemy it writes to a file where no server is
        # named. Whoever has the whole of MLflow has it.
        "mlflow": ["mlflow-skinny>=3", "alembic>=1.10", "sqlalchemy>=2"],
        "wandb": ["wandb>=0.19"],
        # TensorFlow 2.21 no longer brings it; Keras's callback needs it.
        "tensorboard": ["tensorboard>=2.18"],
        # DuckDB of this version needs Python 3.11.
        "large": [
            "duckdb>=2; python_version >= '3.11'",
            "universal-pathlib>=0.2",
        ],
        # Training and recommending by several processes and machines.
        "cluster": ["ray[data,train]>=2.40"],
        # Preparing on a cluster; it needs Java, and Python 3.11 as DuckDB.
        "spark": ["pyspark>=4; python_version >= '3.11'"],
        "dev": [
            "aiohttp>=3.10",
            "duckdb>=2; python_version >= '3.11'",
            "faiss-cpu>=1.8",
            "fastapi>=0.115",
            "fastapi-offline>=1.7",
            "httptools>=0.6",
            "httpx2>=2",
            "hypothesis>=6.100",
            "ir-measures>=0.4",
            "jax",
            "mypy>=1.15",
            "onnxruntime>=1.20",
            "optuna>=4",
            "prometheus-client>=0.20",
            "pytest>=8",
            "pytest-xdist>=3.8",
            "ruff>=0.9",
            "scikit-learn>=1.4",
            "setuptools>=70",
            "tensorboard>=2.18",
            "tf2onnx>=1.17",
            "universal-pathlib>=0.2",
            "uvicorn>=0.30",
            "uvloop>=0.21; platform_system != 'Windows'",
            "wheel",
        ],
    },
    entry_points={
        "console_scripts": ["mgnm = mgnm_tf.cli:main"],
        "mgnm_tf.models": read_models(),
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
