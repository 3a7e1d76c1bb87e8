"""What the runs of a command line start from: `--from FOLDER`, or `--branch FOLDER --at-epoch N`.

Each run of a sweep asks for its own start, so that a mistake in any of them is reported before the
first one trains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from runner.config.build import build
from runner.errors import ConfigError
from runner.execution.recorded import RecordedRun
from runner.experiment.experiment import Experiment
from runner.hydra_app.checking import as_plain
from runner.hydra_app.composer import Composed
from runner.hydra_app.overrides import typed_words
from runner.record.checkpoints import find_checkpoint
from runner.record.memory import Place
from runner.record.weights import config_hash
from runner.terminal.caller import tell

if TYPE_CHECKING:
    from runner.execution.branch import Trunk
    from runner.execution.starting import Start
    from runner.execution.transfer import Origin


class FromWeights:
    """Runs start from the weights of a run; those of one structure share what is read.

    Args:
        place: the folder of the run, a file with its weights, or its record in memory.
        layers: the layers to take; none: all.
    """

    def __init__(self, place: Place, layers: Sequence[str] = ()) -> None:
        self._place, self._layers = place, tuple(layers)
        self._found: dict[Any, Origin] = {}

    def __call__(self, experiment: Experiment) -> Origin:
        """The weights from which an experiment starts.

        Raises:
            ConfigError: there are none, or they do not fit to the network.
        """
        from runner.execution.transfer import weights_for  # imports JAX
        from runner.lazy import jax
        from runner.options.option import register_pytrees

        register_pytrees()
        structure = jax.tree.structure(experiment)
        if structure not in self._found:
            self._found[structure] = weights_for(experiment, self._place, self._layers)
        return self._found[structure]

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out what was read: another process reads it again."""
        return FromWeights, (self._place, self._layers)


class FromRun:
    """Runs branch off another run.

    Args:
        record: the other run.
        epoch: after which of its epochs.
    """

    def __init__(self, record: RecordedRun, epoch: int) -> None:
        self._record, self._epoch = record, epoch
        self._found: dict[int, Trunk] = {}

    def __call__(self, experiment: Experiment) -> Trunk:
        """What an experiment branches off. Says which checkpoint cannot be used.

        Raises:
            ConfigError: it is no branch of the run.
        """
        from runner.execution.branch import Trunk, steps_of_trunk

        folder, config = self._record.directory, self._record.config
        steps = steps_of_trunk(self._record.experiment, experiment, self._epoch)
        if steps not in self._found:
            earlier, refused = find_checkpoint(folder, config, before=steps)
            for line in refused:
                tell(f"Note:   {line}")
            facts = {"folder": str(folder), "epoch": self._epoch, "step": steps}
            facts["config"] = config_hash(config)
            self._found[steps] = Trunk(self._record.experiment, steps, earlier, facts)
        return self._found[steps]

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out what was read: another process reads it again."""
        return FromRun, (self._record, self._epoch)


Starter = FromWeights | FromRun


def listed_layers(typed: str | None) -> list[str]:
    """The layers that `--from-layers A,B` names."""
    return [word for word in (typed or "").split(",") if word]


class StartingTask:
    """A task function of Hydra for runs that start from another run.

    Args:
        task: trains a run; takes its config and its `start`.
        starter: says what a run starts from.
    """

    def __init__(self, task: Callable[..., Any], starter: Starter) -> None:
        self._task = task
        self.starter = starter

    def __call__(self, config: DictConfig) -> Any:
        """Train a run, for another launcher than `runner`."""
        return self._task(config, start=self.starter(build(as_plain(config))))


def starting_at(task: Callable[..., Any], starter: Starter | None) -> Callable[..., Any]:
    """The task function of a sweep whose runs start from another run, if they do."""
    return StartingTask(task, starter) if starter else task


def starts_of(starter: Starter | None, composed: Sequence[Composed]) -> list[Start | None]:
    """What the jobs of a sweep start from.

    Args:
        starter: says it; None: they start from their seeds.
        composed: the jobs.

    Raises:
        ConfigError: one cannot start there.
    """
    if starter is None:
        return [None] * len(composed)
    starts: list[Start | None] = []
    for one in composed:
        try:
            starts.append(starter(one.experiment))
        except ConfigError as error:
            words = typed_words(one.overrides)
            raise ConfigError(f"{error} [in run {one.number} of the sweep: {words}]") from error
    return starts
