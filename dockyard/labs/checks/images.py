"""Lab 04: images."""

from __future__ import annotations

import io
import json
import tarfile

from dockyard.labs import payloads
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief


def second_name(probe: Probe) -> str:
    """Two names for one image."""
    mine, busybox = probe.image(f"{probe['BOX']}:1"), probe.image("busybox:latest")
    if mine.id != busybox.id:
        raise NotYet(f"{probe['BOX']}:1 and busybox:latest are two images with two ids.")
    return f"{probe['BOX']}:1 and busybox:latest are one image with two names."


def one_layer(probe: Probe) -> str:
    """The image has its base's layers and one more."""
    name = f"{probe['BOX']}:2"
    added = _added(probe, name)
    if added is None:
        raise NotYet(f"{name} does not stand on busybox.")
    word = probe.read_image(name, "/word")
    if word is None or probe["WORD"] not in word:
        raise NotYet(f"{name} has no file /word that contains {probe['WORD']}.")
    if added != 1:
        raise NotYet(f"{name} is busybox and {added} layers on top.")
    return f"{name} is busybox and one layer, and /word says {probe['WORD']}."


def number(probe: Probe) -> str:
    """The file holds the image's id."""
    written = probe.file("id.txt").strip()
    if probe.image_id("httpd:2.4") not in written:
        raise NotYet(f"id.txt says {written[:80]!r}; that is not the id of httpd:2.4.")
    return "id.txt holds the id of httpd:2.4."


def packed(probe: Probe) -> str:
    """The archive holds the right image."""
    path = probe.attempt.work / "box.tar"
    if not path.exists():
        raise NotYet("There is no file box.tar in your folder.")
    try:
        with tarfile.open(path) as tar:
            manifest = json.load(payloads.open_member(tar, "manifest.json") or io.BytesIO())
        names = [name for entry in manifest for name in entry.get("RepoTags") or []]
    except (tarfile.TarError, KeyError, ValueError, OSError, AttributeError, TypeError):
        # A learner can put anything into a file.
        raise NotYet("box.tar is not an archive of an image.") from None
    if "busybox:latest" not in names:
        raise NotYet(f"box.tar holds {', '.join(names) or 'an image without a name'}.")
    return "box.tar holds busybox:latest, with all its layers."


def page(probe: Probe) -> str:
    """A container of the image answers with the page."""
    name = f"{probe['SITE']}:1"
    if not probe.daemon.images.list(name):
        _explain_absence(probe, name)
    if _added(probe, name, "httpd:2.4") is None:
        raise NotYet(f"{name} does not stand on httpd:2.4.")
    status, text = probe.answer(name, 80)
    if probe["WORD"] not in text:
        raise NotYet(f"A container of {name} answers {brief(text)!r} (status {status}).")
    return f"A container of {name} answers at port 80 with your page."


def _explain_absence(probe: Probe, name: str) -> None:
    folder = probe.attempt.work
    recipes = sorted(path for path in folder.glob("**/*Dockerfile*") if path.is_file())
    for where in (str(recipe.relative_to(folder)) for recipe in recipes):
        for source in _copied(probe.file(where)):
            if source.startswith(("../", str(folder))):
                raise NotYet(
                    f"The daemon has no image {name}; {where} wants to copy {source}.",
                    mistake="copied-from-outside",
                )
    if found := probe.image_names(probe["SITE"]):
        mistake = "tag-is-not-the-name" if found[0].endswith(":latest") else None
        raise NotYet(f"There is an image {found[0]}, and none {name}.", mistake=mistake)


def secret(probe: Probe) -> str:
    """The application works, and no layer holds the password."""
    name = f"{probe['VAULT']}:1"
    if probe.read_image(name, "/app/password.txt") is not None:
        raise NotYet(f"{name} has a file /app/password.txt.", mistake="copied-everything")
    code, said = probe.run(name, "sh", "/app/app.sh")
    if "ready" not in said:
        raise Broken(f"In {name}, sh /app/app.sh says {brief(said)!r} (exit code {code}).")
    if probe.holds(name, probe["SECRET"]):
        hidden = "app/password.txt" in probe.hidden(name)
        raise NotYet(
            f"{name} has no /app/password.txt, but what is in it is still in {name}.",
            mistake="removed-in-a-later-layer" if hidden else None,
        )
    return f"{name} says ready, and the password is in none of its layers."


