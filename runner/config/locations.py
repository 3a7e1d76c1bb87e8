"""Where runner's own files are."""

from __future__ import annotations

from pathlib import Path


def config_directory() -> Path:
    """The folder `conf`: beside the package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"
