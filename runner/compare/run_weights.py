"""The weights of a run from Python: what it has learnt, and what it predicts."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from runner.errors import ConfigError
from runner.record.memory import Memory
from runner.record.tensors import nested
from runner.record.weights import RecordedWeights, kept_weights

if TYPE_CHECKING:
    from runner.engine.weights import WeightsKind


class WithWeights(ABC):
    """A run with the folder of its record, or its record in memory."""

    directory: Path | None
    memory: Memory | None
    config: Mapping[str, Any]

    @property
    @abstractmethod
    def status(self) -> str:
        """One of `runner.status.Status`."""

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that evaluations use, in nested dictionaries of NumPy arrays.

        Those of the best evaluation where a rule of `stopping` names it or the run diverged, else
        those after the last step.

        Raises:
            ConfigError: the run has none, or they cannot be read.
        """
        return nested(self.weights.params)

    @property
    def best_params(self) -> dict[str, Any]:
        """Those of the evaluation with the least validation error, or `measure` of the rule.

        Raises:
            ConfigError: see `params`.
        """
        return nested(self._found(("best",)).params)

    @property
    def state(self) -> dict[str, Any]:
        """What the layers keep that is not trained, such as the statistics of normalizations.

        It belongs to `params`. Empty for most networks.

        Raises:
            ConfigError: see `params`.
        """
        return nested(self.weights.layers)

    def predict(self, inputs: npt.ArrayLike) -> npt.NDArray:
        """The logits `[n, classes]` of the network with `params`; their softmax is a probability.

        Args:
            inputs: examples as the data source stores them, before any preprocessing, of the shape
                `[n, *features]`: digits have `[n, 8, 8, 1]` and values from 0 to 16.

        Raises:
            ConfigError: there are no weights, an option is not known, or the shape is wrong.
        """
        from runner.compare.prediction import predict  # imports JAX

        return predict(self.config, self.weights, inputs)

    @functools.cached_property
    def weights(self) -> RecordedWeights:
        """The weights with which the run is used, as they are recorded; those of `params`.

        Raises:
            ConfigError: see `params`.
        """
        return self._found()

    def _found(self, kinds: Sequence[WeightsKind] | None = None) -> RecordedWeights:
        """The first of some kinds of weights that the run has.

        Raises:
            ConfigError: it has none of them, or they cannot be read.
        """
        found = self.memory.weights(kinds) if self.memory else None
        if self.directory is not None and (kept := kept_weights(self.directory, kinds)) is not None:
            found = kept[1]
        if found is not None:
            return found
        best = "best " if kinds else ""
        without = " and weights=false" if self.config.get("weights") is False else ""
        where = self.directory or "the run"
        raise ConfigError(f"{where}: has no {best}weights (status {self.status}{without})")
