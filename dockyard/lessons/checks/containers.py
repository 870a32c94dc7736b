"""Lesson 03: containers."""

from __future__ import annotations

from dockyard.core import wait
from dockyard.labs.probe import LONGEST_START, Probe
from dockyard.labs.verdict import Broken, NotYet, brief

MEGABYTE = 1024 * 1024
HEALING = 15
"""Seconds for a container to become healthy."""


def freeze(probe: Probe) -> str:
    """It has been started and is paused."""
    spare = probe.container("spare")
    if spare.status != "paused":
        raise NotYet(f"spare is {spare.status}, not paused.")
    return "spare is paused: its process is in memory and gets no processor time."


def rescue(probe: Probe) -> str:
    """The file in the folder holds the entry that was written in the container."""
    saved = probe.file("rescued.db")
    if "Grace" not in saved:
        raise NotYet("rescued.db is there, but Grace's entry is not in it.")
    return "rescued.db holds Grace's entry."


def polite(probe: Probe) -> str:
    """It printed a line of its own, and the guestbook ended by itself."""
    container = probe.container("polite")
    if container.status != "exited":
        raise NotYet(f"polite is {container.status}; it has not been stopped.")
    log = probe.log(container)
    if "starting" not in log:
        raise NotYet(f"The log of polite does not say `starting`: {brief(log)!r}.")
    code = container.attrs["State"]["ExitCode"]
    if code or "guestbook: stopping" not in log:
        heard = "it said" if "guestbook: stopping" in log else "the guestbook did not say"
        raise NotYet(f"polite ended with exit code {code}, and {heard} `stopping`.")
    return "polite says starting, then stopping, and ends with exit code 0."


def limit(probe: Probe) -> str:
    """Both limits hold for the running container."""
    settings = probe.running("book").attrs["HostConfig"]
    memory, processors = settings["Memory"], _processors(settings)
    if not 0 < memory <= 128 * MEGABYTE:
        allowed = f"may use {memory / MEGABYTE:.0f} MB" if memory else "has no limit"
        raise NotYet(f"book {allowed} of memory.")
    if not 0 < processors <= 0.5:
        raise NotYet(
            f"The memory of book is limited; it may use {processors or 'all'} processors.",
            mistake="shares-are-no-limit" if not processors and settings.get("CpuShares") else None,
        )
    return "book runs with at most 128 MB of memory and half a processor."


def _processors(settings: dict) -> float:
    """How many processors a container may use; 0 means all of them."""
    if settings.get("NanoCpus"):
        return settings["NanoCpus"] / 1e9
    return max(settings.get("CpuQuota") or 0, 0) / (settings.get("CpuPeriod") or 100_000)


def heal(probe: Probe) -> str:
    """The health check succeeds."""
    container = probe.running("checked")
    if "Health" not in container.attrs["State"]:
        raise NotYet("checked has no health check: it is another container now.")

    def healthy() -> bool:
        container.reload()
        return bool(container.attrs["State"]["Health"]["Status"] == "healthy")

    if not wait.within(wait.patience_now(HEALING, LONGEST_START), healthy, interval=0.5):
        raise Broken("checked runs, and its health check fails.")
    return "checked runs and is healthy."
