"""Downloads of the files of a data set: each file completely or not at all.

Pooch downloads to a temporary name, verifies the checksum, and only then moves the file to its
final name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import DataError
from runner.folders import made

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS, READ_SECONDS = 5, 60
_ELSEWHERE = "or set data.dir or RUNNER_DATA_DIR to where they are"
_ANOTHER = "set data.dir or RUNNER_DATA_DIR to a folder that can be written"


def fetch(names_and_sums: Mapping[str, str], base_url: str, directory: Path, what: str) -> None:
    """Download files into a directory, with a progress bar each.

    Args:
        names_and_sums: the names of the absent files, and for each its checksum as pooch writes
            it (`sha256:...`, `md5:...`).
        base_url: the URL to which each name is appended.
        directory: where the files go; it is created.
        what: the name of the data set, for error messages.

    Raises:
        DataError: a file cannot be downloaded or stored, or its checksum differs.
    """
    import pooch

    pooch.get_logger().setLevel("ERROR")
    with _made(directory):
        _fetch(names_and_sums, base_url, directory, what)


def _fetch(names_and_sums: Mapping[str, str], base_url: str, directory: Path, what: str) -> None:
    """Do it in a directory that is there; see `fetch`."""
    import pooch
    import requests

    names = list(names_and_sums)
    for position, (name, known_hash) in enumerate(names_and_sums.items()):
        by_hand = (
            f"put {', '.join(names[position:])} from {base_url} into {directory}, {_ELSEWHERE}"
        )
        downloader = pooch.HTTPDownloader(progressbar=True, timeout=(CONNECT_SECONDS, READ_SECONDS))
        try:
            pooch.retrieve(
                base_url + name,
                known_hash=known_hash,
                fname=name,
                path=directory,
                downloader=downloader,
            )
        except requests.RequestException as error:
            raise DataError(
                f"{what} is not there and cannot be downloaded ({_failure(error)}): {by_hand}"
            ) from error
        except ValueError as error:
            raise DataError(
                f"{base_url}{name}: what was downloaded is not the published file ({known_hash}) "
                f"and was not kept; try again, or {by_hand}"
            ) from error
        except OSError as error:
            raise DataError(
                f"{directory / name}: cannot be stored: {_words(error)}; {_ANOTHER}"
            ) from error


@contextlib.contextmanager
def _made(directory: Path) -> Iterator[None]:
    """Make the directory; it is removed again if no file came into it.

    Raises:
        DataError: it cannot be made.
    """
    try:
        with made(directory):
            yield
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise DataError(
            f"{directory}: no folder can be made there: {_words(error)}; {_ANOTHER}"
        ) from error


def _failure(error: requests.RequestException) -> str:
    """`HTTP 404` if a server answered, else the kind of the failure."""
    if error.response is not None:
        return f"HTTP {error.response.status_code}"
    return type(error).__name__


def _words(error: OSError | ValueError) -> str:
    """The system's message; pooch replaces the one for missing permissions by its own."""
    origin = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return getattr(origin, "strerror", None) or str(origin)
