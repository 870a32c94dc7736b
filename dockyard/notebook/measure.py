"""Measures commands and shows the results as text and as plots.

A single measurement says little on a busy computer. So each command runs several times, in turn
with those that it is compared with, and each is first in every other round. What is said about the
difference is computed from these pairs (ratio.py): the mean ratio with its 95 % interval.
"""

from __future__ import annotations

import functools
import io
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockyard.exceptions import MeasurementFailed
from dockyard.notebook.palette import COLOURS, PLOT_INK, PLOT_PAPER
from dockyard.notebook.ratio import Ratio, ratio
from dockyard.notebook.shell_runner import SHELL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REPEAT = 10
"""How often each is measured, unless a page says something else."""

UNITS = {"s": "seconds", "ms": "milliseconds", "MB": "megabytes"}
"""The words for units, for the axes of plots."""

Rounds = dict[str, dict[str, list[float]]]
"""What was measured in rounds: of each quantity, the values of each thing that was compared.

It can be kept as JSON, so that other cells find it after a restart of the kernel.
"""


@dataclass(frozen=True)
class Sample:
    """Several measurements of one thing, in one unit."""

    name: str
    values: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        """The median of the measurements."""
        return statistics.median(self.values)

    def over(self, other: Sample) -> Ratio:
        """How many times as large as another sample, which was measured in the same rounds."""
        return ratio(self.values, other.values)

    def __str__(self) -> str:
        low, high = _number(min(self.values)), _number(max(self.values))
        return f"{self.name}: measured {_number(self.median)} {self.unit} ({low} to {high})"


class Plot:
    """A plot as PNG, with a description for readers who cannot see it."""

    def __init__(self, figure: Figure, description: str) -> None:
        self.description = description
        file = io.BytesIO()
        # On paper of its own: no ink is readable on a white page and on a dark one.
        figure.savefig(file, format="png", dpi=110, bbox_inches="tight", facecolor=PLOT_PAPER)
        self.png = file.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return self.description


def timed(commands: Mapping[str, str], repeat: int = REPEAT) -> list[Sample]:
    """Run shell commands in turn and measure how many seconds each takes.

    Raises MeasurementFailed when a command fails.
    """

    return in_turn(_bound(seconds, commands), "s", repeat)


def measured(commands: Mapping[str, str], unit: str, repeat: int = REPEAT) -> list[Sample]:
    """Run shell commands in turn, each of which prints one number in unit.

    Raises MeasurementFailed when a command fails or prints anything else.
    """
    return in_turn(_bound(number, commands), unit, repeat)


def seconds(command: str) -> float:
    """How many seconds a shell command takes. Raises MeasurementFailed."""
    began = time.perf_counter()
    _output(command)
    return time.perf_counter() - began


def number(command: str) -> float:
    """The number that a shell command prints. Raises MeasurementFailed."""
    found = numbers(command)
    if len(found) != 1:
        raise MeasurementFailed(command, f"It printed {len(found)} numbers instead of one.")
    return found[0]


def numbers(command: str) -> list[float]:
    """The numbers that a shell command prints. Raises MeasurementFailed."""
    text = _output(command)
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        raise MeasurementFailed(command, f'It printed "{text.strip()[-200:]}".') from None


def rounds(
    measures: Mapping[str, Callable[[], Mapping[str, float]]],
    repeat: int = REPEAT,
    before: Rounds | None = None,
) -> Rounds:
    """Call functions in turn, each of which measures several numbers, such as start and memory.

    In turn, so that other work of the computer affects all of them alike; and every other round
    backwards, so that being first or last affects them alike. The values go behind those of before.
    """
    found: Rounds = {} if before is None else before
    done = max((len(values) for each in found.values() for values in each.values()), default=0)
    for at in range(done, done + repeat):
        names = list(measures)
        if at % 2:
            names.reverse()
        for name in names:
            for what, value in measures[name]().items():
                found.setdefault(what, {}).setdefault(name, []).append(value)
    return found


def samples(found: Rounds, what: str, unit: str) -> list[Sample]:
    """One of the quantities that were measured in rounds."""
    return [Sample(name, tuple(values), unit) for name, values in found[what].items()]


def in_turn(
    measures: Mapping[str, Callable[[], float]], unit: str, repeat: int = REPEAT
) -> list[Sample]:
    """Call functions in turn, each of which measures one number in unit (see rounds)."""

    def alone(measure: Callable[[], float]) -> dict[str, float]:
        return {unit: measure()}

    single = {name: functools.partial(alone, measure) for name, measure in measures.items()}
    return samples(rounds(single, repeat), unit, unit)


