"""The tasks of lesson 10: the daemon."""

from __future__ import annotations

import json
import re
from typing import Any

from docker.models.containers import Container

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief

WANTED = {"debug": True, "live-restore": True, "features": {"containerd-snapshotter": False}}
MEGABYTE = 1_000_000
UNITS = {"": 1, "k": 1000, "m": MEGABYTE, "g": 1000 * MEGABYTE}


def settings(probe: Probe) -> str:
    """The file is valid and has all settings, and the daemon lives by them."""
    boat = probe.running("boat")
    code, said = probe.execute(boat, "dockerd", "--validate")
    if code:
        raise NotYet(f"dockerd --validate says: {brief(said)}")
    found = json.loads(probe.read(boat, "/etc/docker/daemon.json") or "{}")
    missing = [name for name, value in WANTED.items() if found.get(name) != value]
    if missing:
        raise NotYet(f"The settings are valid, but not as in wrong.json: {', '.join(missing)}.")
    facts = _info(probe, boat)
    if not (facts["Debug"] and facts["LiveRestoreEnabled"]):
        raise NotYet(
            "The settings are right, and the daemon has not read them yet.",
            mistake="settings-not-read-yet",
        )
    return "The settings are valid, and the daemon has read them."


def live(probe: Probe) -> str:
    """The container has run for longer than the daemon."""
    boat = probe.running("boat")
    _info(probe, boat)
    book = probe.running_there(boat, "book")
    _, started = probe.execute(
        boat, "sh", "-c", "date -u -r /var/run/docker.pid +%Y-%m-%dT%H:%M:%S"
    )
    if book["State"]["StartedAt"] >= started.strip():
        raise NotYet("book runs, but it was started later than the daemon.")
    return "The daemon runs again, and book has run all the time."


def chatty(probe: Probe) -> str:
    """Both limits of the log are set for the container on the boat."""
    boat = probe.running("boat")
    probe.not_here("chatty", boat)
    log = probe.running_there(boat, "chatty")["HostConfig"]["LogConfig"]
    options = log["Config"] or {}
    size, files = options.get("max-size"), options.get("max-file")
    if not (size and files):
        raise NotYet(f"The log of chatty has only these limits: {options or 'none'}.")
    if _bytes(size) > 1.05 * MEGABYTE or int(files) > 3:
        raise NotYet(f"The log of chatty may have {files} files of {size}.")
    return f"The log of chatty takes at most {files} files of {size}."


def _info(probe: Probe, boat: Container) -> dict[str, Any]:
    found = probe.document(boat, "docker", "info", "--format", "{{json .}}")
    if not found or not found.get("ServerVersion"):
        raise NotYet("No daemon answers on boat.")
    return dict(found)


def _bytes(size: str) -> float:
    """The number of bytes that a size such as 10m stands for."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?)b?", size.lower())
    return float(found[1]) * UNITS[found[2]] if found else float("inf")
