"""Characters of a text: a file of the user's own, or sentences from a grammar."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from runner.data.grammar import Corpus, corpus
from runner.data.own.file import FileVersion, OwnFile, Scanned, file_version
from runner.data.splits import Shares, split_problems, split_sizes
from runner.errors import DataError
from runner.lazy import np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt

_MOST_BYTES = 256 * 2**20
"""How large a file may be: targets take four bytes a character."""


@option
class Text(OwnFile):
    """The characters of a text, cut into examples; the target at each step is the next one.

    An example is `steps` characters in a row, and its targets the same moved by one; the next
    example starts where it ends, and models start each with a state of 0. The text is cut in the
    ratio `split` in its order: the end is for testing. The inputs of a network are vectors of a 1
    and zeros, one for each of the characters that occur in the text, in the order of their code
    points. Line ends are as in the file. The error is the share of characters that are predicted
    wrongly; evaluations give bits per character as well, -log2 of the probability of the character.

    Without a path it is sentences about animals in English, 100,000 characters that a small grammar
    generates (`runner/data/grammar.py`), always the same. What is random in them is known: no model
    can need fewer bits per character on average than the choices of the grammar take.
    """

    path: str | None = None
    steps: int = number(64, minimum=1)
    split: Shares = (90, 5, 5)
    sha256: str | None = None

    split_seed = 0

    def scanned(self, versions: tuple[FileVersion, ...]) -> Scanned:
        """Cut the text into examples.

        Raises:
            DataError: there are less than 2 different characters, or too few for the splits.
        """
        if versions:
            text, what = read(versions[0]), self.path
        else:
            text, what = _generated().text, "sentences from a grammar"
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        symbols, indices = np.unique(codes, return_inverse=True)
        if len(symbols) < 2:
            raise DataError(f"{what}: {len(symbols)} different characters, expected at least 2")
        examples, targets = self._examples(indices.astype(np.int32), str(what))
        train, validation, test = split_sizes(len(targets), self.split)
        ends = np.cumsum([train, validation, test])
        rows = tuple(np.split(np.arange(len(targets)), ends[:-1]))
        learnt = targets[:train].ravel()
        said = (
            f"{what}: {len(text):,} characters, {len(symbols)} different ones, in examples of "
            f"{self.steps}; {train:,} for training, {validation:,} for validation, {test:,} for "
            f"testing; their shares alone give {entropy(learnt):.2f} bits per character"
        )
        if not versions:
            said += f", the grammar {_generated().bits_per_character:.2f}"
        inputs = examples.astype(np.uint8 if len(symbols) <= 256 else np.float32)
        count = len(symbols)
        return Scanned(inputs, targets, rows, count, None, said, symbols=count, each_step=True)

    def _examples(
        self, indices: npt.NDArray[np.int32], what: str
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Inputs and targets `[examples, steps]`; what is left of the text is not used."""
        count = (len(indices) - 1) // self.steps
        if count < 1 or not all(split_sizes(count, self.split)[::2]):
            raise DataError(
                f"{what}: {len(indices):,} characters are {max(count, 0):,} examples of "
                f"{self.steps}, too few to split; use a smaller data.steps or a longer text"
            )
        used = count * self.steps
        return (
            indices[:used].reshape(count, self.steps),
            indices[1 : used + 1].reshape(count, self.steps),
        )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse what `OwnFile` refuses; a path is not needed."""
        if self.path is not None:
            yield from super().problems()
            return
        if self.sha256 is not None:
            yield "sha256", "there is no file whose checksum it could be; use null"
        yield from split_problems(self.split, self.split_seed)

    def versions(self) -> tuple[FileVersion, ...]:
        """Return the file; nothing if the text is generated.

        Raises:
            DataError: it is not there, or too large.
        """
        if self.path is None:
            return ()
        version = file_version(Path(self.path))
        if version.bytes > _MOST_BYTES:
            size, most = version.bytes / 2**20, _MOST_BYTES // 2**20
            raise DataError(f"{version.path}: {size:.0f} MiB of text, expected at most {most} MiB")
        return (version,)

    def pinned(self) -> Text:
        """Return the source with the checksum of its file, if it has one."""
        return self if self.path is None else dataclasses.replace(self, sha256=self.digest())

    def characters(self) -> str:
        """Return the characters in the order in which symbols count them."""
        versions = self.versions()
        return "".join(sorted(set(read(versions[0]) if versions else _generated().text)))


def read(version: FileVersion) -> str:
    """Return the text of a file, without a byte-order mark.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
    try:
        data = Path(version.path).read_bytes()
    except OSError as error:
        raise DataError(f"{version.path}: cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{version.path}, line {line}: is not UTF-8 (byte {error.start:,}: {error.reason})"
        ) from None


def entropy(symbols: npt.NDArray[np.int32]) -> float:
    """Return -sum_k p_k log2 p_k with the shares p of the symbols: bits a symbol."""
    counts = np.bincount(symbols)
    shares = counts[counts > 0] / len(symbols)
    return float(-(shares * np.log2(shares)).sum())


def _generated() -> Corpus:
    return corpus(100_000)
