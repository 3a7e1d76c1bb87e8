"""The page that `make bench-accelerator` writes."""

from __future__ import annotations

from tests.bench.accelerator import convolution, lanes, training
from tests.bench.accelerator.device import gigaflop, peak
from tests.bench.accelerator.pytorch import COMPILED, EAGER
from tests.bench.accelerator.result import Result, Scale

Values = dict[tuple[str, str, str], float]
"""Numbers by table, row and column."""

GOAL_LANES, GOAL_TIMES = 256, 3.0
PRECISIONS = {training.RUNNER: "float32", training.BFLOAT16: "bfloat16"}
ROWS = (training.RUNNER, training.BFLOAT16, training.BARE, EAGER, COMPILED)


def page(results: list[Result], device_name: str, made: str, scale: Scale) -> str:
    """The page in Markdown.

    Args:
        results: all that was measured.
        device_name: the name of the device.
        made: the device, versions, data and date, in a line.
        scale: what was to be measured.
    """
    values = {r[:3]: r.value for r in results if r.value is not None}
    lines = [
        "# Accelerators",
        "",
        f"Made by `make bench-accelerator`. {made}.",
        "",
        *_training(values, device_name, scale),
        *_lanes(values, scale),
        *_convolution(values, device_name, scale),
        *_left_out(results),
    ]
    return "\n".join(lines)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    written = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    return [*written, ""]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(values: Values, row: str, base: str, column: str) -> float | None:
    first = values.get((training.TABLE, row, column))
    second = values.get((training.TABLE, base, column))
    return None if first is None or second is None else first / second


def _training(values: Values, device_name: str, scale: Scale) -> list[str]:
    names = [workload.name for workload in scale.workloads]
    rows = []
    for row in ROWS:
        cells = [row]
        for name in names:
            value = values.get((training.TABLE, row, name))
            ratio = _ratio(values, row, training.RUNNER, name)
            cells.append(f"{_number(value)}" + (f" ({_number(ratio)}x)" if ratio else ""))
        rows.append(cells)
    for row, precision in PRECISIONS.items():
        best = peak(device_name, precision)
        cells = [f"{row}: TFLOP/s of products"]
        for workload in scale.workloads:
            value = values.get((training.TABLE, row, workload.name))
            speed = gigaflop(workload) / value * 1e3 if value else None
            share = f" ({speed / best:.1%} of {best:g})" if speed and best else ""
            cells.append(_number(speed) + share)
        rows.append(cells)
    return [
        "## Training",
        "",
        "Microseconds a step, and times the runner's; the median of "
        f"{scale.rounds} windows. Adam and cross-entropy on images that are on the device. The "
        "runner records loss, error and learning rate in every step and norms in every 50th, into "
        "arrays; files are not written here. float32 products are TF32 where the device has it, in "
        "PyTorch too, whose Adam is the fused one. TFLOP/s count the products of the network only; "
        "the fraction is of the fastest dense products by data sheet, where it is known.",
        "",
        *_table(["", *names], rows),
    ]


def _lanes(values: Values, scale: Scale) -> list[str]:
    lines = [
        "## Many runs side by side",
        "",
        "One program over all runs with `vmap`. Memory: the largest amount in use so far, beside "
        "what `runner/engine/memory.py` predicts for states and recorded rows, without the data, "
        "which runs share, and activations. `a lane` is what each further run took since the row "
        "before.",
        "",
    ]
    for workload in scale.networks:
        table = f"lanes: {workload.name}"
        rows, before = [], (0, 0.0)
        one = values.get((table, "1", lanes.TIME))
        for count in scale.lanes:
            time, used, predicted = (
                values.get((table, str(count), column))
                for column in (lanes.TIME, lanes.PEAK, lanes.PREDICTED)
            )
            times_one = time / one if time and one else None
            each = None
            if used is not None:
                each = (used - before[1]) / (count - before[0]) if before[0] else None
                before = (count, used)
            of_a_lane = predicted / count if predicted else None
            rows.append(
                [str(count), *map(_number, (time, times_one, used, each, predicted, of_a_lane))]
            )
        head = ["runs", lanes.TIME, "times one run", lanes.PEAK, "a lane"]
        lines += [f"### {workload.name}", "", *_table([*head, lanes.PREDICTED, "a lane"], rows)]
        lines += _goal(values, table, one)
    return lines


def _goal(values: Values, table: str, one: float | None) -> list[str]:
    many = values.get((table, str(GOAL_LANES), lanes.TIME))
    if not many or not one:
        return []
    verdict = "met" if many <= GOAL_TIMES * one else "**missed**"
    wanted = f"at most {GOAL_TIMES:g} times the time of one"
    return [f"The goal for {GOAL_LANES} runs, {wanted}: {many / one:.2g} times, {verdict}.", ""]


def _convolution(values: Values, device_name: str, scale: Scale) -> list[str]:
    batch, side, channels, out = scale.convolution
    gflop = 3 * 2e-9 * batch * (side - 2) ** 2 * 9 * channels * out
    best = peak(device_name, "float32")
    rows = []
    for method in convolution.METHODS:
        cells: list[str] = [method]
        for column in (convolution.ALONE, convolution.LOOP):
            value = values.get((convolution.TABLE, method, column))
            speed = gflop / value * 1e3 if value else None
            share = f", {speed / best:.1%} of {best:g}" if speed and best else ""
            cells.append(f"{_number(value)} ({_number(speed)} TFLOP/s{share})" if value else "")
        rows.append(cells)
    return [
        "## Convolution",
        "",
        f"Microseconds of a 3x3 convolution from {channels} to {out} channels, batch {batch}, with "
        "both its gradients: XLA's own (`native`, which the runner uses on accelerators) and one "
        "product over patches (which it uses on CPUs).",
        "",
        *_table(["", convolution.ALONE, convolution.LOOP], rows),
    ]


def _left_out(results: list[Result]) -> list[str]:
    missing = [r for r in results if r.value is None]
    if not missing:
        return []
    lines = [f"- {' / '.join(filter(None, r[:3]))}: {r.reason}" for r in missing]
    return ["## Left out", "", *lines, ""]
