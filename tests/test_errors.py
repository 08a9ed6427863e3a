"""Errors are the same in another process."""

import pickle

import pytest

from mgnm_tf import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.UserError("no"),
        errors.DataError("no"),
        errors.MissingColumnError("no column 'a'", "a", ["b"]),
        errors.RowError("log.csv", 6, ", column 'a': found 'x'"),
        errors.OutputExistsError("there"),
        errors.DivergedError("nan"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_can_be_pickled(error):
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert vars(other) == vars(error)
