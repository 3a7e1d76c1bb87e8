"""Reads a table of text (CSV, TSV) into columns, and says where an error in it is."""

from __future__ import annotations

import csv
import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runner.data.own.file import FileVersion
from runner.errors import DataError, did_you_mean
from runner.lazy import np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas

_SEPARATORS = ",;\t|"
_MISSING = ("?",)
"""What stands for a missing value, beside the empty field and the words of pandas (`NA`, `nan`)."""

_MOSTLY = 0.9
"""A column of which this share are numbers is meant to be numbers."""


class Table(NamedTuple):
    """The columns of a file by name; the index of a row is the number of its line, from 0."""

    path: str
    frame: pandas.DataFrame

    def column(self, key: str, name: str) -> pandas.Series:
        """Return a column.

        Args:
            key: the key that names it, for the error.
            name: the name of the column.

        Raises:
            DataError: there is none.
        """
        names = list(map(str, self.frame.columns))
        if name not in names:
            hint = did_you_mean(name, names)
            raise DataError(f"{key}={name} is no column of {self.path}{hint}")
        return self.frame[name]

    def numbers(self, key: str, name: str) -> npt.NDArray | None:
        """Return a column as numbers, NaN where they are missing; None: it is a column of words.

        Raises:
            DataError: most of it are numbers, but not all; or one is infinite.
        """
        import pandas

        values = self.column(key, name)
        found = np.asarray(pandas.to_numeric(values, errors="coerce"), np.float64)
        bad = np.isnan(found) & np.asarray(values.notna())
        if (~np.isnan(found)).sum() < _MOSTLY * values.notna().sum():
            return None
        if bad.any():
            row = int(bad.argmax())
            raise self.error(
                row,
                name,
                f"{values.iloc[row]!r} is no number, as most of the column are; correct it, leave "
                "it empty if it is missing, or name the column in data.categories",
            )
        infinite = np.abs(found) > np.finfo(np.float32).max
        if infinite.any():
            row = int(infinite.argmax())
            raise self.error(
                row, name, f"{values.iloc[row]} is too large, expected a finite number"
            )
        return found

    def error(self, row: int, name: str, problem: str) -> DataError:
        """Return the error of a field.

        Args:
            row: its place in the table, from 0.
            name: the name of its column.
            problem: what is wrong with it.
        """
        line = self.frame.index[row] + 2  # after the header, from 1
        return DataError(f"{self.path}, line {line}, column {name!r}: {problem}")


@functools.lru_cache(maxsize=2)
def read_table(version: FileVersion, separator: str | None) -> Table:
    """Read a file whose first line has the names of the columns.

    Args:
        version: the file, in UTF-8.
        separator: what separates fields; None: that of `,`, `;`, `|` and the tab that is most
            frequent in the first line.

    Raises:
        DataError: it is no such table.
    """
    import pandas

    path = version.path
    names, separator = _header(path, separator)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            frame = pandas.read_csv(
                path,
                sep=separator,
                names=names,
                header=0,
                index_col=False,
                na_values=list(_MISSING),
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
                encoding="utf-8-sig",
            )
    except (ValueError, pandas.errors.ParserWarning, OSError) as error:  # ParserError is one
        raise _not_readable(path, names, separator, str(error)) from error
    if frame[names[-1]].isna().any():  # what pandas takes for a missing value may be a cut line
        _check_lines(path, names, separator)
    frame = frame.dropna(how="all")
    if frame.empty:
        raise DataError(f"{path}: has no rows below its header")
    return Table(path, frame)


def _header(path: str, separator: str | None) -> tuple[list[str], str]:
    """The names of the columns, and what separates them."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(2**20)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8 ({error.reason})") from error
    chosen = separator or max(_SEPARATORS, key=line.count)
    names = [name.strip() for name in next(csv.reader([line], delimiter=chosen), [])]
    for number, name in enumerate(names, 1):
        if not name:
            raise DataError(f"{path}, line 1: column {number} has no name")
        if name in names[: number - 1]:
            raise DataError(f"{path}, line 1: two columns have the name {name!r}")
    if len(names) < 2:
        raise DataError(
            f"{path}, line 1: one column, {line.strip()[:40]!r}; expected the names of several, "
            f"separated by {chosen!r} (data.separator)"
        )
    return names, chosen


def _not_readable(path: str, names: Sequence[str], separator: str, reason: str) -> DataError:
    """The error of a file that pandas does not read, with the line if one has too many fields."""
    try:
        _check_lines(path, names, separator)
    except DataError as error:
        return error
    return DataError(f"{path}: cannot be read: {' '.join(reason.split())}")


def _check_lines(path: str, names: Sequence[str], separator: str) -> None:
    """Check that every line has a field for each column."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, delimiter=separator)
            for fields in lines:
                if fields and len(fields) != len(names):
                    raise DataError(
                        f"{path}, line {lines.line_num}: {len(fields)} fields, expected "
                        f"{len(names)} as in the header"
                    )
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
