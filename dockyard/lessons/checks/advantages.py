"""Lesson 13: advantages."""

from __future__ import annotations

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

MEGABYTE = 1024 * 1024


def repair(probe: Probe) -> str:
    """On Debian 12 it prints the same lines as on Debian 13."""
    probe.image("count:12")
    version = probe.read_image("count:12", "/etc/debian_version")
    if not (version or "").startswith("12"):
        raise NotYet(f"count:12 is not built from Debian 12, but from Debian {version}.")
    code, said = probe.run("count:12")
    _, wanted = probe.run("count:13")
    if code or said.split() != wanted.split():
        raise NotYet(f"A container of count:12 prints {brief(said)!r}.")
    return "count:12 runs on Debian 12 and prints the same lines as count:13."


def fence(probe: Probe) -> str:
    """All three limits are set, and the guestbook runs within them."""
    settings = probe.running("fenced").attrs["HostConfig"]
    memory, processes = settings["Memory"], settings.get("PidsLimit") or 0
    quota = (settings.get("CpuQuota") or 0) / (settings.get("CpuPeriod") or 100_000)
    processors = (settings.get("NanoCpus") or 0) / 1e9 or quota
    if not 0 < memory <= 64 * MEGABYTE:
        raise NotYet("The memory of fenced is not limited to 64 MB.")
    if not 0 < processors <= 0.5:
        raise NotYet(
            "fenced may use more than half a processor.",
            mistake="shares-are-no-limit" if settings.get("CpuShares") else None,
        )
    if not 0 < processes <= 20:
        raise NotYet("fenced may start more than 20 processes.")
    return "fenced runs, with limits on memory, processor and processes."


def ship(probe: Probe) -> str:
    """The boat has the same image, and a container of it runs there."""
    boat = probe.running("boat")
    there = probe.inspected(boat, "image", "guestbook:1")
    if there is None:
        raise NotYet("The boat has no image guestbook:1.")
    if there["RootFS"]["Layers"] != probe.layers("guestbook:1"):
        raise NotYet(
            "The boat has an image guestbook:1 with other layers than here.",
            mistake="exported-not-saved" if len(there["RootFS"]["Layers"]) == 1 else None,
        )
    book = probe.running_there(boat, "book")
    if book["Image"] != there["Id"]:
        raise Broken("On the boat, book was not started from guestbook:1.")
    return "The boat has the very same image, and book runs from it."
