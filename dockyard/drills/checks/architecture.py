"""Drills of lesson 09."""

from __future__ import annotations

import json

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief


def host_process(probe: Probe) -> str:
    """The file says the daemon's number."""
    saved = probe.file("pid").strip()
    pid = str(probe.running(probe["BOX"]).attrs["State"]["Pid"])
    if saved != pid:
        raise NotYet(f"pid says {brief(saved)!r}, not the number of the main process.")
    return f"Outside, process 1 of {probe['BOX']} has the number {pid}."


def changed_file(probe: Probe) -> str:
    """The file in the folder is the one that was made."""
    if probe.file("found").strip() != probe["WORD"]:
        raise NotYet(f"found is not the file that somebody has made in {probe['BOX']}.")
    return f"It was /var/www/{probe['FILE']}."


def ask_the_api(probe: Probe) -> str:
    """The file is JSON with the versions of this daemon."""
    try:
        saved = json.loads(probe.file("version.json"))
    except ValueError:
        raise NotYet("version.json is not JSON.") from None
    answer = probe.daemon.version()
    keys = ("Version", "ApiVersion", "KernelVersion")
    if not isinstance(saved, dict) or any(saved.get(key) != answer[key] for key in keys):
        raise NotYet("version.json is not what the daemon's API answers.")
    return f"The daemon is version {answer['Version']}, and its API {answer['ApiVersion']}."