def call(probe: Probe) -> str:
    """The image takes a name as its argument and has a default."""
    name = f"{probe['CALL']}:1"
    settings = probe.settings(name)
    plain, named = _said(probe, name), _said(probe, name, "Ada")
    if (plain, named) == ("hello world", "hello Ada"):
        return f"{name} says hello world by itself, and hello Ada when it is given Ada."
    entrypoint, command = settings.get("Entrypoint"), settings.get("Cmd")
    mistake = None
    if not entrypoint and plain == "hello world":
        mistake = "arguments-replace-cmd"
    elif entrypoint and entrypoint[:2] == ["/bin/sh", "-c"] and named == plain:
        mistake = "shell-form-swallows-arguments"
    elif entrypoint and command and command[0] in (entrypoint[0], "/bin/sh"):
        mistake = "cmd-swallowed-by-entrypoint"
    raise NotYet(
        f"{name} says {plain!r} by itself, and {named!r} when it is given Ada.", mistake=mistake
    )


def _said(probe: Probe, image: str, *argv: str) -> str:
    try:
        return brief(probe.run(image, *argv)[1])
    except Broken as error:
        # The daemon's message begins with the names of its own functions.
        return error.saw.partition("exec: ")[2].partition(": unknown")[0] or error.saw


def order(probe: Probe) -> str:
    """The page is served, and the build tools are not in the image."""
    name = f"{probe['SHOP']}:1"
    probe.image(name)
    _, text = probe.answer(name, 80)
    if "-".join(probe["WORD"]) not in text:
        raise NotYet(f"A container of {name} answers {brief(text)!r}.")
    if _added(probe, name) is None:
        code, _ = probe.run(name, "sh", "-c", "command -v python || command -v python3")
        if code == 0:
            raise NotYet(
                f"A container of {name} answers with the page, but it has Python, too.",
                mistake="tools-shipped",
            )
    return f"{name} serves the page that was made, and has no Python."


def gaps(probe: Probe) -> str:
    """The version is set at build time, the greeting at run time; the user is nobody."""
    name, version = f"{probe['GREET']}:1", probe["WORD"]
    settings = probe.settings(name).get("Env") or []
    plain = _said(probe, name)
    other = brief(probe.run(name, environment={"GREETING": "bonjour"})[1])
    for word, said in (("hello", plain), ("bonjour", other)):
        if said == f"{word} from version {version} in /home, I am nobody":
            continue
        exchanged = any(each.startswith("VERSION=") for each in settings) or any(
            "ARG GREETING" in step["CreatedBy"] for step in probe.image(name).history()
        )
        with_it = " with --env GREETING=bonjour" if word == "bonjour" else ""
        raise NotYet(
            f"A container of {name} says {said!r}{with_it}.",
            mistake="arg-and-env-exchanged" if exchanged else None,
        )
    return f"{name} has version {version} built in, and takes its greeting from who starts it."


def release(probe: Probe) -> str:
    """Version 2 has both names, and version 1 keeps its own."""
    app = probe["APP"]
    new, old = _said(probe, f"{app}:2"), _said(probe, f"{app}:1")
    if new != "version 2":
        raise NotYet(f"{app}:2 says {new!r}.")
    if old != "version 1":
        raise NotYet(f"{app}:1 says {old!r} now.")
    if probe.image(app).id != probe.image(f"{app}:2").id and _said(probe, app) != "version 2":
        raise NotYet(
            f"Who runs {app} without a tag does not get version 2.",
            mistake="latest-is-not-the-newest",
        )
    return f"{app} without a tag is version 2, and {app}:1 is still version 1."


def _added(probe: Probe, name: str, base: str = "busybox:latest") -> int | None:
    layers, below = probe.layers(name), probe.layers(base)
    return len(layers) - len(below) if layers[: len(below)] == below else None


def _copied(recipe: str) -> list[str]:
    """The sources of the COPY and ADD lines of a Dockerfile."""
    sources = []
    for line in recipe.splitlines():
        instruction, *words = line.split() or [""]
        if instruction.upper() in ("COPY", "ADD"):
            sources += [word.strip('[",]') for word in words[:-1] if not word.startswith("--")]
    return sources
