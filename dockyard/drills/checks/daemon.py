"""Drills of lesson 10."""

from __future__ import annotations

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief


def storage_driver(probe: Probe) -> str:
    """The file says the driver's name."""
    saved = probe.file("driver").split()
    driver = probe.daemon.info()["Driver"]
    if saved[-1:] != [driver]:
        raise NotYet(f"driver says {brief(' '.join(saved))!r}; that is not the storage driver.")
    return f"The daemon keeps images with {driver}."


def no_log(probe: Probe) -> str:
    """Its log driver keeps nothing."""
    box = probe.running(probe["BOX"])
    driver = box.attrs["HostConfig"]["LogConfig"]["Type"]
    if driver != "none":
        raise NotYet(f"The log driver of {box.name} is {driver}, which keeps what it prints.")
    return f"Nobody keeps what {box.name} prints."


def small_log(probe: Probe) -> str:
    """Both limits are set."""
    box = probe.running(probe["BOX"])
    log = box.attrs["HostConfig"]["LogConfig"]
    if log["Type"] != "local":
        raise NotYet(f"The log driver of {box.name} is {log['Type']}.")
    options = log["Config"] or {}
    for option in ("max-size", "max-file"):
        if option not in options:
            raise NotYet(f"The log of {box.name} has no limit of your own for {option}.")
    size, files = options["max-size"], options["max-file"]
    if size.lower() not in ("1m", "1mb", "1024k", "1048576", "1000k") or files != "2":
        raise NotYet(f"The log of {box.name} has at most {files} files of {size}.")
    return f"The log of {box.name} takes at most 2 MB."
