"""The figure of paths as an animation: a GIF in which all optimizers move at once.

What does not move is drawn once. Each frame adds to it the paths up to its step, and all frames
share the palette of the last, so that a frame takes milliseconds and the file stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runner.compare.figures.surface import SurfaceFigure
from runner.compare.grouping import Group

FRAMES = 100
SECONDS = 5.0
HOLD = 2.0
"""How many seconds the last frame is shown before the animation repeats."""

TIME_POWER = 1.5
"""The step shown at the fraction u of the time is u^TIME_POWER of all: slow at the beginning, where
most of it happens."""

_DPI = 120
_ALMOST_WHITE = 246
"""Colors of the palette above this are set to white, which the palette does not quite contain."""


def save_animation(groups: Sequence[Group], tune: Sequence[str], file: Path) -> None:
    """Write the animation of `runner.compare.figures.surface.SurfaceFigure`.

    Args:
        groups: the groups.
        tune: settings that were tuned.
        file: the GIF.

    Raises:
        ConfigError: a run was on no surface, or none left a path.
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.lines import Line2D
    from PIL import Image
    from rich.console import Console
    from rich.progress import track

    drawing = SurfaceFigure(groups, tune)
    canvas = FigureCanvasAgg(drawing.figure)
    drawing.figure.set_dpi(_DPI)
    clock = drawing.figure.text(0.01, 0.985, "", fontsize=8, va="top")
    moving = [*drawing.moving, clock]
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    still = canvas.copy_from_bbox(drawing.figure.bbox)

    def frame(step: float) -> Image.Image:
        canvas.restore_region(still)
        drawing.show(step)
        clock.set_text(f"step {step:.0f}")
        for artist in moving:
            if not isinstance(artist, Line2D) or len(artist.get_xdata(orig=False)):  # type: ignore[arg-type]
                drawing.figure.draw_artist(artist)
        return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])

    screen = Console(stderr=True)
    steps = drawing.steps * np.linspace(0, 1, FRAMES + 1) ** TIME_POWER
    palette = frame(drawing.steps).quantize(256, dither=Image.Dither.NONE)
    colors = np.reshape(palette.getpalette() or [], (-1, 3))
    white = (colors > _ALMOST_WHITE).all(axis=1, keepdims=True)
    palette.putpalette(np.where(white, 255, colors).ravel().tolist())
    frames = [
        frame(step).quantize(palette=palette, dither=Image.Dither.NONE)
        for step in track(
            steps, "animation", console=screen, transient=True, disable=not screen.is_terminal
        )
    ]
    each = round(1000 * SECONDS / len(steps) / 10) * 10
    times = [each] * (len(frames) - 1) + [round(1000 * HOLD)]
    frames[0].save(file, save_all=True, append_images=frames[1:], duration=times, loop=0)
