"""Public names, signatures and what models can do are as `public_api.txt` says.

After a wanted change, `python -m tests.test_public_api` writes the file anew;
the change of the file is then part of what is reviewed.
"""

import importlib
import inspect
import re
import sys
from pathlib import Path

import mgnm_tf
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import model_names
from tests.baselines.test_all_models import DATA

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STORED = Path(__file__).with_name("public_api.txt")
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def signature(value):
    """Returns a signature without annotations, the same on every Python."""
    found = inspect.signature(value)
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in found.parameters.values()
    ]
    return re.sub(" at 0x[0-9a-f]+", "", str(inspect.Signature(plain)))


def describe(name, value):
    """Returns lines on a class with its public methods, or on a function."""
    if not callable(value):
        return [name]
    lines = [name + signature(value)]
    if inspect.isclass(value):
        for key, member in vars(value).items():
            if key.startswith("_"):
                continue
            member = getattr(member, "__func__", member)
            if inspect.isfunction(member):
                lines.append(f"{name}.{key}{signature(member)}")
    return lines


def public_api():
    """Returns one line for each public name."""
    lines = []
    for package in ("mgnm_tf", "mgnm_tf.layers"):
        module = importlib.import_module(package)
        for name in module.__all__:
            lines += describe(f"{package}.{name}", getattr(module, name))
    for name in model_names():
        cls = model_class(name)
        public = f"{cls.__module__}.{cls.__name__}"
        if cls.__name__ in mgnm_tf.__all__:
            public = f"mgnm_tf.{cls.__name__}"
        else:
            lines += describe(public, cls)
        model = cls(**cls.data_arguments(DATA))
        lines.append(f"{public}.capabilities = {sorted(model.capabilities)}")
    return sorted(lines)


def test_the_types_of_all_public_names_are_checked():
    homes = {"mgnm_tf/__init__.py"}
    homes |= {
        name.replace(".", "/") + ".py" for name in mgnm_tf._HOMES.values()
    }
    settings = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    assert settings["tool"]["mypy"]["files"] == sorted(homes)


def test_public_names_and_signatures_are_the_stored_ones():
    stored = STORED.read_text(encoding="utf-8").splitlines()
    assert public_api() == stored, (
        "If the change is wanted, run `python -m tests.test_public_api`, which "
        "writes tests/public_api.txt, and commit that file."
    )
    assert len(stored) > 60


def test_the_list_sees_what_matters():
    names = {line.split("(")[0] for line in public_api()}
    assert {
        "mgnm_tf.MGNM",
        "mgnm_tf.MGNM.encode",
        "mgnm_tf.__version__",
        "mgnm_tf.layers.SequentialCapsule",
        "mgnm_tf.make_dataset",
        "mgnm_tf.evaluate",
        "baselines.gru4rec.GRU4Rec",
    } <= names


def test_a_changed_signature_is_seen():
    def before(items, k=5):
        pass

    def after(items, k=10):
        pass

    assert describe("f", before) == ["f(items, k=5)"]
    assert describe("f", after) == ["f(items, k=10)"]


def test_every_name_of_the_facade_is_listed_and_lives_where_it_says():
    assert set(mgnm_tf.__all__) <= set(dir(mgnm_tf))
    for name in mgnm_tf.__all__:
        value = getattr(mgnm_tf, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__module__.startswith("mgnm_tf.")


def test_an_unknown_name_is_an_attribute_error():
    try:
        mgnm_tf.MGMN  # noqa: B018
    except AttributeError as error:
        assert str(error) == "module 'mgnm_tf' has no attribute 'MGMN'"
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    STORED.write_text("\n".join(public_api()) + "\n", encoding="utf-8")
