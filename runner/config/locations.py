"""Where the files of the program are."""

from __future__ import annotations

from pathlib import Path

CONFIG_NAME = "config"
"""The name of the primary config: `conf/config.yaml`."""


def config_directory() -> Path:
    """Return the folder `conf`: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"
