"""Prints a table after the tests of a folder ``faults``: what was tried, survived and lost.

A test is a fault: its module's docstring says of what kind, its name what the course promises.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import pytest


@dataclass
class Promise:
    """How the faults went that one test function tries."""

    kind: str
    text: str
    tried: set[str] = field(default_factory=set)
    lost: dict[str, str] = field(default_factory=dict)
    """What failed, by the test's name; the values are the first lines of the failures."""


PROMISES = pytest.StashKey[dict[str, Promise]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PROMISES] = {}
    config.pluginmanager.register(_Reports(config.stash[PROMISES]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and item.path.parent.name == "faults":
            function = item.nodeid.partition("[")[0]
            kind = (item.module.__doc__ or item.path.stem).splitlines()[0].rstrip(".")
            text = item.originalname.removeprefix("test_").replace("_", " ")
            config.stash[PROMISES].setdefault(function, Promise(kind, text))


class _Reports:
    def __init__(self, promises: dict[str, Promise]) -> None:
        self._promises = promises

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        promise = self._promises.get(report.nodeid.partition("[")[0])
        if promise is None:
            return
        if report.failed:
            lines = [line for line in report.longreprtext.splitlines() if line.startswith("E ")]
            promise.lost[report.nodeid] = lines[0][1:].strip() if lines else report.when or ""
        if report.failed or (report.when == "call" and report.passed):
            promise.tried.add(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    promises = terminalreporter.config.stash[PROMISES].values()
    if tried := [promise for promise in promises if promise.tried]:
        terminalreporter.section("faults")
        terminalreporter.write_line(table(tried))


def table(promises: list[Promise]) -> str:
    """The table as text: kinds with their promises, and a last line with the sums."""
    kinds = defaultdict(list)
    for promise in promises:
        kinds[promise.kind].append(promise)
    lines = [f"{'tried':>5} {'survived':>8}  lost"]
    for kind, of in kinds.items():
        lines.append(f"\n{kind}")
        for each in of:
            lost = "; ".join(each.lost.values()) or "nothing"
            lines.append(f"{_counts([each])}  {lost:<8} {each.text}")
    lines.append(f"\n{_counts(promises)}  faults in all")
    return "\n".join(lines)


def _counts(promises: list[Promise]) -> str:
    tried = sum(len(each.tried) for each in promises)
    return f"{tried:>5} {tried - sum(len(each.lost) for each in promises):>8}"
