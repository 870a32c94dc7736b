"""An attempt at a lab: names, ports and tokens drawn at random, kept until it begins anew.

Drawn, so that an answer cannot be copied from a neighbour and doing it again stays honest. Of
the three kinds of attempt only "lab", the learner's own, is written into the progress. That of
the solution notebook ("solution") has values that are always the same, so that its outputs can
be stored; the tests' is called "proof", and several of one lab can run side by side, each in a
place of its own. None disturbs another.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard import cleanup, course
from dockyard.core import docker_client, paths, ports, progress_file
from dockyard.exceptions import SceneFailed
from dockyard.labs.lab_catalog import Lab, Way
from dockyard.notebook.shell_runner import SHELL

# fmt: off
WORDS = (
    "acorn", "amber", "aspen", "badge", "basil", "beech", "birch", "bison", "brook", "cedar",
    "chalk", "cider", "clove", "cocoa", "coral", "crane", "daisy", "delta", "ember", "fable",
    "fern", "finch", "flint", "frost", "gecko", "ginger", "hazel", "heron", "holly", "ivory",
    "jade", "juniper", "kiwi", "koala", "larch", "lemon", "lilac", "linen", "lotus", "lynx",
    "mango", "maple", "marble", "mint", "moss", "nutmeg", "oak", "olive", "onyx", "opal",
    "otter", "peach", "pearl", "pebble", "pine", "plum", "poppy", "quartz", "quill", "raven",
    "reed", "robin", "saffron", "sage", "sparrow", "spruce", "tulip", "velvet", "walnut",
    "willow", "wren",
)
# fmt: on
# Below the range from which the kernel itself takes ports for connections (32768 and up).
PORTS = range(20000, 32000)


@dataclass(frozen=True)
class Attempt:
    """A lab with the values drawn for it."""

    lab: Lab
    values: Mapping[str, str]
    kind: str = "lab"
    id: str = ""

    @property
    def lesson(self) -> str:
        """The lesson label of what is made in this attempt, and in no other of the learner's."""
        return "-".join(filter(None, (self.kind, self.lab.name, self.id)))

    @property
    def work(self) -> Path:
        """The folder for the learner's files, $WORK."""
        folder = "solutions" if self.kind == "solution" else "labs"
        name = self.lesson if self.kind == "proof" else self.lab.name
        return paths.CHECKOUT / folder / "work" / name

    def environment(self) -> dict[str, str]:
        """The variables of this attempt for a shell or kernel, the client's included."""
        return course.environment(self.lesson) | dict(self.values) | {"WORK": str(self.work)}

    def fill(self, text: str) -> str:
        """The text with $NAME replaced by the values."""
        for name in sorted(self.values, key=len, reverse=True):
            text = text.replace(f"${name}", self.values[name])
        return text.replace("$WORK", self.work.relative_to(paths.CHECKOUT).as_posix())

    def run(self, way: Way | str, timeout: float = 180) -> subprocess.CompletedProcess:
        """Run a way in the work folder as a learner would; output merged, a failure returned.

        timeout is in seconds; raises subprocess.TimeoutExpired.
        """
        if isinstance(way, str):
            way = Way("shell", way)
        program = [sys.executable, "-c"] if way.language == "python" else [SHELL, "-c"]
        kept = {
            name: value for name, value in os.environ.items() if name not in docker_client.UNSET
        }
        return subprocess.run(
            [*program, way.code],
            env={**kept, **self.environment()},
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )


def begin(lab: Lab, kind: str = "lab", place: str = "") -> Attempt:
    """A new attempt: what an earlier one made goes, values are drawn, the scene is set.

    The files of an earlier attempt are kept beside the new folder. Proofs of one lab that run at
    once have a place each. Raises EngineNotRunning and SceneFailed.
    """
    id = secrets.token_hex(2) if kind == "lab" else place
    taken = _drawn_for_others(lab) if kind == "lab" else ()
    attempt = Attempt(lab, draw(lab, kind, place, taken), kind, id)
    if earlier := last(lab) if kind == "lab" else attempt:
        tidy(earlier)
        shutil.rmtree(paths.docker_config(earlier.lesson), ignore_errors=True)
    if kind == "lab":
        # Before its scene: what one that fails has made is removed by the next attempt.
        _write_down(lab, values=dict(attempt.values), id=id, begun=None)
    docker_client.write_config(attempt.lesson)
    _fresh_folder(attempt)
    set_scene(attempt, lab.scene)
    if kind == "lab":
        _write_down(lab, begun=progress_file.now())
    return attempt


