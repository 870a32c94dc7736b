"""Drills of lesson 05."""

from __future__ import annotations

from typing import Any

from docker.models.containers import Container

from dockyard.core.volume_notes import is_anonymous
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief


def _mounted_at(box: Container, folder: str) -> dict[str, Any]:
    """What a container has mounted at a folder; empty when it has nothing there."""
    found = [each for each in box.attrs["Mounts"] if each["Destination"] == folder]
    return found[0] if found else {}


def mount(probe: Probe) -> str:
    """The volume is mounted there."""
    box = probe.running(probe["BOX"])
    found = _mounted_at(box, "/data")
    if found.get("Name") != probe["VOLUME"]:
        what = "nothing mounted"
        if found:
            volume = found.get("Name", "")
            what = "an anonymous volume" if is_anonymous(volume) else volume or found["Source"]
        raise NotYet(f"At /data, {box.name} has {what}.")
    return f"{box.name} keeps its data in {probe['VOLUME']}."


def fill_volume(probe: Probe) -> str:
    """The file is in the volume."""
    note = probe.read_volume(probe["VOLUME"], "note")
    if note is None:
        raise NotYet(f"The volume {probe['VOLUME']} has no file `note`.")
    if probe["WORD"] not in note:
        raise NotYet(f"In {probe['VOLUME']}, note says {brief(note)!r}.")
    return f"The note is in {probe['VOLUME']}."


def read_volume(probe: Probe) -> str:
    """The file in the folder is that of the volume."""
    if probe.file("list").strip() != probe["WORD"]:
        raise NotYet(f"list is not the file of {probe['VOLUME']}.")
    return f"You have the list of {probe['VOLUME']}."


def bind(probe: Probe) -> str:
    """What is in the folder is in the container."""
    box = probe.running(probe["BOX"])
    if not probe.shows(box, "/work", probe.attempt.work):
        raise NotYet(f"/work of {box.name} is not your folder.")
    return f"{box.name} and you see the same files."


def in_memory(probe: Probe) -> str:
    """The container sees a file system in memory there."""
    box = probe.running(probe["BOX"])
    _, mounts = probe.execute(box, "cat", "/proc/mounts")
    if not any(line.split()[1:3] == ["/cache", "tmpfs"] for line in mounts.splitlines()):
        raise NotYet(f"/cache of {box.name} is not in memory.")
    return f"/cache of {box.name} goes with the container's end."


def unused_volume(probe: Probe) -> str:
    """One volume is gone, and the other one is there."""
    probe.volume(probe["USED"])
    try:
        probe.volume(probe["UNUSED"])
    except NotYet:
        return f"{probe['UNUSED']} is gone; {probe['USED']} has an owner."
    raise NotYet(f"{probe['UNUSED']} is still there.")
