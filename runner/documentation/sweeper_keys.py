"""The YAML page of a sweep, whose keys `figure.*` are made from the fields of `View`.

`python -m runner.documentation.sweeper_keys` prints it; `make docs` writes it to
`conf/hydra/sweeper/runner.yaml`.
"""

from __future__ import annotations

import textwrap

from runner.compare.view import fields_of_view
from runner.config.values import shown

HEAD = """\
# One job for every combination of the given values (in each of the cases)
_target_: hydra_plugins.runner_plugins.RunnerSweeper
max_batch_size: null
params: null
cases: []  # lists of overrides, for a study that needs only some combinations
# The figure that the sweep ends with; made by `make docs` from the fields of `View`, whose other
# form are the flags of runner-compare. A key may be typed as it is here: figure.measure=test_loss
figure:
"""


def page() -> str:
    """Return the whole page: each key with its meaning above it and its default."""
    lines = []
    for field in fields_of_view():
        lines += textwrap.wrap(
            field.metadata["help"], 98, initial_indent="  # ", subsequent_indent="  # "
        )
        lines.append(f"  {field.name}: {shown(field.default)}")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
