"""Lesson 01: what Docker is."""

from __future__ import annotations

import json

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet

INSIDE = 8000
"""The port at which the guestbook listens."""


def repaired(probe: Probe) -> str:
    """The second image is another one, and its tests pass."""
    if probe.image_id("guestbook:2") == probe.image_id("guestbook:1"):
        raise NotYet("guestbook:2 is the same image as guestbook:1, under another name.")
    code, _ = probe.run("guestbook:2", "python", "-m", "pytest", "--quiet")
    if code:
        raise NotYet("The tests in guestbook:2 fail.")
    return "guestbook:2 is a new image, and its tests pass."


def sign(probe: Probe) -> str:
    """The guestbook has an entry."""
    probe.must_publish(probe.running("guestbook"), INSIDE, 8080)
    _, text = probe.get(8080, "/entries")
    try:
        entries = json.loads(text)["entries"]
    except (ValueError, TypeError, LookupError):
        raise Broken("What answers at port 8080 is not the guestbook.") from None
    if not entries:
        raise NotYet("Nobody has signed the guestbook yet.")
    return "The guestbook has an entry."


def replica(probe: Probe) -> str:
    """Three containers of one image answer, each at its port."""
    image = probe.image_id("guestbook:2")
    for number in (1, 2, 3):
        container = probe.running(f"replica-{number}")
        if container.attrs["Image"] != image:
            raise NotYet(f"{container.name} is not a container of guestbook:2.")
        probe.must_publish(container, INSIDE, 8080 + number)
        probe.get(8080 + number, "/health")
    return "Three replicas of guestbook:2 answer, at ports 8081, 8082 and 8083."
