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
from mgnm_tf.models.categories import CategoryRecommender
from mgnm_tf.models.multi_interest import MultiInterestRecommender
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import model_names
from mgnm_tf.models.single_vector import SingleVectorRecommender
from mgnm_tf.models.statistical import StatisticalRecommender
from tests.baselines.test_all_models import DATA

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STORED = Path(__file__).with_name("public_api.txt")
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
OURS = ("mgnm_tf", "baselines")
BASES = (
    CategoryRecommender,
    MultiInterestRecommender,
    SingleVectorRecommender,
    StatisticalRecommender,
)
"""What models are written below, besides `SequentialRecommender`."""


def signature(value):
    """Returns a signature without annotations, the same on every Python."""
    found = inspect.signature(value)
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in found.parameters.values()
    ]
    return re.sub(" at 0x[0-9a-f]+", "", str(inspect.Signature(plain)))


def nearest_bases(cls, listed):
    """Returns the bases in `listed`, without those that others stand for."""
    bases = [base for base in cls.__mro__[1:] if base in listed]
    return [
        base
        for base in bases
        if not any(issubclass(o, base) for o in bases if o is not base)
    ]


def methods(cls, listed):
    """Returns the public methods of a class by name.

    With those that it inherits inside the project, unless from a class in
    `listed`, which has lines of its own.
    """
    elsewhere = {
        base
        for listed_base in nearest_bases(cls, listed)
        for base in listed_base.__mro__
    }
    found = {}
    for base in cls.__mro__:
        if base in elsewhere or base.__module__.split(".")[0] not in OURS:
            continue
        for key in vars(base):
            member = getattr(cls, key, None)
            member = getattr(member, "__func__", member)
            if not key.startswith("_") and inspect.isfunction(member):
                found[key] = member
    return found


def describe(name, value, listed=None):
    """Returns lines on a class with its public methods, or on a function.

    Args:
        name: its public name.
        value: the class, function or other object.
        listed: class -> public name of those with lines of their own.
    """
    if not callable(value):
        return [name]
    lines = [name + signature(value)]
    if inspect.isclass(value):
        listed = listed or {}
        for key, member in methods(value, listed).items():
            lines.append(f"{name}.{key}{signature(member)}")
        bases = [listed[base] for base in nearest_bases(value, listed)]
        if bases:
            lines.append(f"{name}.bases = {sorted(bases)}")
    return lines


def public_names():
    """Returns all public objects by name."""
    found = {}
    for package in ("mgnm_tf", "mgnm_tf.layers"):
        module = importlib.import_module(package)
        for name in module.__all__:
            found[f"{package}.{name}"] = getattr(module, name)
    for cls in (*BASES, *map(model_class, model_names())):
        if cls.__name__ not in mgnm_tf.__all__:
            found[f"{cls.__module__}.{cls.__name__}"] = cls
    return found


def public_api():
    """Returns one line for each public name."""
    names = public_names()
    listed = {
        value: name for name, value in names.items() if inspect.isclass(value)
    }
    lines = []
    for name, value in names.items():
        lines += describe(name, value, listed)
    for cls in map(model_class, model_names()):
        model = cls(**cls.data_arguments(DATA))
        lines.append(
            f"{listed[cls]}.capabilities = {sorted(model.capabilities)}"
        )
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
        "mgnm_tf.SequentialRecommender.interests",
        "mgnm_tf.SequentialRecommender.from_data",
        "mgnm_tf.SequentialRecommender.query_vectors",
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


class Mixin:
    __module__ = "mgnm_tf.mixin"

    def rank(self, items):
        pass

    def fit(self, data):
        pass


class Model(Mixin, dict):
    __module__ = "mgnm_tf.model"

    def __init__(self):
        pass

    def fit(self, data, epochs):
        pass


def test_inherited_methods_of_ours_are_listed_once():
    own = ["M()", "M.fit(self, data, epochs)"]
    assert describe("M", Model) == [*own, "M.rank(self, items)"]
    assert describe("M", Model, {Model: "M", Mixin: "Mixin"}) == [
        *own,
        "M.bases = ['Mixin']",
    ]


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
