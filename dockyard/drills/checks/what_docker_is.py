"""Drills of lesson 01."""

from __future__ import annotations

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief


def kernel(probe: Probe) -> str:
    """The file says what the container prints."""
    saved = probe.file("kernel.txt").strip()
    _, printed = probe.execute(probe.running(probe["BOX"]), "uname", "-r")
    if saved != printed.strip():
        raise NotYet(f"kernel.txt says {brief(saved)!r}, not what `uname -r` prints.")
    return f"{probe['BOX']} uses the kernel {saved}, which is that of the daemon's computer."


def host_name(probe: Probe) -> str:
    """It runs, and calls itself by this name."""
    box = probe.running(probe["BOX"])
    _, printed = probe.execute(box, "hostname")
    if printed.strip() != probe["HOST"]:
        raise NotYet(f"The host name of {box.name} is {brief(printed)}.")
    return f"{box.name} calls itself {probe['HOST']}."


def own_files(probe: Probe) -> str:
    """One container has the file, the other one has not."""
    one, other = probe.container(probe["ONE"]), probe.container(probe["OTHER"])
    note = probe.read(one, "/note")
    if note is None or probe["WORD"] not in note:
        raise NotYet(f"{one.name} has no file /note that says {probe['WORD']}.")
    if probe.read(other, "/note") is not None:
        raise NotYet(f"{other.name} has a file /note, too.")
    return f"{one.name} has the note; {other.name} has files of its own."
