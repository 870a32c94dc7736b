"""Lab 05: storage."""

from __future__ import annotations

import tarfile
import uuid
from pathlib import Path, PurePosixPath
from typing import Any

from docker.models.containers import Container

from dockyard.core.volume_notes import is_anonymous
from dockyard.labs import payloads
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

HTDOCS = "/usr/local/apache2/htdocs"
LEDGER = ("2025/sums", "2026/sums")
"""The files that the scene writes into the volume of the backup."""


def pad(probe: Probe) -> str:
    """The volume is there."""
    return f"There is a volume {probe.volume(probe['PAD']).name}."


def memory(probe: Probe) -> str:
    """/scratch is a file system in memory."""
    box = probe.running(probe["BOX"])
    _, mounts = probe.execute(box, "cat", "/proc/mounts")
    kind = next((line.split()[2] for line in mounts.splitlines() if " /scratch " in line), None)
    if kind != "tmpfs":
        what = f"a file system of the kind {kind}" if kind else "no file system of its own"
        raise NotYet(f"In {box.name}, /scratch is {what}.")
    return f"{box.name} keeps /scratch in memory."


def look(probe: Probe) -> str:
    """The volume is at /pad, and nothing can be written there."""
    volume = probe.volume(probe["PAD"])
    container = probe.running(probe["LOOK"])
    mount = _mounts(container).get("/pad", {})
    places = (volume.name, volume.attrs["Mountpoint"])
    if mount.get("Name") not in places and mount.get("Source") not in places:
        raise NotYet(f"{container.name} does not have the volume {volume.name} at /pad.")
    if probe.can_write(container, "/pad"):
        raise NotYet(f"{container.name} can write to the volume {volume.name}.")
    return f"{container.name} has the volume {volume.name} at /pad, and can only read it."


def notes(probe: Probe) -> str:
    """The note is in the volume."""
    name, word = probe["NOTES"], probe["TOKEN"]
    note = None
    if any(volume.name == name for volume in probe.daemon.volumes.list()):
        found = probe.files_of_volume(name)
        if _holding(found, "note", word):
            return f"The volume {name} holds the note, and it says {word}."
        note = found.get("note")
    writer = probe.kept(probe["WRITER"])
    _judge_writer(probe, writer, word)
    probe.volume(name)
    if note is None:
        raise NotYet(f"The volume {name} has no file note.")
    raise Broken(f"The note in the volume {name} says {brief(note)!r}.")


def _judge_writer(probe: Probe, writer: Container, word: str) -> None:
    """Raise NotYet with the place of the note when the writer put it elsewhere."""
    text = probe.read(writer, "/data/note")
    if text is None or word not in text:
        return
    inside = f"The note is in {writer.name} at /data/note"
    places = _mounts(writer)
    mount = places.get("/data")
    if mount is None:
        elsewhere = [place for place in places if places[place].get("Name") == probe["NOTES"]]
        raise NotYet(
            f"{inside}, in the container's own layer"
            + (f"; the volume is at {elsewhere[0]}." if elsewhere else "."),
            mistake="volume-at-another-path" if elsewhere else "written-to-the-container-layer",
        )
    if mount["Type"] == "volume" and is_anonymous(mount["Name"]):
        raise NotYet(f"{inside}, in a volume without a name.", mistake="anonymous-volume")
    if mount["Type"] == "volume":
        raise NotYet(f"{inside}, in the volume {mount['Name']}.")
    raise NotYet(f"{inside}, in the folder {Path(mount['Source']).name}.")


def pages(probe: Probe) -> str:
    """The server serves the learner's folder itself, and cannot write to it."""
    container = probe.serving(probe["PAGES"], probe["PAGES_PORT"], 80)
    probe.must_be_from(container, "httpd:2.4")
    probe.reach(container, probe["PAGES_PORT"], 80)
    folder = probe.attempt.work / "site"
    if not _serves(probe, folder):
        _judge_pages(probe, container)
    places = [place for place, mount in _mounts(container).items() if _shows(probe, mount, folder)]
    if any(probe.can_write(container, place) for place in places):
        raise NotYet(f"{container.name} serves your folder site, and could write to it.")
    return f"{container.name} serves the folder site, and can only read it."


def _shows(probe: Probe, mount: dict[str, Any], folder: Path) -> bool:
    """Whether a mount shows a folder, a part of it, or a folder around it."""
    source = mount["Source"]
    if mount["Type"] == "volume":
        source = (probe.volume(mount["Name"]).attrs["Options"] or {}).get("device", "")
    if not source:
        return False
    path = Path(source)
    return path.is_relative_to(folder) or folder.is_relative_to(path)


