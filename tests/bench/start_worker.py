"""A run that says where the time from the command to its first step goes.

`python -m tests.bench.start_worker LAUNCHED OVERRIDE...` is `runner OVERRIDE...` with a clock
around its parts; `LAUNCHED` is when the process was started, in seconds since 1970. The last line
of standard error is JSON: seconds by part, each without the parts inside it, on the main thread.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

IMPORTS, REST = "imports", "the rest"
BEFORE, AFTER = "interpreter", "after the first step: recording, closing"


class Parts:
    """Seconds by part; the time within a part that belongs to another one is that one's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open = [REST]
        self._since = time.perf_counter()
        self._thread = threading.get_ident()

    def switch(self) -> None:
        """Add the time since the last switch to the part that is open."""
        now = time.perf_counter()
        part = self._open[-1]
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as a part."""

        @functools.wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            if threading.get_ident() != self._thread or self._open[-1] in (part, AFTER):
                return function(*arguments, **keywords)
            self.switch()
            self._open.append(part)
            try:
                return function(*arguments, **keywords)
            finally:
                self.switch()
                if self._open[-1] == part:
                    self._open.pop()

        return call

    def put(self, owner: Any, name: str, part: str) -> None:
        """Make a function or method a part."""
        setattr(owner, name, self.timed(part, getattr(owner, name)))

    def end_of_start(self) -> None:
        """Count what follows as time after the first step."""
        if self._open[-1] != AFTER:
            self.switch()
            self._open.append(AFTER)


def main() -> None:
    launched = float(sys.argv[1])
    parts = Parts()
    parts.seconds[BEFORE] = time.time() - launched
    parts.put(builtins, "__import__", IMPORTS)
    parts.put(importlib, "import_module", IMPORTS)

    import runner.cli
    import runner.hydra_app.application
    from runner.experiment.table import OPTIONS

    application = runner.hydra_app.application.Application
    parts.put(application, "create", "Hydra: search path")
    parts.put(application, "compose_config", "Hydra: composing, and checking the config")
    for source in OPTIONS["data"].values():
        parts.put(source, "load", "data")
    compose = application.compose_config

    def then_watch_the_engine(*arguments: Any, **keywords: Any) -> Any:
        config = compose(*arguments, **keywords)
        application.compose_config = compose  # type: ignore[method-assign]
        importlib.import_module("runner.hydra_app.application")
        watch_engine(parts)
        return config

    application.compose_config = then_watch_the_engine  # type: ignore[method-assign]
    code = runner.cli.run_command_line(sys.argv[2:])
    parts.switch()
    print(json.dumps(parts.seconds), file=sys.stderr)
    sys.exit(code)


def watch_engine(parts: Parts) -> None:
    """Time the parts of training; imports JAX, as the run is about to do."""
    run: Any = importlib.import_module("runner.execution.run")
    loop: Any = importlib.import_module("runner.engine.loop")
    parts.put(loop, "place", "data")
    parts.put(
        loop.Training, "compile", "programs: loading, or tracing and compiling; initial state"
    )
    parts.put(run, "start_record", "record: starting")
    write = run.Recorder.write

    def first_write(*arguments: Any) -> None:
        parts.end_of_start()
        write(*arguments)

    run.Recorder.write = first_write


if __name__ == "__main__":
    main()
