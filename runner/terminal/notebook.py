"""A progress bar in a notebook: HTML below the cell, which is replaced again and again."""

from __future__ import annotations

import math
import time
from html import escape
from typing import Any

SECONDS_BETWEEN_UPDATES = 0.2


class NotebookBar:
    """A bar with a line beside it; it is gone when it is closed."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html: Any = HTML
        self._shown_at = -math.inf
        self._handle: Any = display(HTML(""), display_id=True)

    def show(self, done: float, words: str) -> None:
        """Show how much is done, unless that was shown a moment ago.

        Args:
            done: from 0 to 1.
            words: the line.
        """
        if done < 1 and time.monotonic() - self._shown_at < SECONDS_BETWEEN_UPDATES:
            return
        self._shown_at = time.monotonic()
        bar = f'<progress value="{min(max(done, 0.0), 1.0):.4f}" max="1"></progress>'
        self._handle.update(self._html(f"{bar} {escape(words)}"))

    def close(self) -> None:
        """Remove the bar."""
        self._handle.update(self._html(""))
