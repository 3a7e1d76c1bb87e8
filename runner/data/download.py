"""Fetching the files of a data set once, whole or not at all.

Pooch downloads under a temporary name, checks the sum, and only then moves the file to its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runner.errors import DataError

CONNECT_SECONDS, READ_SECONDS = 5, 60


def fetch(names_and_sums: Mapping[str, str], base_url: str, directory: Path, what: str) -> None:
    """Download files into a directory, with a progress bar each.

    Args:
        names_and_sums: the files' names, and for each its checksum as pooch writes it (`md5:...`).
        base_url: what the name is appended to.
        directory: where the files go; it is created.
        what: the name of the data set, for messages.

    Raises:
        DataError: a file cannot be fetched or stored, or is not the one it should be.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    for name, known_hash in names_and_sums.items():
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
            reason = type(error).__name__
            raise DataError(_by_hand(names_and_sums, base_url, directory, what, reason)) from error
        except ValueError as error:
            raise DataError(
                f"{base_url}{name}: what was downloaded is not the file that was published "
                "(its checksum differs); nothing was kept"
            ) from error
        except OSError as error:
            raise DataError(
                f"{directory / name}: cannot be stored: {error.strerror or error}"
            ) from error


def _by_hand(
    names: Mapping[str, str], base_url: str, directory: Path, what: str, reason: str
) -> str:
    return (
        f"{what} is not there and cannot be downloaded ({reason}): put {', '.join(names)} "
        f"from {base_url} into {directory}, or set data.dir or RUNNER_DATA_DIR to where they are"
    )
