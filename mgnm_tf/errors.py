"""Errors that a user can cause; their text is one clear sentence.

All can be pickled, since workers of Ray and Spark raise them.
"""


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message says what was received, where, and what was expected. The
    command line prints it without a traceback and ends with status 1.
    """


class DataError(UserError):
    """A data file, a data folder or the data in it cannot be used."""


class MissingColumnError(DataError):
    """A table has no column of some name.

    Args:
        message: the sentence for the user.
        column: the name that was looked for.
        found: the names of the columns that are there.
    """

    def __init__(self, message: str, column: str, found: list[str]):
        super().__init__(message)
        self.column = column
        self.found = found

    def __reduce__(self):
        return type(self), (str(self), self.column, self.found)


class RowError(DataError):
    """A row of a log cannot be used.

    Args:
        where: the file, or what else the rows are of.
        row: the row in it, from 0; the message counts from 1.
        said: what stands after the number of the row.
    """

    def __init__(self, where: str, row: int, said: str):
        super().__init__(f"{where}, row {row + 1}{said}")
        self.where, self.row, self.said = where, row, said

    def __reduce__(self):
        return type(self), (self.where, self.row, self.said)


class OutputExistsError(UserError, FileExistsError):
    """The place to write to is taken."""


class DivergedError(UserError):
    """A training whose loss is no number any more."""