def _serves(probe: Probe, folder: Path) -> bool:
    """Whether a file that appears in a folder appears on the page at once."""
    if not folder.is_dir():
        raise NotYet("There is no folder site in your folder.")
    seen = folder / f".{uuid.uuid4().hex}.txt"
    seen.write_text(seen.stem)
    seen.chmod(0o644)
    try:
        return probe.get(probe["PAGES_PORT"], f"/{seen.name}") == (200, seen.stem)
    finally:
        seen.unlink()


def _judge_pages(probe: Probe, container: Container) -> None:
    """Raise NotYet with what the server serves instead of the folder."""
    status, page = probe.get(probe["PAGES_PORT"])
    mount = _mount_of(probe, container)
    copy = "; the page is a copy" if probe["TOKEN"] in page else ""
    if not mount:
        raise NotYet(
            f"{container.name} has nothing mounted at {HTDOCS}{copy}.",
            mistake="copied-not-mounted" if copy else None,
        )
    if mount["Type"] == "volume":
        name = mount["Name"]
        raise NotYet(
            f"{container.name} has the volume {name} at {HTDOCS}, not your folder.",
            mistake=None if is_anonymous(name) else "folder-taken-for-a-volume",
        )
    if PurePosixPath(mount["Destination"]) != PurePosixPath(HTDOCS):
        raise NotYet(f"{container.name} has only {mount['Destination']} from outside.")
    source = Path(mount["Source"])
    empty = source.is_dir() and not any(source.iterdir())
    raise NotYet(
        f"{container.name} serves the folder {source.name}"
        + (", which is empty." if empty else f", not site{copy} (status {status})."),
        mistake="folder-that-docker-made" if empty else "copied-not-mounted" if copy else None,
    )


def _mount_of(probe: Probe, container: Container) -> dict[str, Any]:
    """The mount that the server's pages come from; empty if they are in the container's layer."""
    code, real = probe.execute(container, "readlink", "-f", HTDOCS)
    path = PurePosixPath(HTDOCS if code else real.strip())
    places = _mounts(container)
    inside = [place for place in places if path.is_relative_to(place)]
    below = [place for place in places if PurePosixPath(place).is_relative_to(path)]
    return places[max(inside, key=len)] if inside else places[below[0]] if below else {}


def backup(probe: Probe) -> str:
    """The archive holds the files of the volume."""
    found = _archived(probe)
    missing = [path for path in LEDGER if not _holding(found, path, probe["TOKEN"])]
    if not missing:
        return f"ledger.tar holds the {len(LEDGER)} files of {probe['LEDGER']}."
    made = probe.attempt.work / probe["LEDGER"]
    if made.is_dir() and not any(made.iterdir()):
        raise NotYet(
            f"ledger.tar has no files, and your folder has an empty folder {made.name}.",
            mistake="folder-that-docker-made",
        )
    raise NotYet(f"ledger.tar does not hold {' and '.join(missing)} of {probe['LEDGER']}.")


def restored(probe: Probe) -> str:
    """The new volume has the files of the old one, at the same paths."""
    name = probe["TWIN"]
    found = probe.files_of_volume(name)
    if all(probe["TOKEN"] in found.get(path, "") for path in LEDGER):
        return f"The volume {name} holds the {len(LEDGER)} files of ledger.tar."
    if not found:
        raise NotYet(f"The volume {name} is empty.")
    deeper = [path for path in _holding(found, LEDGER[0], probe["TOKEN"]) if path != LEDGER[0]]
    raise NotYet(
        f"The volume {name} holds {' and '.join(sorted(found)[:3])}.",
        mistake="one-folder-too-deep" if deeper else None,
    )


def _archived(probe: Probe) -> dict[str, str]:
    """The texts of the files in the learner's archive, by path."""
    try:
        with (probe.attempt.work / "ledger.tar").open("rb") as archive:
            return payloads.files(archive)
    except FileNotFoundError:
        raise NotYet("There is no file ledger.tar in your folder.") from None
    except (OSError, tarfile.TarError):
        raise Broken("ledger.tar cannot be read as an archive.") from None


def _holding(files: dict[str, str], path: str, word: str) -> list[str]:
    """The paths that end with a path and whose text has a word."""
    return [
        each for each, text in files.items() if f"/{each}".endswith(f"/{path}") and word in text
    ]


def _mounts(container: Container) -> dict[str, dict[str, Any]]:
    """A container's mounts by their path inside."""
    return {mount["Destination"].rstrip("/") or "/": mount for mount in container.attrs["Mounts"]}
