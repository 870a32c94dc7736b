"""What each provider would need here, as data; shown to people and as JSON."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, dataclass

from dockyard import course
from dockyard.core import docker_client, paths
from dockyard.doctor import host_checks
from dockyard.doctor.host_checks import Notice
from dockyard.engine import discovery
from dockyard.engine.base import Endpoint, Need
from dockyard.engine.discovery import Candidate
from dockyard.engine.providers import PROVIDERS
from dockyard.registry import image_catalog


@dataclass(frozen=True)
class EngineFinding:
    """One provider: whether it can work here, and need by need why (not)."""

    provider: str
    title: str
    works: bool
    needs: list[Need]


@dataclass(frozen=True)
class Report:
    """All findings; chosen is the provider that ``auto`` takes, or None.

    noticed is what makes commands fail although nothing is missing.
    """

    providers: list[EngineFinding]
    chosen: str | None
    why: str
    machine: dict[str, str]
    noticed: list[Notice]

    def as_json(self) -> dict:
        """The report as a JSON document."""
        return asdict(self)


def examine() -> Report:
    """Look at this machine. Changes nothing."""
    findings = []
    for provider in PROVIDERS.values():
        engine = provider()
        needs = engine.needs()
        works = all(need.met or need.optional for need in needs)
        findings.append(EngineFinding(engine.name, engine.title, works, needs))
    chosen = next((finding for finding in findings if finding.works), None)
    why = (
        f"the first of {', '.join(PROVIDERS)} that can work here"
        if chosen
        else "none of the providers can work here; each says below what it needs"
    )
    images = image_catalog.images()
    asked = list(discovery.candidates())
    if course.answers():
        endpoint = Endpoint(f"unix://{paths.front_door()}")
        asked.append(Candidate("the engine of this course", endpoint, "answers"))
    noticed = host_checks.examine(
        asked,
        [image.reference for image in images],
        {platform for image in images for platform in image.platforms},
    )
    return Report(findings, chosen.provider if chosen else None, why, _machine(), noticed)


def _machine() -> dict[str, str]:
    return {
        "client": _client(),
        "architecture": discovery.architecture(),
        "course": "running" if course.answers() else "not running",
    }


def _client() -> str:
    docker = docker_client.find()
    if docker is None:
        return "no docker client"
    done = subprocess.run(
        [docker, "--version"], capture_output=True, text=True, timeout=20, check=False
    )
    return f"{done.stdout.strip()} (the client alone; it says nothing about a daemon)"


def render(report: Report) -> str:
    """The report for people."""
    lines = [f"{name}: {value}" for name, value in report.machine.items()]
    for finding in report.providers:
        lines += ["", f"{finding.provider}: {finding.title}"]
        lines[-1] += " — works here" if finding.works else " — cannot work here"
        for need in finding.needs:
            mark = "ok " if need.met else ("-  " if need.optional else "NO ")
            lines.append(f"  {mark} {need.name}: {need.found}")
            if need.next and not need.met:
                lines.append(f"      next: {need.next}")
    for notice in report.noticed:
        lines += ["", f"{'!' if notice.harmful else 'i'} {notice.what}", f"  {notice.why}"]
        lines += [f"  {line}" for line in notice.next.splitlines()]
    lines += ["", f"chosen: {report.chosen or 'none'} ({report.why})"]
    return "\n".join(lines)