def tidy(attempt: Attempt) -> cleanup.Removed:
    """Remove what was made in an attempt, and the names given in it to the course's images."""
    with closing(docker_client.connect()) as daemon:
        removed = cleanup.remove(daemon, lesson=attempt.lesson)
        cleanup.untag(daemon, attempt.values.values())
    return removed


def finish(attempt: Attempt) -> cleanup.Removed:
    """Tidy an attempt. The learner's is over then: its scene is gone, and the next sets its own."""
    removed = tidy(attempt)
    # Another may have begun meanwhile, in a terminal or another notebook.
    if attempt == current(attempt.lab):
        forget(attempt.lab)
    return removed


def current(lab: Lab) -> Attempt | None:
    """The learner's attempt at a lab, or None when it has not begun, or is over."""
    entry = _entry(lab)
    # A lab that now draws other values than when the attempt began needs a new one.
    fits = set(entry.get("values", ())) == set(lab.values)
    return _from(lab, entry) if entry.get("begun") and fits else None


def last(lab: Lab) -> Attempt | None:
    """The learner's latest attempt, over or not, whose objects may still be there; or None."""
    entry = _entry(lab)
    return _from(lab, entry) if "id" in entry else None


def resume(lab: Lab) -> Attempt:
    """The learner's attempt, begun now when there is none."""
    attempt = current(lab)
    if attempt is None:
        return begin(lab)
    if not paths.docker_config(attempt.lesson).exists():
        docker_client.write_config(attempt.lesson)
    attempt.work.mkdir(parents=True, exist_ok=True)
    return attempt


def forget(lab: Lab) -> None:
    """Let the learner's next attempt begin anew, with other values; what was done stays done.

    What it made may be there still, so its id is kept.
    """
    if last(lab):
        _write_down(lab, begun=None)


def _entry(lab: Lab) -> dict:
    return progress_file.read().get("labs", {}).get(lab.name, {})


def _from(lab: Lab, entry: dict) -> Attempt:
    return Attempt(lab, entry.get("values", {}), id=entry["id"])


def _write_down(lab: Lab, **facts: Any) -> None:
    with progress_file.change() as data:
        data.setdefault("labs", {}).setdefault(lab.name, {"tasks": {}}).update(facts)


def set_scene(attempt: Attempt, scene: str) -> None:
    """Run the commands that set a scene."""
    if not scene:
        return
    done = attempt.run(f"set -o errexit\n{scene}")
    if done.returncode:
        raise SceneFailed(
            f"The scene of {attempt.lab.name} could not be set.",
            "\n".join(done.stdout.splitlines()[-5:]),
            f"Begin anew:  python3 -m dockyard reset labs/{attempt.lab.name}",
        )


def _drawn_for_others(lab: Lab) -> set[str]:
    """What the learner's attempts at other labs have: their containers may still be there."""
    labs = progress_file.read().get("labs", {})
    return {
        value
        for name, entry in labs.items()
        if name != lab.name
        for value in entry.get("values", {}).values()
    }


def draw(lab: Lab, kind: str, place: str = "", taken: Collection[str] = ()) -> dict[str, str]:
    """Values for an attempt, none of them taken: by chance, but for a solution always the same.

    A port of a solution may be another where it is in use. Names and ports end in the place, a
    digit: attempts in different places never share one.
    """
    source = random.Random(lab.name) if kind == "solution" else secrets.SystemRandom()
    words = source.sample(WORDS, len(WORDS))[::-1]
    among = PORTS[int(place) :: 10] if place else PORTS
    values: dict[str, str] = {}
    for name, recipe in lab.values.items():
        what, _, stem = recipe.partition(":")
        if what == "name":
            # A word that is taken for this stem may serve another one.
            word = next(each for each in words if f"{stem}-{each}{place}" not in taken)
            words.remove(word)
            values[name] = f"{stem}-{word}{place}"
        elif what == "token":
            values[name] = "".join(source.choices("abcdefghjkmnpqrstuvwxyz23456789", k=10))
        elif what == "port":
            values[name] = str(_port(source, among, {*taken, *values.values()}))
        else:
            raise ValueError(f"{lab.name}: {recipe!r} is neither name:STEM, port nor token")
    return values


def _port(source: random.Random, among: range, taken: set[str]) -> int:
    port = source.choice(among)
    # The source is asked once: a port in use here does not change what is drawn after it.
    others = random.Random(port)
    while str(port) in taken or not ports.is_free(port):
        port = others.choice(among)
    return port


def _fresh_folder(attempt: Attempt) -> None:
    folder = attempt.work
    if folder.exists():
        if attempt.kind == "lab" and any(folder.iterdir()):
            folder.rename(folder.with_name(f"{folder.name}.{time.strftime('%Y-%m-%d-%H%M%S')}"))
        else:
            shutil.rmtree(folder)
    folder.mkdir(parents=True)
