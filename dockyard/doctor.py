"""What each provider would need here, as data; shown to people and as JSON."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import asdict, dataclass

from dockyard import course, paths
from dockyard.engine import discovery, packages
from dockyard.engine.base import Need
from dockyard.engine.providers import PROVIDERS

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class Finding:
    """One provider: whether it can work here, and need by need why (not)."""

    provider: str
    title: str
    works: bool
    needs: list[Need]


@dataclass(frozen=True)
class Report:
    """All findings; chosen is the provider that ``auto`` takes, or None."""

    providers: list[Finding]
    chosen: str | None
    why: str
    machine: dict[str, str]

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
        findings.append(Finding(engine.name, engine.title, works, needs))
    chosen = next((finding for finding in findings if finding.works), None)
    why = (
        f"the first of {', '.join(PROVIDERS)} that can work here"
        if chosen
        else "none of the providers can work here; each says below what it needs"
    )
    return Report(findings, chosen.provider if chosen else None, why, _machine())


def _machine() -> dict[str, str]:
    free = shutil.disk_usage(paths.CHECKOUT).free / 1e9
    facts = {
        "client": _client(),
        "architecture": discovery.architecture(),
        "disk": f"{free:.1f} GB free" + (" — nearly full" if free < 3 else ""),
        "course": "running" if course.answers() else "not running",
    }
    proxies = [name for name in PROXIES if os.environ.get(name)]
    if proxies:
        facts["proxy"] = (
            f"{', '.join(proxies)} set for this shell. The daemon and builds have proxy settings "
            "of their own: https://docs.docker.com/engine/daemon/proxy/"
        )
    return facts


def _client() -> str:
    docker = packages.which("docker")
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
    lines += ["", f"chosen: {report.chosen or 'none'} ({report.why})"]
    return "\n".join(lines)
