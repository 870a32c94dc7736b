"""The tasks of lesson 05: storage."""

from __future__ import annotations

import json
import os
from typing import Any

from docker.models.containers import Container

from dockyard.core.volume_notes import is_anonymous
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

DATA = "/app/data"
"""Where the guestbook writes."""

ADA = "A lovely place."
PATIENCE = 8
"""Seconds for the guestbook to start."""


def update(probe: Probe) -> str:
    """Version 2 runs and shows the entries of version 1."""
    container = probe.running("guestbook")
    probe.must_publish(container, 8000, 8085)
    _, text = probe.get(8085, "/entries", PATIENCE)
    found = json.loads(text)
    if found["version"] != "2":
        raise NotYet(f"The page says version {found['version']}.")
    if not any(entry["sentence"] == ADA for entry in found["entries"]):
        _judge_data(container)
        raise NotYet("Version 2 runs, without Ada's entry.")
    return "Version 2 shows the entries of version 1."


def restore(probe: Probe) -> str:
    """The volume holds the database of the backup."""
    found = probe.files_of_volume("guests")
    if ADA in found.get("entries.db", ""):
        return "The volume guests holds the database of the backup again."
    if not found:
        raise NotYet("The volume guests is empty.")
    deeper = any(path.endswith("/entries.db") for path in found)
    raise NotYet(
        f"The volume guests holds {' and '.join(sorted(found))}.",
        mistake="one-folder-too-deep" if deeper else None,
    )


def diary(probe: Probe) -> str:
    """The guestbook keeps its entries in the learner's folder, as the learner."""
    container = probe.running("diary")
    mount = _judge_data(container)
    if mount["Type"] == "volume":
        raise NotYet(
            f"diary keeps its entries in the volume {mount['Name']}.",
            mistake="folder-taken-for-a-volume",
        )
    probe.must_publish(container, 8000, 8088)
    status, text = probe.get(8088, "/health", PATIENCE)
    if status != 200:
        rootless = "name=rootless" in probe.daemon.info().get("SecurityOptions", ())
        advice = " This daemon is rootless: leave --user out." if rootless else ""
        raise Broken(f"diary says: {brief(text)}.{advice}")
    file = probe.attempt.work / "diary" / "entries.db"
    if not file.exists():
        raise NotYet("There is no file diary/entries.db in your folder.")
    if (owner := file.stat().st_uid) != os.getuid():
        raise NotYet(f"diary/entries.db belongs to user {owner}; you are user {os.getuid()}.")
    return "diary keeps its entries in your folder diary, and the file is yours."


def _judge_data(container: Container) -> dict[str, Any]:
    """What is mounted where the guestbook writes. Raises NotYet when it is no place that stays."""
    places = {mount["Destination"]: mount for mount in container.attrs["Mounts"]}
    mount = places.get(DATA)
    if mount is None:
        raise NotYet(
            f"{container.name} writes its entries to its own layer"
            + (f"; what it has mounted is at {' and '.join(sorted(places))}." if places else "."),
            mistake="volume-at-another-path" if places else "written-to-the-container-layer",
        )
    if mount["Type"] == "volume" and is_anonymous(mount["Name"]):
        raise NotYet(
            f"{container.name} writes its entries to a volume without a name.",
            mistake="anonymous-volume",
        )
    found: dict[str, Any] = mount
    return found
