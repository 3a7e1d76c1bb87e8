"""Small files as users have them: a table of houses, arrays, images."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from runner.data.grammar import corpus

HOUSES = 60


def houses(rows: int = HOUSES) -> str:
    """A table: numbers, numbers with gaps, words; a price, and whether it is sold."""
    random = np.random.default_rng(5)
    lines = ["area,rooms,town,price,sold"]
    for row in range(rows):
        area, rooms = random.uniform(40, 200), random.integers(1, 7)
        town = ["Ulm", "Bonn", "Jena"][random.integers(0, 3)]
        price = 2000 * area + 10_000 * rooms + 50_000 * (town == "Bonn")
        shown = "" if row % 10 == 3 else rooms
        lines.append(f"{area:.1f},{shown},{town},{price:.0f},{'yes' if area > 100 else 'no'}")
    return "\n".join(lines) + "\n"


def write_files(directory: Path) -> None:
    """Write `houses.csv`, `poem.txt`, three files `.npz` and the folder `pets`."""
    (directory / "houses.csv").write_text(houses())
    (directory / "poem.txt").write_text(corpus(4000).text)
    random = np.random.default_rng(6)
    inputs = random.integers(0, 256, (40, 6, 5), np.uint8)
    np.savez(directory / "arrays.npz", inputs=inputs, targets=np.arange(40) % 3)
    signals = random.normal(size=(40, 6, 2))
    np.savez(directory / "signals.npz", inputs=signals, targets=signals.sum((1, 2)) > 0)
    tokens = (np.arange(40)[:, None] + np.arange(9)) % 5
    np.savez(directory / "tokens.npz", inputs=tokens[:, :-1], targets=tokens[:, 1:])
    for kind, level in (("cat", 60), ("dog", 180)):
        (directory / "pets" / kind).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(random.normal(level, 20, (20, 16)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(directory / "pets" / kind / f"{number:02d}.png")


@cache
def shared_files() -> Path:
    """A folder with the files, for all tests of a process that do not change them."""
    directory = Path(tempfile.mkdtemp(prefix="own-files-"))
    write_files(directory)
    return directory


def choice(name: str) -> dict[str, Any]:
    """What `data=name` needs to be complete; empty for data that need nothing."""
    return {
        "csv": {"path": str(shared_files() / "houses.csv"), "target": "price"},
        "npz": {"path": str(shared_files() / "arrays.npz")},
        "images": {"path": str(shared_files() / "pets")},
        # What is known of arrays that were given to another process.
        "arrays": {"sha256": "0" * 64, "rows": [40], "shape": [6, 5, 1], "classes": 3},
    }.get(name, {})
