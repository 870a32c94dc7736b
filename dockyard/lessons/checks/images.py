"""Lesson 04: images."""

from __future__ import annotations

import hashlib

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

KEY = "hush-4711"
"""What the scene writes to api-key.txt."""

KEEP_AN_ENTRY = (
    "import os, storage; book = storage.open_storage(os.environ); "
    "book.add('check', 'check'); print(book.count())"
)

WHILE_IT_RUNS = """
python app.py > /dev/null 2>&1 &
for second in 1 2 3 4 5 6 7 8 9; do sleep 1; "$@" > /tmp/said 2>&1 && exit 0; done
cat /tmp/said; exit 1
"""


def ignore(probe: Probe) -> str:
    """The image has the program, and neither the large file nor the key."""
    name = "guestbook:lean"
    probe.image(name)
    for file in ("backup.tar.gz", "api-key.txt"):
        if not (probe.attempt.work / "guestbook" / file).exists():
            raise NotYet(f"{file} is not in your folder guestbook any more.")
        if probe.read_image(name, f"/app/{file}") is not None:
            raise NotYet(f"{name} holds {file}.", mistake="copied-everything")
    if probe.holds(name, KEY):
        raise NotYet(
            f"A container of {name} does not show the key, but a layer of the image holds it.",
            mistake="removed-in-a-later-layer",
        )
    if probe.read_image(name, "/app/app.py") is None:
        raise Broken(f"{name} has no /app/app.py.")
    return "guestbook:lean holds the guestbook, and neither backup.tar.gz nor the key."


def order(probe: Probe) -> str:
    """No step before the installation of the packages copies the page."""
    name = "guestbook:quick"
    probe.image(name)
    if probe.read_image(name, "/app/templates/page.html") is None:
        raise Broken(f"{name} has no /app/templates/page.html.")
    code, said = probe.run(name, "python", "-c", "import flask, app")
    if code:
        raise Broken(f"The guestbook does not start in {name}: {brief(said)[-100:]}.")
    steps = [step["CreatedBy"] for step in reversed(probe.daemon.api.history(name))]
    copied = [number for number, step in enumerate(steps) if _copies_the_page(step)]
    if copied and any("pip install" in step for step in steps[copied[0] :]):
        raise NotYet(f"In {name}, the page is copied before the packages are installed.")
    return "In guestbook:quick the packages are installed before the page is copied."


def _copies_the_page(step: str) -> bool:
    """Whether a step, as the history names it, copies the whole context or the templates."""
    instruction, *words = step.partition(" # ")[0].split() or [""]
    sources = [word.strip("./") for word in words[:-1] if not word.startswith("--")]
    return instruction in ("COPY", "ADD") and any(
        source.rpartition("/")[2] in ("", "app", "templates") for source in sources
    )


def sealed(probe: Probe) -> str:
    """The checksum was made from the key, and nothing of the image tells the key."""
    name = "keyed:secret"
    probe.image(name)
    written = probe.read_image(name, "/checksum")
    if written is None:
        raise NotYet(f"{name} has no file /checksum.")
    if hashlib.sha256(f"{KEY}\n".encode()).hexdigest() not in written:
        raise NotYet(f"/checksum in {name} is not that of api-key.txt: {brief(written)!r}.")
    if any(KEY in step["CreatedBy"] for step in probe.daemon.api.history(name)):
        raise NotYet(f"`docker history --no-trunc {name}` shows the key.")
    if probe.holds(name, KEY):
        raise NotYet(f"A layer of {name} holds the key.", mistake="removed-in-a-later-layer")
    return "keyed:secret has the checksum of the key, and nothing in it tells the key."


def visitor(probe: Probe) -> str:
    """A container of the image is not root's, keeps an entry, and is healthy."""
    name = "guestbook:visitor"
    settings = probe.settings(name)
    _, user = probe.run(name, "id", "-u")
    if user.strip() == "0":
        raise NotYet(f"A container of {name} runs as root.")
    code, said = probe.run(name, "python", "-c", KEEP_AN_ENTRY)
    if code:
        raise NotYet(f"A container of {name} cannot keep an entry: {brief(said)[-90:]}")
    check = (settings.get("Healthcheck") or {}).get("Test") or ["NONE"]
    if check == ["NONE"]:
        raise NotYet(f"{name} has no health check.")
    command = check[1:] if check[0] == "CMD" else ["sh", "-c", *check[1:]]
    code, said = probe.run(name, "sh", "-c", WHILE_IT_RUNS, "sh", *command)
    if code:
        raise Broken(f"The health check of {name} fails: {brief(said)[-90:]}")
    return "guestbook:visitor does not run as root, keeps entries, and its health check succeeds."


def release(probe: Probe) -> str:
    """Both tags are on the image of version 1.0."""
    wanted = probe.image("guestbook:visitor").id
    if probe.image("guestbook:1.0").id != wanted:
        raise NotYet("guestbook:1.0 is another image than guestbook:visitor.")
    if probe.image("guestbook:latest").id != wanted:
        raise NotYet(
            "guestbook:1.0 is right; guestbook:latest is another image.",
            mistake="latest-is-not-the-newest",
        )
    return "guestbook:1.0 and guestbook:latest are the image guestbook:visitor."