def conclusion(sample: Sample, than: Sample, how: str) -> str:
    """What the measurements say about two samples, with the mean ratio and its 95 % interval.

    how completes the comparison, such as "as long as". When the interval has 1 in it, no difference
    was found.
    """
    found = sample.over(than)
    interval = f"(95 % interval {_number(found.low)} to {_number(found.high)}, n = {found.pairs})"
    times = f"{_number(found.mean)} times"
    if found.direction == 0:
        return f"{sample.name}: no difference from {than.name} found, measured {times} {interval}"
    only = "only " if found.direction < 0 else ""
    return f"{sample.name}: {only}measured {times} {how} {than.name} {interval}"


def compare(title: str, samples: Sequence[Sample], how: str = "as long as") -> Plot:
    """Print samples and what they say; plot each measurement as a dot, each median as a bar.

    The first sample is the one with which the others are compared.
    """
    from matplotlib.figure import Figure

    for sample in samples:
        print(sample)
    for sample in samples[1:]:
        print(conclusion(sample, samples[0], how))
    figure = Figure(figsize=(7, 0.9 + 0.55 * len(samples)))
    axes = figure.subplots()
    for row, sample in enumerate(samples):
        _dots(axes, row, sample.values, COLOURS[row % len(COLOURS)])
        _bar(axes, row, sample.median, COLOURS[row % len(COLOURS)])
    _rows(axes, [sample.name for sample in samples])
    axes.set_xlim(left=0)
    unit = UNITS.get(samples[0].unit, samples[0].unit)
    title = f"{title}, in {unit} (n = {len(samples[0].values)}; bars: medians)"
    _dress(axes, title, xlabel=unit)
    names = ", ".join(sample.name for sample in samples)
    return Plot(figure, f"Plot: {title}. One row each for: {names}.")


def overhead(title: str, groups: Mapping[str, Sequence[Sample]], how: str = "as long as") -> Plot:
    """Print samples, and plot them as multiples of the first one of their group.

    The axis is logarithmic. Each dot is the ratio of one round, each bar the mean ratio, the lines
    beside it its 95 % interval.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    rows = []
    for at, (group, samples) in enumerate(groups.items()):
        print(*(f"{group}, {sample}" for sample in samples), sep="\n")
        rows += [
            (COLOURS[at % len(COLOURS)], f"{group}, {sample.name}", sample, samples[0])
            for sample in samples[1:]
        ]
    figure = Figure(figsize=(7, 0.9 + 0.4 * len(rows)))
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.axvline(1, color=PLOT_INK, linewidth=1)
    print()
    for row, (colour, name, sample, first) in enumerate(rows):
        found = sample.over(first)
        pairs = zip(sample.values, first.values, strict=True)
        _dots(axes, row, [value / other for value, other in pairs], colour)
        _bar(axes, row, found.mean, colour)
        axes.plot([found.low, found.high], [row, row], color=colour, linewidth=2)
        print(conclusion(Sample(name, sample.values, sample.unit), first, how))
    _rows(axes, [name for _, name, _, _ in rows])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} ×"))
    axes.xaxis.set_minor_locator(NullLocator())
    title = f"{title} (n = {len(rows[0][2].values)}; bars: mean ratio, 95 % interval)"
    _dress(axes, title, xlabel="times")
    return Plot(figure, f"Plot: {title}. One row each for: {', '.join(row[1] for row in rows)}.")


def _bound(
    measure: Callable[[str], float], commands: Mapping[str, str]
) -> dict[str, Callable[[], float]]:
    return {name: functools.partial(measure, command) for name, command in commands.items()}


def _output(command: str) -> str:
    done = subprocess.run(
        [SHELL, "-c", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise MeasurementFailed(command, (done.stderr or done.stdout).strip()[-300:])
    return done.stdout


def _number(value: float) -> str:
    """Three digits, without an exponent."""
    if value >= 100:
        return f"{value:.0f}"
    text = f"{value:.3g}"
    return text if "e" not in text else f"{value:.8f}".rstrip("0")


def _dots(axes: Axes, row: int, values: Sequence[float], colour: str) -> None:
    axes.plot(values, [row] * len(values), "o", color=colour, alpha=0.5)


def _bar(axes: Axes, row: int, value: float, colour: str) -> None:
    axes.plot([value] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=3)


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)


def _dress(axes: Axes, title: str, xlabel: str) -> None:
    axes.set_facecolor(PLOT_PAPER)
    axes.set_title(title, color=PLOT_INK, loc="left", fontsize=11)
    axes.set_xlabel(xlabel, color=PLOT_INK)
    axes.tick_params(colors=PLOT_INK)
    axes.grid(axis="x", color=PLOT_INK, alpha=0.2)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(PLOT_INK)
