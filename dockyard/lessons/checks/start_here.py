"""Lesson 00: start here."""

from __future__ import annotations

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet

NOT_YOURS = ("Welcome to nginx", "Hello from my first container")
"""Titles of nginx's own page and of the page that the lesson writes."""


def own_words(probe: Probe) -> str:
    """The page is neither nginx's own nor the lesson's."""
    probe.must_publish(probe.running("mypage"), 80, 8090)
    status, text = probe.get(8090)
    if status != 200 or not text.strip():
        raise NotYet(f"http://127.0.0.1:8090 shows no page (status {status}).")
    for title in NOT_YOURS:
        if title in text:
            raise NotYet(f"The page says {title!r}.")
    return "The page says something of your own."


def stop_it(probe: Probe) -> str:
    """The container has stopped and is kept."""
    container = probe.kept("mypage")
    if container.status != "exited":
        raise NotYet(f"mypage is {container.status}.")
    return "mypage is stopped, and still there."
