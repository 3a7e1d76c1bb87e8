"""The jobs of a sweep: every combination of the values of its overrides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import HydraContext
from omegaconf import DictConfig

from runner.errors import ConfigError
from runner.hydra_app.checking import first_line
from runner.hydra_app.composer import Composer
from runner.hydra_app.overrides import as_typed
from runner.hydra_app.prepare import prepare_overrides
from runner.hydra_app.searching import refuse_blind_search
from runner.record.fingerprint import fingerprint

_MOST_JOBS = 100_000


def every_job(
    context: HydraContext, cases: Sequence[Sequence[str]], words: Sequence[str]
) -> list[list[str]]:
    """Return the overrides of each job of a sweep.

    Args:
        context: Hydra's context, with its loader.
        cases: lists of overrides, for each of which all combinations are run; none: one without.
        words: the overrides of all cases, with the values to combine.

    Raises:
        ConfigError: `cases` is not a list of lists, an override has no values, or there are too
            many combinations.
    """
    parser = OverridesParser.create(config_loader=context.config_loader)
    if not _is_list_of_lists(cases := cases or [[]]):
        raise ConfigError(
            "hydra.sweeper.cases must be a list of lists of overrides, like "
            "[[optimizer=sgd, seed=1], [optimizer=adam]]"
        )
    jobs = []
    for case in cases:
        jobs += jobs_of(parser.parse_overrides(prepare_overrides([*case, *words])))
    return jobs


def _is_list_of_lists(cases: Any) -> bool:
    """Whether `cases` is a list of lists of text."""
    lists = [cases, *cases] if isinstance(cases, Sequence) else [None]
    if any(isinstance(one, str) or not isinstance(one, Sequence) for one in lists):
        return False
    return all(isinstance(word, str) for case in cases for word in case)


def jobs_of(overrides: Sequence[Override]) -> list[list[str]]:
    """Return the overrides of each job.

    Raises:
        ConfigError: an override has no values, or there are too many combinations.
    """
    counts = [_count(override) for override in overrides if override.is_sweep_override()]
    if math.prod(counts) > _MOST_JOBS:
        raise ConfigError(
            f"the sweep has more than {_MOST_JOBS:,} combinations of values; run it in parts"
        )
    (product,) = BasicSweeper.split_arguments(list(overrides), None)
    return product


def _count(override: Override) -> int:
    """The number of values of an override, as far as they are counted.

    Raises:
        ConfigError: it has none.
    """
    words = as_typed(str(override.input_line))
    if not override.is_discrete_sweep():
        raise ConfigError(f"{words}: is no list of values; write them out, as in seed=0,1,2")
    try:
        values = itertools.islice(override.sweep_string_iterator(), _MOST_JOBS + 1)
        count = sum(1 for _ in values)
    except ValueError as error:
        raise ConfigError(f"{words}: {first_line(error)}") from error
    if not count:
        raise ConfigError(f"{words}: has no values to run")
    return count


def checked_jobs(
    context: HydraContext, sweep: DictConfig, jobs: Sequence[Sequence[str]]
) -> list[Sequence[str]]:
    """Check all jobs before another launcher than `runner` starts the first one.

    Args:
        context: Hydra's context, with its loader.
        sweep: the config of the sweep.
        jobs: the overrides of each job.

    Returns:
        The jobs, of those with equal configs the first.

    Raises:
        ConfigError: the config of a job is wrong.
    """
    composer = Composer(context, sweep)
    composed = [composer.compose(words, number) for number, words in enumerate(jobs)]
    refuse_blind_search(sweep, (one.experiment for one in composed))
    distinct: dict[str, Sequence[str]] = {}
    for one, words in zip(composed, jobs, strict=True):
        distinct.setdefault(fingerprint(one.plain), words)
    return list(distinct.values())
