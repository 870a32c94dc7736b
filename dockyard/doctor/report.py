"""The doctor's report: what each engine needs on this computer, as data and as text."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from dockyard import course
from dockyard.core import docker_client, paths
from dockyard.doctor import host_checks
from dockyard.doctor.host_checks import Notice
from dockyard.engine import discovery
from dockyard.engine.base import AGAIN, Endpoint, Need
from dockyard.engine.discovery import Candidate
from dockyard.engine.providers import FOR_LEARNERS


@dataclass(frozen=True)
class EngineFinding:
    """Whether one engine can work here, with all of its needs."""

    provider: str
    title: str
    works: bool
    needs: list[Need]


@dataclass(frozen=True)
class Report:
    """All findings. chosen is the engine that ``auto`` takes, or None.

    machine has facts about this computer. noticed are circumstances that make commands fail
    although no engine needs anything.
    """

    providers: list[EngineFinding]
    chosen: str | None
    why: str
    machine: dict[str, str]
    noticed: list[Notice]

    def as_json(self) -> dict[str, Any]:
        """The report as a JSON document."""
        return asdict(self)


def examine() -> Report:
    """Examine this computer without changing it."""
    findings = []
    for provider in FOR_LEARNERS:
        engine = provider.engine()
        needs = engine.needs()
        works = all(need.met or need.optional for need in needs)
        findings.append(EngineFinding(engine.name, engine.title, works, needs))
    chosen = next((finding for finding in findings if finding.works), None)
    why = (
        f"the first of {', '.join(provider.name for provider in FOR_LEARNERS)} that can work here"
        if chosen
        else "no engine can work here; see above what each needs"
    )
    asked = list(discovery.candidates())
    if course.answers():
        endpoint = Endpoint(f"unix://{paths.front_door()}")
        asked.append(Candidate("the engine of this course", endpoint, "answers"))
    noticed = host_checks.examine(asked)
    return Report(findings, chosen.provider if chosen else None, why, _machine(), noticed)


def _machine() -> dict[str, str]:
    return {
        "client": _client(),
        "architecture": discovery.architecture(),
        "course": _course(),
    }


def _course() -> str:
    if gone := course.missing_part():
        return f"{gone} is gone; start it again:  {AGAIN}"
    return "running" if course.State.load() else "not running"


def _client() -> str:
    docker = docker_client.find()
    if docker is None:
        return "no docker client"
    done = subprocess.run(
        [docker, "--version"], capture_output=True, text=True, timeout=20, check=False
    )
    return f"{done.stdout.strip()} (the client only; the daemon may have another version)"


def render(report: Report) -> Text:
    """The report for people."""
    text = Text()
    for name, value in report.machine.items():
        text.append(f"{name}: {value}\n")
    for finding in report.providers:
        text.append(f"\n{finding.provider}: {finding.title} — ", "bold")
        text.append(*(("works here", "green") if finding.works else ("cannot work here", "red")))
        text.append("\n")
        for need in finding.needs:
            mark, style = ("ok ", "green") if need.met else ("NO ", "red")
            if need.optional and not need.met:
                mark, style = "-  ", "yellow"
            text.append(f"  {mark} ", style).append(f"{need.name}: {need.found}\n")
            if need.next and not need.met:
                text.append(f"      next: {need.next}\n")
    for notice in report.noticed:
        text.append("\n! " if notice.harmful else "\ni ", "red" if notice.harmful else "cyan")
        text.append(f"{notice.what}\n  {notice.why}\n")
        for line in notice.next.splitlines():
            text.append(f"  {line}\n")
    return text.append(f"\nchosen: {report.chosen or 'none'} ({report.why})")
