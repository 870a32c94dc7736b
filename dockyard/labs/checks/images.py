"""Lab 06: images."""

from __future__ import annotations

import json
import tarfile

from dockyard.labs.look import Look
from dockyard.labs.verdict import Broken, NotYet
from dockyard.labs.wire import brief


def second_name(look: Look) -> str:
    """Two names for one image."""
    mine, busybox = look.image(f"{look['BOX']}:1"), look.image("busybox:latest")
    if mine.id != busybox.id:
        raise NotYet(f"{look['BOX']}:1 and busybox:latest are two images with two ids.")
    return f"{look['BOX']}:1 and busybox:latest are one image with two names."


def one_layer(look: Look) -> str:
    """The image has its base's layers and one more."""
    name = f"{look['BOX']}:2"
    added = _added(look, name)
    if added is None:
        raise NotYet(f"{name} does not stand on busybox.")
    word = look.read_image(name, "/word")
    if word is None or look["WORD"] not in word:
        raise NotYet(f"{name} has no file /word that contains {look['WORD']}.")
    if added != 1:
        raise NotYet(f"{name} is busybox and {added} layers on top.")
    return f"{name} is busybox and one layer, and /word says {look['WORD']}."


def number(look: Look) -> str:
    """The file holds the image's id."""
    written = look.file("id.txt").strip()
    if look.image("httpd:2.4").id not in written:
        raise NotYet(f"id.txt says {written[:80]!r}; that is not the id of httpd:2.4.")
    return "id.txt holds the id of httpd:2.4."


def packed(look: Look) -> str:
    """The archive is an image's, and the right one's."""
    path = look.attempt.work / "box.tar"
    if not path.exists():
        raise NotYet("There is no file box.tar in your folder.")
    try:
        with tarfile.open(path) as tar:
            manifest = json.load(tar.extractfile("manifest.json"))
    except (tarfile.TarError, KeyError, ValueError, OSError):
        raise NotYet("box.tar is not an archive of an image.") from None
    names = [name for entry in manifest for name in entry.get("RepoTags") or []]
    if "busybox:latest" not in names:
        raise NotYet(f"box.tar holds {', '.join(names) or 'an image without a name'}.")
    return "box.tar holds busybox:latest, with all its layers."


def page(look: Look) -> str:
    """A container of the image answers with the page."""
    name = f"{look['SITE']}:1"
    if not look.daemon.images.list(name):
        _explain_absence(look, name)
    status, text = look.answer(name, 80)
    if look["WORD"] not in text:
        raise NotYet(f"A container of {name} answers {brief(text)!r} (status {status}).")
    return f"A container of {name} answers at port 80 with your page."


def _explain_absence(look: Look, name: str) -> None:
    for recipe in sorted(look.attempt.work.glob("**/*Dockerfile*")):
        for source in _copied(recipe.read_text(errors="replace")):
            if source.startswith("../") or source.startswith(str(look.attempt.work)):
                where = recipe.relative_to(look.attempt.work)
                raise NotYet(
                    f"The daemon has no image {name}; {where} wants to copy {source}.",
                    mistake="copied-from-outside",
                )
    if found := look.image_names(look["SITE"]):
        mistake = "tag-is-not-the-name" if found[0].endswith(":latest") else None
        raise NotYet(f"There is an image {found[0]}, and none {name}.", mistake=mistake)


def secret(look: Look) -> str:
    """The application works, and no layer holds the password."""
    name = f"{look['VAULT']}:1"
    if look.read_image(name, "/app/password.txt") is not None:
        raise NotYet(f"{name} has a file /app/password.txt.", mistake="copied-everything")
    code, said = look.run(name, "sh", "/app/app.sh")
    if "ready" not in said:
        raise Broken(f"In {name}, sh /app/app.sh says {brief(said)!r} (exit code {code}).")
    if look.holds(name, look["SECRET"]):
        raise NotYet(
            f"A container of {name} does not show the password, but the image still holds it.",
            mistake="removed-in-a-later-layer" if (_added(look, name) or 0) > 1 else None,
        )
    return f"{name} says ready, and the password is in none of its layers."


def call(look: Look) -> str:
    """It takes a name, and has one to fall back on."""
    name = f"{look['CALL']}:1"
    settings = look.settings(name)
    plain, named = _said(look, name), _said(look, name, "Ada")
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


def _said(look: Look, image: str, *argv: str) -> str:
    try:
        return brief(look.run(image, *argv)[1])
    except Broken as error:
        # The daemon's sentence begins with what only its developers want to know.
        return error.saw.partition("exec: ")[2].partition(": unknown")[0] or error.saw


def order(look: Look) -> str:
    """The page is served, and the tools have stayed behind."""
    name = f"{look['SHOP']}:1"
    look.image(name)
    _, text = look.answer(name, 80)
    if "-".join(look["WORD"]) not in text:
        raise NotYet(f"A container of {name} answers {brief(text)!r}.")
    if _added(look, name) is None:
        code, _ = look.run(name, "sh", "-c", "command -v python || command -v python3")
        if code == 0:
            raise NotYet(
                f"A container of {name} answers with the page, but it has Python, too.",
                mistake="tools-shipped",
            )
    return f"{name} serves the page that was made, and has no Python."


def gaps(look: Look) -> str:
    """Built with a version, started with a greeting, run by nobody."""
    name, version = f"{look['GREET']}:1", look["WORD"]
    settings = look.settings(name).get("Env") or []
    plain = _said(look, name)
    other = brief(look.run(name, environment={"GREETING": "bonjour"})[1])
    for word, said in (("hello", plain), ("bonjour", other)):
        if said == f"{word} from version {version} in /home, I am nobody":
            continue
        no_greeting = not any(each.startswith("GREETING=") for each in settings)
        kept_version = any(each.startswith("VERSION=") for each in settings)
        exchanged = (no_greeting or kept_version) and "version" in plain
        with_it = " with --env GREETING=bonjour" if word == "bonjour" else ""
        raise NotYet(
            f"A container of {name} says {said!r}{with_it}.",
            mistake="arg-and-env-exchanged" if exchanged else None,
        )
    return f"{name} has version {version} built in, and takes its greeting from who starts it."


def release(look: Look) -> str:
    """Version 2 under both names, version 1 where it was."""
    app = look["APP"]
    new, old = _said(look, f"{app}:2"), _said(look, f"{app}:1")
    if new != "version 2":
        raise NotYet(f"{app}:2 says {new!r}.")
    if old != "version 1":
        raise NotYet(f"{app}:1 says {old!r} now.")
    if look.image(app).id != look.image(f"{app}:2").id and _said(look, app) != "version 2":
        raise NotYet(
            f"Who runs {app} without a tag does not get version 2.",
            mistake="latest-is-not-the-newest",
        )
    return f"{app} without a tag is version 2, and {app}:1 is still version 1."


def _added(look: Look, name: str, base: str = "busybox:latest") -> int | None:
    layers, below = look.layers(name), look.layers(base)
    return len(layers) - len(below) if layers[: len(below)] == below else None


def _copied(recipe: str) -> list[str]:
    """The sources of the COPY and ADD lines of a Dockerfile."""
    sources = []
    for line in recipe.splitlines():
        instruction, *words = line.split() or [""]
        if instruction.upper() in ("COPY", "ADD"):
            sources += [word.strip('[",]') for word in words[:-1] if not word.startswith("--")]
    return sources
