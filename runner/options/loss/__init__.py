"""Losses: what is minimized on an example. One module for each kind of target."""

from runner.options.loss.base import Loss

__all__ = ["Loss"]
