"""The version of this program, as the installed distribution says it."""

from __future__ import annotations

DISTRIBUTION = "optimization-runner"
"""What `pip` calls this program. The commands and the package are called `runner`."""


def own_version() -> str:
    """The version in the metadata of the distribution, or that there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "not installed"
