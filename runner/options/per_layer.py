"""Numbers that may differ by layer: whether a list has one for each layer of the model."""

from __future__ import annotations

from collections.abc import Iterator

from runner.options.option import Facts, Option, per_layer_names


def wrong_lengths(chosen: Option, facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield a conflict for each list that does not have a number for each layer of the model.

    Args:
        chosen: an option with fields of type `PerLayer`.
        facts: the rest of the run.
    """
    for name in per_layer_names(type(chosen)):
        value = getattr(chosen, name)
        if not isinstance(value, tuple) or len(value) == facts.layers:
            continue
        if facts.layers is None:
            yield name, "the model does not say how many layers it has; give one number for all"
        else:
            yield (
                name,
                f"it has length {len(value)}, and the model has {facts.layers} layers with a "
                "kernel; give a number for each, the last for the logits, or one for all",
            )
