"""The curves of a run, as arrays and as data frames; read when they are asked for."""

from __future__ import annotations

from abc import ABC
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from runner import files
from runner.engine.chunk import EPOCH_DTYPE, PATH_DTYPE, STEP_DTYPE
from runner.errors import ConfigError, RecordError, did_you_mean
from runner.measures import OPTIONAL_MEASURES
from runner.record.curves import read_curve
from runner.record.memory import Memory

if TYPE_CHECKING:
    import pandas

CURVES = ("epochs", "steps", "path")
"""The curves of a run, which are attributes of it."""


class WithCurves(ABC):
    """A run with the folder of its record, or its record in memory."""

    directory: Path | None
    memory: Memory | None
    _epochs: npt.NDArray | None

    @property
    def steps(self) -> npt.NDArray:
        """A row for each step, of dtype `runner.engine.chunk.STEP_DTYPE`; empty without a curve.

        The file is read or mapped at each access and not kept, so that any number of long runs fits
        in memory.

        Raises:
            RecordError: the file is there and cannot be read.
        """
        return self._curve(files.STEPS, STEP_DTYPE)

    @property
    def epochs(self) -> npt.NDArray:
        """A row for each evaluation, of dtype `EPOCH_DTYPE`; kept if they are few.

        A file of an earlier version lacks some of the optional measures; they are NaN.

        Raises:
            RecordError: the file is there and cannot be read.
        """
        if self._epochs is None:
            rows = self._read_epochs()
            if rows.nbytes > _KEPT_BYTES:
                return rows
            self._epochs = rows
        return self._epochs

    def _read_epochs(self) -> npt.NDArray:
        rows = self._curve(files.EPOCHS, _ALWAYS_RECORDED)
        if set(OPTIONAL_MEASURES) <= set(rows.dtype.names or ()):
            return rows
        complete = np.zeros(len(rows), EPOCH_DTYPE)
        for name in EPOCH_DTYPE.names or ():
            complete[name] = rows[name] if name in (rows.dtype.names or ()) else np.nan
        return complete

    @property
    def path(self) -> npt.NDArray:
        """The point (x, y) after each step, of dtype `PATH_DTYPE`; empty if there is no path."""
        return self._curve(files.PATH, PATH_DTYPE)

    def frame(self, curve: str = "epochs") -> pandas.DataFrame:
        """Tabulate a curve.

        Args:
            curve: `epochs`, `steps` or `path`.

        Returns:
            A row for each evaluation (or step), a column for each measure that was measured.

        Raises:
            ConfigError: there is no such curve.
            ImportError: pandas is not installed.
        """
        import pandas

        if curve not in CURVES:
            raise ConfigError(f"{curve} is no curve of a run{did_you_mean(curve, CURVES)}")
        rows = getattr(self, curve)
        names = [
            name
            for name in rows.dtype.names or ()
            if name not in OPTIONAL_MEASURES or np.isfinite(rows[name]).any()
        ]
        return pandas.DataFrame({name: np.array(rows[name]) for name in names})

    def diagnostics(self, table: str) -> npt.NDArray:
        """What diagnostics measured: a row for each evaluation and layer (or parameter).

        Args:
            table: its name: `layers` or `parameters`.

        Returns:
            An array with the columns `epoch`, `step`, `name` and the measures; empty if the run has
            no such table.
        """
        return self._curve(files.diagnostics(table), _NAMED)

    def _curve(self, name: str, expected: np.dtype) -> npt.NDArray:
        """The rows of a curve file; empty unless it has the expected columns."""
        missing = np.zeros(0, expected)
        try:
            if self.memory is not None:
                return self.memory.rows(name)
            if self.directory is None:
                return missing
            # A plain array on the same memory: every slice of a `memmap` costs ten times as much.
            rows = np.asarray(read_curve(self.directory / name))
        except (FileNotFoundError, NotADirectoryError, ValueError, EOFError, OverflowError):
            return missing
        except OSError as error:
            if error.errno is None or self.directory is None:  # a pipe, or else no file
                return missing
            file = self.directory / name
            raise RecordError(f"{file}: cannot be read: {error.strerror}") from error
        return rows if _has_columns(rows.dtype, expected) else missing


def _has_columns(found: np.dtype, expected: np.dtype) -> bool:
    """Whether rows have the expected columns, of numbers of the same kind."""
    return all(
        name in (found.names or ()) and np.can_cast(found[name], expected[name], "same_kind")
        for name in expected.names or ()
    )


_KEPT_BYTES = 2**17
"""Evaluations with more bytes than this are read again when they are asked for."""

_ALWAYS_RECORDED = np.dtype(
    [(name, EPOCH_DTYPE[name]) for name in EPOCH_DTYPE.names or () if name not in OPTIONAL_MEASURES]
)


_NAMED = np.dtype([("epoch", "<i4"), ("step", "<i4"), ("name", "<U1")])
