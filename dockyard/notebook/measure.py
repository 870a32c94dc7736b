"""Measures commands and shows the results as text and as plots.

A single measurement says little on a busy computer. So each command runs several times, in turn
with those that it is compared with, and the median and the range are shown.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dockyard.exceptions import MeasurementFailed
from dockyard.notebook.palette import COLOURS, INK
from dockyard.notebook.shell_runner import SHELL


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

    def __str__(self) -> str:
        low, high = _number(min(self.values)), _number(max(self.values))
        return f"{self.name}: measured {_number(self.median)} {self.unit} ({low} to {high})"


class Plot:
    """A plot as PNG, with a description for readers who cannot see it."""

    def __init__(self, figure, description: str) -> None:
        self.description = description
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=110, bbox_inches="tight", transparent=True)
        self.png = file.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return self.description


def timed(commands: Mapping[str, str], repeat: int = 5) -> list[Sample]:
    """Run shell commands in turn and measure how many seconds each takes.

    Raises MeasurementFailed when a command fails.
    """

    def seconds(command: str) -> float:
        began = time.perf_counter()
        _output(command)
        return time.perf_counter() - began

    return _in_turn(commands, seconds, repeat, "s")


def measured(commands: Mapping[str, str], unit: str, repeat: int = 1) -> list[Sample]:
    """Run shell commands in turn, each of which prints one number in unit.

    Raises MeasurementFailed when a command fails or prints anything else.
    """

    def number(command: str) -> float:
        text = _output(command)
        try:
            return float(text)
        except ValueError:
            raise MeasurementFailed(command, f'It printed "{text.strip()[-200:]}".') from None

    return _in_turn(commands, number, repeat, unit)


def compare(title: str, samples: Sequence[Sample]) -> Plot:
    """Print samples; plot each measurement as a dot and each median as a bar."""
    from matplotlib.figure import Figure

    for sample in samples:
        print(sample)
    figure = Figure(figsize=(7, 0.7 + 0.55 * len(samples)))
    axes = figure.subplots()
    for row, sample in enumerate(samples):
        colour = COLOURS[row % len(COLOURS)]
        axes.plot(sample.values, [row] * len(sample.values), "o", color=colour, alpha=0.5)
        axes.plot([sample.median] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=3)
    axes.set_yticks(range(len(samples)), [sample.name for sample in samples])
    axes.set_ylim(len(samples) - 0.5, -0.5)
    axes.set_xlim(left=0)
    _dress(axes, title, xlabel=samples[0].unit)
    names = ", ".join(sample.name for sample in samples)
    return Plot(figure, f"Plot: {title}. One row each for: {names}.")


def verdict(sample: Sample, than: Sample, limit: float) -> str:
    """Whether one thing takes "less" or "more" than limit times as long as another, by medians.

    Choose a limit far from the usual ratio, so that a busy computer does not change the words.
    """
    less_or_more = "less" if sample.median < limit * than.median else "more"
    return f"{less_or_more} than {_number(limit)} times as long"


def overhead(title: str, groups: Mapping[str, Sequence[Sample]]) -> Plot:
    """Print and plot samples as multiples of the first one of their group, on a logarithmic axis.

    Each measurement is a dot, each median a bar; the line at 1 is the median of the first.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    rows = [
        (COLOURS[at % len(COLOURS)], _multiples(group, sample, samples[0]))
        for at, (group, samples) in enumerate(groups.items())
        for sample in samples
    ]
    figure = Figure(figsize=(7, 0.7 + 0.32 * len(rows)))
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.axvline(1, color=INK, linewidth=1)
    for row, (colour, multiples) in enumerate(rows):
        print(multiples)
        axes.plot(multiples.values, [row] * len(multiples.values), "o", color=colour, alpha=0.5)
        axes.plot([multiples.median] * 2, [row - 0.35, row + 0.35], color=colour, linewidth=3)
    names = [multiples.name for _, multiples in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} ×"))
    axes.xaxis.set_minor_locator(NullLocator())
    _dress(axes, title, xlabel="")
    return Plot(figure, f"Plot: {title}. One row each for: {', '.join(names)}.")


def _multiples(group: str, sample: Sample, first: Sample) -> Sample:
    values = tuple(value / first.median for value in sample.values)
    return Sample(f"{group}, {sample.name}", values, "×")


def growth(title: str, series: Mapping[str, Sequence[float]], unit: str, each: str) -> Plot:
    """Plot how a quantity grows with a number of things, one line per series, beginning at 0.

    unit is the unit of the quantity, each the label of the number.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    for colour, (name, values) in zip(COLOURS, series.items(), strict=False):
        axes.plot(range(len(values)), values, "o-", color=colour, label=name)
        print(f"{name}: measured {' → '.join(map(_number, values))} {unit}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, labelcolor=INK)
    _dress(axes, title, xlabel=each, ylabel=unit)
    return Plot(figure, f"Plot: {title}. One line each for: {', '.join(series)}.")


def _in_turn(commands, measure, repeat: int, unit: str) -> list[Sample]:
    # In turn, so that other work of the computer affects all of them alike.
    values: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeat):
        for name, command in commands.items():
            values[name].append(measure(command))
    return [Sample(name, tuple(found), unit) for name, found in values.items()]


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
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _dress(axes, title: str, xlabel: str, ylabel: str = "") -> None:
    axes.set_title(title, color=INK, loc="left", fontsize=11)
    axes.set_xlabel(xlabel, color=INK)
    axes.set_ylabel(ylabel, color=INK)
    axes.tick_params(colors=INK)
    axes.grid(axis="x", color=INK, alpha=0.25)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
