"""`docs/gallery.md`: every prepared study with its question, its figure and how to read it.

The text is in the comments at the head of the YAML file of the study: the question on the first
line, then how to read the figure. The figure is the one that the study draws when it is run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from runner import files
from runner.config.locations import config_directory


class Study(NamedTuple):
    """A prepared study and what the page says about it."""

    name: str
    question: str
    how_to_read: str
    is_animated: bool


def studies() -> list[Study]:
    """Return the prepared studies that are sweeps, and so leave a figure."""
    studies_found = sorted((config_directory() / "experiment").glob("*.yaml"))
    return [
        _study(file) for file in studies_found if "MULTIRUN" in file.read_text(encoding="utf-8")
    ]


def _study(file: Path) -> Study:
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    comments = [line for line in lines if line.startswith("#") and not line.startswith("# @")]
    question, *rest = [line.removeprefix("#").strip() for line in comments]
    return Study(file.stem, question, " ".join(rest), "kind: surface" in text)


def page(found: Sequence[Study]) -> str:
    """Return the page in Markdown; its pictures are in the folder `gallery` beside it."""
    head = "Made by `make gallery`. Each study is one command, most of them on the embedded digits."
    parts = [f"# Gallery\n\n{head}\n"]
    for study in found:
        picture = f"![{study.question}](gallery/{study.name}.png)"
        if study.is_animated:
            picture += f"\n\n![The same as an animation](gallery/{study.name}.gif)"
        parts.append(
            f"## {study.question}\n\n```sh\nrunner +experiment={study.name}\n```\n\n"
            f"{picture}\n\n{study.how_to_read}\n"
        )
    return "\n".join(parts)


def run(study: Study, picture: Path, overrides: Sequence[str] = ()) -> None:
    """Run a study and keep its figure, and the animation where there is one.

    Args:
        study: the study.
        picture: the file for the figure; the animation goes beside it.
        overrides: what to change in the study.

    Raises:
        CalledProcessError: the study failed.
    """
    with tempfile.TemporaryDirectory() as directory:
        sweep = Path(directory) / "sweep"
        line = [f"+experiment={study.name}", f"hydra.sweep.dir={sweep}", *overrides]
        subprocess.run([sys.executable, "-m", "runner", *line], check=True, stdout=sys.stderr)
        shutil.copy(sweep / files.SWEEP_FIGURES[0], picture)
        if study.is_animated:
            shutil.copy(sweep / files.SWEEP_ANIMATION, picture.with_suffix(".gif"))


def main(arguments: Sequence[str]) -> None:
    """Write the page and its pictures into a folder.

    Args:
        arguments: the folder; the names of the studies to run, or none to run all; and overrides
            for them (`epochs=1`).
    """
    folder, *words = arguments
    overrides = [word for word in words if "=" in word]
    only = [word for word in words if "=" not in word]
    found = studies()
    (Path(folder) / "gallery").mkdir(parents=True, exist_ok=True)
    for study in found:
        if not only or study.name in only:
            run(study, Path(folder) / "gallery" / f"{study.name}.png", overrides)
    (Path(folder) / "gallery.md").write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
