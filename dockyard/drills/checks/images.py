"""Drills of lesson 04."""

from __future__ import annotations

import json
import tarfile

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief


def tag(probe: Probe) -> str:
    """The name leads to the same image."""
    name = f"{probe['IMAGE']}:1.0"
    found = probe.image_names(f"{probe['IMAGE']}:")
    if found and name not in found:
        raise NotYet(f"There is {', '.join(found)}, and no {name}.")
    if probe.image_id(name) != probe.image_id("busybox:latest"):
        raise NotYet(f"{name} is another image than busybox.")
    return f"busybox is called {name}, too."


def untag(probe: Probe) -> str:
    """One name is gone, the other one stays."""
    probe.image(f"{probe['IMAGE']}:new")
    old = f"{probe['IMAGE']}:old"
    if old in probe.image_names(old):
        raise NotYet(f"{old} is still there.")
    return f"The image is called {probe['IMAGE']}:new only."


def build(probe: Probe) -> str:
    """A container of the image prints the word in the Dockerfile."""
    name = f"{probe['IMAGE']}:1"
    probe.image(name)
    _, printed = probe.run(name)
    if probe["WORD"] not in printed:
        raise NotYet(f"A container of {name} does not print what the Dockerfile says.")
    return f"A container of {name} prints {brief(printed)}."


def commit(probe: Probe) -> str:
    """The image has the file."""
    name = f"{probe['IMAGE']}:1"
    found = probe.read_image(name, "/recipe")
    if found is None or probe["WORD"] not in found:
        raise NotYet(f"In {name} there is no file /recipe with the text of {probe['BOX']}.")
    return f"{name} has the file /recipe."


def save(probe: Probe) -> str:
    """The file is an image with this name."""
    probe.file("box.tar")
    try:
        with tarfile.open(probe.attempt.work / "box.tar") as packed:
            listed = packed.extractfile("manifest.json")
            (image,) = json.loads(listed.read() if listed else b"")
    except (tarfile.TarError, KeyError, ValueError):
        raise NotYet("box.tar is no saved image: it has no list of images.") from None
    names = [name.removeprefix("docker.io/library/") for name in image["RepoTags"] or ()]
    if "busybox:latest" not in names:
        raise NotYet(f"The image in box.tar is called {', '.join(names) or 'nothing'}.")
    return "box.tar holds busybox, with its name and its settings."
