"""Reads images and containers as stacks of layers, as plain data."""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import PurePosixPath

import docker

from dockyard.views.daemon_objects import Fact
from dockyard.views.events import UNREACHABLE
from dockyard.views.layer_archive import Changes, Contents, as_file, compare, read_archive

LISTED = 100
"""How many files of a layer are listed; the rest are only counted."""

LARGEST = 2_000_000_000
"""The size in bytes up to which an image is read. A larger archive would take minutes."""

REMEMBERED = 64
"""How many layers are cached; a layer never changes."""

PIECE = 1 << 20

_contents: OrderedDict[str, Contents] = OrderedDict()
_inspected: dict[str, Fact] = {}

_SHELL = re.compile(r"^(RUN )?(?:\|\d+ .*?)?/bin/sh -c (?:#\(nop\) +)?")
_SUM = re.compile(r"\b(file|dir|multi):[0-9a-f]{64}")


def human_size(size: int) -> str:
    """Format a size as Docker does: in powers of 1000, with three digits."""
    number = float(size)
    for unit in ("B", "kB", "MB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def command(created_by: str) -> str:
    """The Dockerfile instruction that made a layer, from its history entry.

    BuildKit and the classic builder record it in different ways.
    """
    words = created_by.removesuffix(" # buildkit").strip()
    shell = _SHELL.match(words)
    if shell:
        run = "#(nop)" not in shell[0]
        words = ("RUN " if run else "") + words[shell.end() :].strip()
    return _SUM.sub(r"\1", words) or "(no note on how it was made)"


def bases(daemon: docker.DockerClient) -> list[Fact]:
    """The images that have a name, to name the lower layers of other images."""
    found = []
    for image in daemon.api.images():
        names = sorted(name for name in image.get("RepoTags") or [] if name != "<none>:<none>")
        if names:
            found.append(_inspect(daemon, image["Id"]) | {"name": names[0]})
    return found


def stack(daemon: docker.DockerClient, name: str, named: list[Fact]) -> Fact:
    """An image, or a container and its image, with its layers from the top down.

    named is the result of bases(). If there are no layers, ``problem`` says why. Similar to
    ``docker history``, ``docker save`` and ``docker diff``.
    """
    empty = {"name": name, "container": False, "image": "", "layers": [], "settings": []}
    image, container = name, None
    try:
        found = daemon.api.inspect_image(image)
    except docker.errors.NotFound:
        try:
            container = daemon.api.inspect_container(name)
            image = container["Config"]["Image"]
            found = daemon.api.inspect_image(container["Image"])
        except docker.errors.NotFound:
            return empty | {"problem": "no image and no container of this name"}
    info = _inspect(daemon, found["Id"])
    base = _base(info, named)
    if container and base is None:
        base = info | {"name": image}
    layers = _layers(daemon, info, base)
    if container:
        layers.append(_written(daemon, container))
    return empty | {
        "container": container is not None,
        "image": image if container else "",
        "layers": layers[::-1],
        "settings": _settings(info, base),
        "problem": "",
    }


def _inspect(daemon: docker.DockerClient, id: str) -> Fact:
    if id not in _inspected:
        found = daemon.api.inspect_image(id)
        # From the lowest step up, like the layers.
        history = daemon.api.history(id)[::-1]
        _inspected[id] = {
            "id": id,
            # Not found["Size"], which is that of the packed layers in containerd's image store.
            "size": sum(step["Size"] for step in history),
            "layers": found["RootFS"].get("Layers") or [],
            "history": history,
        }
    return _inspected[id]


def _base(info: Fact, named: list[Fact]) -> Fact | None:
    """The named image with the most layers and steps that this one begins with."""

    def stands_on(other: Fact) -> bool:
        return (
            len(other["history"]) < len(info["history"])
            and other["layers"] != []
            and other["layers"] == info["layers"][: len(other["layers"])]
            and _made_by(other) == _made_by(info)[: len(other["history"])]
        )

    fitting = [other for other in named if other["id"] != info["id"] and stands_on(other)]
    return max(
        fitting,
        key=lambda other: (len(other["layers"]), len(other["history"]), other["name"]),
        default=None,
    )


def _made_by(info: Fact) -> list[str]:
    return [command(step.get("CreatedBy") or "") for step in info["history"]]


def _layers(daemon: docker.DockerClient, info: Fact, base: Fact | None) -> list[Fact]:
    steps = _steps(info)
    contents, problem = _read(daemon, info)
    changes = compare(contents)
    below = len(base["layers"]) if base else 0
    layers = []
    for at, id in enumerate(info["layers"]):
        step = steps[at] if at < len(steps) else {}
        label = command(step.get("CreatedBy") or "")
        if base and at < below:
            label = f"base {base['name']}" + (f", layer {at + 1}" if below > 1 else "")
        fact = {
            "id": id,
            "label": label,
            "base": at < below,
            "writable": False,
            "command": command(step.get("CreatedBy") or ""),
            "size": contents[at].size if contents else step.get("Size", 0),
            "count": contents[at].count if contents else 0,
            "problem": contents[at].problem if contents else problem,
        }
        entries = _entries(changes[at], contents[at].count) if contents else NO_ENTRIES
        layers.append(fact | entries)
    return layers


def _steps(info: Fact) -> list[Fact]:
    """The steps of the history that made a layer, as far as the daemon reports them.

    The size alone does not tell an empty layer from no layer; steps that only change settings are
    recognised by their instruction.
    """
    history, count = info["history"], len(info["layers"])
    made = [step for step in history if not _only_sets(step)]
    return made if len(made) == count else [step for step in history if step["Size"]][:count]


def _only_sets(step: Fact) -> bool:
    words = command(step.get("CreatedBy") or "").partition(" ")[0]
    return step["Size"] == 0 and words not in ("RUN", "COPY", "ADD", "WORKDIR")


def _settings(info: Fact, base: Fact | None) -> list[str]:
    own = info["history"][len(base["history"]) if base else 0 :]
    found = [command(step.get("CreatedBy") or "") for step in own if _only_sets(step)]
    labels = [each for each in found if each.startswith("LABEL ")]
    if len(labels) < 2:
        return found
    # Many labels, such as the course's, would hide the other settings.
    return [*(each for each in found if each not in labels), f"{len(labels)} times LABEL"]


def _read(daemon: docker.DockerClient, info: Fact) -> tuple[list[Contents], str]:
    """The contents of all layers, or the reason why they were not read."""
    if any(id not in _contents for id in info["layers"]):
        if info["size"] > LARGEST:
            return [], f"too large to look into ({human_size(info['size'])} in all)"
        try:
            pieces = daemon.api.get_image(info["id"], chunk_size=PIECE)
            found = read_archive(as_file(pieces))
        except (OSError, KeyError, ValueError, *UNREACHABLE) as error:
            return [], f"could not be read ({str(error)[:80]})"
        for id, contents in zip(info["layers"], found, strict=False):
            _contents[id] = contents
    for id in info["layers"]:
        _contents.move_to_end(id)
    read = [_contents[id] for id in info["layers"]]
    while len(_contents) > max(REMEMBERED, len(read)):
        _contents.popitem(last=False)
    return read, ""


NO_ENTRIES: Fact = {"entries": [], "total": 0, "counts": ""}
"""Of a layer that was not read."""


def _entries(changes: Changes, count: int) -> Fact:
    listed: list[Fact] = []
    if changes.added is None or changes.changed is None:
        counts = [f"{count} files, too many to compare"]
    else:
        listed = [
            {"sign": sign, "path": path, "size": size}
            for sign, files in (("+", changes.added), ("~", changes.changed))
            for path, size in files.items()
        ]
        counts = [
            f"{len(which)} {word}"
            for which, word in ((changes.added, "added"), (changes.changed, "changed"))
            if which
        ]
    listed += [{"sign": "−", "path": path, "size": 0} for path in changes.removed]
    if changes.removed:
        counts.append(f"{len(changes.removed)} removed")
    # The largest first: they matter most for the size of an image.
    listed.sort(key=lambda entry: (-entry["size"], entry["path"]))
    return {"entries": listed[:LISTED], "total": len(listed), "counts": ", ".join(counts)}


def _written(daemon: docker.DockerClient, container: Fact) -> Fact:
    """The writable layer of a container. Similar to ``docker diff``."""
    found = daemon.api.diff(container["Id"]) or []
    # A folder is reported as changed when something in it changed.
    folders = {str(parent) for each in found for parent in PurePosixPath(each["Path"]).parents}
    listed = [
        {"sign": "~+−"[each["Kind"]], "path": each["Path"], "size": 0}
        for each in sorted(found, key=lambda each: each["Path"])
        if not (each["Kind"] == 0 and each["Path"] in folders)
    ]
    counts = [
        f"{number} {word}"
        for sign, word in (("+", "added"), ("~", "changed"), ("−", "removed"))
        if (number := sum(entry["sign"] == sign for entry in listed))
    ]
    return {
        "id": container["Id"],
        "label": "the container's own layer",
        "base": False,
        "writable": True,
        "command": "",
        "size": 0,
        "count": 0,
        "problem": "",
        "entries": listed[:LISTED],
        "total": len(listed),
        "counts": ", ".join(counts),
    }
