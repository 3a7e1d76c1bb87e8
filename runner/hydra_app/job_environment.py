"""What is global to the process while it works for one job of a sweep: its log, its environment."""

from __future__ import annotations

import contextlib
import logging
import logging.config
import os
from collections.abc import Iterator
from typing import Any

from hydra.core.utils import configure_log, env_override
from omegaconf import DictConfig, OmegaConf


class OncePerMessage(logging.Filter):
    """Lets each message through only once."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message is new."""
        message = record.getMessage()
        is_new = message not in self._seen
        self._seen.add(message)
        return is_new


class Handlers:
    """The handlers of the logs of some jobs, which are made once: that takes a millisecond.

    Attributes:
        made: the handlers; empty before there are any.
        level: that of the log.
    """

    def __init__(self) -> None:
        self.made: list[logging.Handler] = []
        self.level = logging.NOTSET

    def use(self, root: logging.Logger, settings: dict[str, Any]) -> None:
        """Let the closed handlers go on in the files of a job.

        Args:
            root: the log.
            settings: its configuration, by which the handlers have names.
        """
        for handler in self.made:
            own = settings["handlers"].get(handler.name, {})
            if isinstance(handler, logging.FileHandler) and "filename" in own:
                handler.baseFilename = os.path.abspath(own["filename"])  # noqa: PTH100 - as it does
        root.handlers = self.made
        _set_level(root, self.level)


class JobEnvironment:
    """The log and the environment variables of a job.

    Args:
        settings: the configuration of the log; None if Hydra configures none.
        verbose: which loggers log everything, as Hydra has it.
        variables: environment variables.
        handlers: those of jobs whose log differs from this one only in its file names.
    """

    def __init__(
        self,
        settings: dict[str, Any] | None,
        verbose: Any,
        variables: dict[str, str],
        handlers: Handlers | None = None,
    ) -> None:
        self._settings = settings if settings and settings.get("root") else None
        self._verbose = verbose
        self._variables = variables
        self._handlers = handlers or Handlers()

    @classmethod
    def of(cls, config: DictConfig) -> JobEnvironment:
        """Read it from the config of a job."""
        settings = config.hydra.job_logging
        plain: Any = settings and OmegaConf.to_container(settings, resolve=True)
        return cls(plain, config.hydra.verbose, dict(config.hydra.job.env_set))

    @contextlib.contextmanager
    def entered(self, once: OncePerMessage) -> Iterator[None]:
        """Make it current, and restore the log at the end."""
        root = logging.getLogger()
        handlers, level = root.handlers, root.level
        root.handlers = []
        try:
            if self._settings is not None:
                self._set_log(self._settings, root, once)
            with env_override(self._variables):
                yield
        finally:
            for handler in root.handlers:
                with contextlib.suppress(OSError):  # a full disk
                    handler.close()
            root.handlers = handlers
            _set_level(root, level)

    def _set_log(
        self, settings: dict[str, Any], root: logging.Logger, once: OncePerMessage
    ) -> None:
        """Configure the log, the second time with the handlers of the first."""
        if self._handlers.made:
            self._handlers.use(root, settings)
            return
        logging.config.dictConfig(settings)
        if self._verbose:
            configure_log(OmegaConf.create({"root": None}), self._verbose)
        for handler in root.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(once)
        if _can_be_reopened(settings, root.handlers):
            self._handlers.made, self._handlers.level = root.handlers, root.level


def _set_level(logger: logging.Logger, level: int) -> None:
    """Set the level of a logger; even where it has that level, setting it takes a tenth of a ms."""
    if logger.level != level:
        logger.setLevel(level)


def _can_be_reopened(settings: dict[str, Any], handlers: list[logging.Handler]) -> bool:
    """Whether closed handlers go on where they were, and no other logger has any."""
    others = settings.get("loggers", {}).values()
    return all(
        type(handler) is logging.StreamHandler
        or (type(handler) is logging.FileHandler and handler.mode == "a")
        for handler in handlers
    ) and not any("handlers" in logger for logger in others)
