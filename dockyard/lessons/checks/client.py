"""The tasks of lesson 11: the client."""

from __future__ import annotations

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

HEADING = ["NAMES", "IMAGE"]
PATIENCE = 30
"""Seconds for the client to answer."""


def last(probe: Probe) -> str:
    """The file has the last two lines of the log, and nothing else."""
    found = probe.file("last.txt").split("\n")
    wanted = probe.log(probe.container("counter"), tail=2).split("\n")
    if found != wanted:
        raise NotYet(f"last.txt has {len(found) - 1} lines, and begins with {brief(found[0])!r}.")
    return "last.txt has the last two lines of the log of counter."


def team(probe: Probe) -> str:
    """Each container of the team is in the file, with its state, and nothing else is."""
    found = sorted(line.strip() for line in probe.file("web.txt").splitlines() if line.strip())
    members = probe.daemon.containers.list(all=True, filters={"label": "team=web"})
    wanted = sorted(f"{each.name},{each.status}" for each in members)
    if found == wanted:
        return f"web.txt lists the {len(members)} containers of the team web."
    running = sorted(f"{each.name},running" for each in members if each.status == "running")
    raise NotYet(
        f"web.txt has {', '.join(map(repr, found)) or 'no lines'}.",
        mistake="only-the-running" if found == running else None,
    )


def columns(probe: Probe) -> str:
    """A plain ``docker ps`` with the settings has the two columns."""
    done = probe.attempt.docker("--config", "my", "ps", timeout=PATIENCE)
    if done.returncode or "WARNING" in done.stderr:
        raise Broken(f"docker --config my ps says: {brief(done.stderr)}")
    heading = done.stdout.partition("\n")[0].split()
    if heading != HEADING:
        raise NotYet(f"docker --config my ps begins with: {' '.join(heading) or 'nothing'}")
    return "With the settings in my, docker ps has the columns NAMES and IMAGE."


def ssh(probe: Probe) -> str:
    """On the laptop a plain command reaches the daemon of the boat, over SSH."""
    laptop = probe.running("laptop")
    boat = probe.running("boat")
    (context,) = probe.document(laptop, "docker", "context", "inspect", "boat") or [None]
    if context is None:
        raise NotYet("The laptop has no context boat.")
    host = context["Endpoints"]["docker"]["Host"]
    if not host.startswith("ssh://"):
        raise NotYet(f"The laptop's context boat leads to {host}.")
    _, current = probe.execute(laptop, "docker", "context", "show")
    if current.strip() != "boat":
        raise NotYet(f"The laptop has the context boat; its current one is {current.strip()}.")
    ask = ("docker", "info", "--format", "{{.ID}}")
    code, seen = probe.execute(laptop, *ask)
    if code:
        raise Broken(f"On the laptop, docker says: {brief(seen)}")
    if seen != probe.execute(boat, *ask)[1]:
        raise NotYet(f"{host} leads to another daemon.")
    return "On the laptop, docker talks to the daemon of boat, over SSH."
