"""The check that says in one sentence that a needed package is too old."""

from importlib import metadata

MINIMUM_VERSIONS = {"tensorflow": (2, 18), "keras": (3, 10)}
"""The lower bounds of `setup.py`; a test keeps the two equal."""


def check_versions() -> None:
    """Checks the installed TensorFlow and Keras without importing them.

    A package that is not installed under its usual name is not checked: its
    import says by itself that it is missing.

    Raises:
        ImportError: an installed package is too old.
    """
    for name, minimum in MINIMUM_VERSIONS.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if tuple(map(int, version.split(".")[:2])) < minimum:
            needed = ".".join(map(str, minimum))
            raise ImportError(
                f"mgnm_tf needs {name} {needed} or later, but {name} "
                f"{version} is installed. Install a later one: "
                f"pip install --upgrade '{name}>={needed}'"
            )
