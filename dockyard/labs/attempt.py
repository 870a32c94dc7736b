"""An attempt at a lab: its random names, ports and tokens, and the objects made with them.

Random values keep learners from copying each other's answers, and their own when they repeat a
lab. There are several kinds of attempt. "lab" is the learner's, and the only one saved in the
progress file. "solution" is the solution notebook's: its values never change, so that outputs
can be stored. "proof" belongs to tests, which run several of one lab at once in different
places. Attempts do not affect each other. "lesson" is the learner's attempt at the tasks of a
lesson, and "page" that of a program that runs the lesson; both have the lesson's own names.
"drill" is the one drill that a learner does at a time (dockyard/drills).
"""

from __future__ import annotations

import itertools
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard import cleanup, course
from dockyard.core import docker_client, paths, ports, progress_file, wheelhouse
from dockyard.core.process import Lock
from dockyard.exceptions import SceneFailed
from dockyard.labs import lab_catalog, work_record
from dockyard.labs.lab_catalog import Exercise, Lab, Page, Way
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
# The kernel takes the ports of outgoing connections from 32768 up (ip(7), ip_local_port_range).
PORTS = range(20000, 32000)


@dataclass(frozen=True)
class Attempt:
    """A lab with the values drawn for it, or a lesson's tasks."""

    lab: Page
    values: Mapping[str, str]
    kind: str = "lab"
    id: str = ""
    folder: Path | None = None
    """The folder of a lesson or drill; that of a lab follows from its name."""

    @property
    def is_learners(self) -> bool:
        """Whether its tasks count in the learner's progress."""
        return self.kind in ("lab", "lesson")

    @property
    def lesson(self) -> str:
        """The lesson label of this attempt's objects. Each of a learner's attempts has its own."""
        if self.kind in ("lesson", "page"):
            return self.lab.name
        if self.kind == "drill":
            return self.kind
        return "-".join(filter(None, (self.kind, self.lab.name, self.id)))

    @property
    def work(self) -> Path:
        """The folder for the learner's files, ``$WORK``."""
        if self.folder:
            return self.folder
        folder = "solutions" if self.kind == "solution" else "labs"
        name = self.lesson if self.kind == "proof" else self.lab.name
        return paths.learner_copy() / folder / "work" / name

    def environment(self) -> dict[str, str]:
        """The variables for a shell or kernel: the values, ``$WORK``, the Docker client's."""
        own = {"WORK": str(self.work)}
        if self.kind == "lab":
            own["DOCKYARD_TYPED"] = str(work_record.typed_file(self.lab.name))
        return course.environment(self.lesson) | dict(self.values) | own

    def process_environment(self) -> dict[str, str]:
        """The environment of this process, changed for a program that belongs to the attempt."""
        kept = {key: value for key, value in os.environ.items() if key not in docker_client.UNSET}
        return kept | self.environment()

    def fill(self, text: str) -> str:
        """The text with ``$NAME`` replaced by the values."""
        for name in sorted(self.values, key=len, reverse=True):
            text = text.replace(f"${name}", self.values[name])
        if self.folder:
            parent = self.folder.parents[0 if self.kind == "drill" else 1]
        else:
            parent = paths.learner_copy()
        return text.replace("$WORK", self.work.relative_to(parent).as_posix())

    def run(self, way: Way | str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Run a way, or shell commands, in the work folder as a learner would.

        Merges both output streams. timeout is in seconds; raises subprocess.TimeoutExpired.
        """
        if isinstance(way, str):
            way = Way(shell=way)
        return subprocess.run(
            [sys.executable if way.python else SHELL, "-c", way.code],
            env=self.process_environment(),
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def docker(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the learner's docker client, with the contexts and log-ins of the page.

        Keeps the output streams apart. timeout is in seconds; raises subprocess.TimeoutExpired.
        """
        return subprocess.run(
            ["docker", *words],
            env=self.process_environment(),
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )


def begin(
    lab: Lab, kind: str = "lab", place: str = "", values: Mapping[str, str] | None = None
) -> Attempt:
    """Begin an attempt: remove the earlier one's objects, draw values, set the scene.

    Keeps the files of an earlier attempt beside the new folder. place is a digit, another one
    for each proof of the same lab that runs at the same time; values are used in place of drawn
    ones. Raises EngineNotRunning, SceneFailed, or, for a lab with a guestbook, InstallFailed or
    Busy.
    """
    id = secrets.token_hex(2) if kind == "lab" else place
    if values is None:
        values = draw(lab, kind, place, _drawn_for_others(lab) if kind == "lab" else ())
    attempt = Attempt(lab, values, kind, id)
    if earlier := last(lab) if kind == "lab" else attempt:
        tidy(earlier)
        # Reset, not removed: a shell that still uses it would reach the learner's own daemon.
        docker_client.write_config(earlier.lesson)
    if kind == "lab":
        # Before the scene: if it fails, the next attempt can still remove what it made.
        _save(lab, values=dict(attempt.values), id=id, begun=None, cases=[])
        work_record.begin(lab.name)
    docker_client.write_config(attempt.lesson)
    make_folder(attempt)
    if lab.guestbook:
        wheelhouse.copy_guestbook(attempt.work / "guestbook")
    if (files := lab_catalog.FILES / lab.name).exists():
        others = shutil.ignore_patterns("__pycache__")
        shutil.copytree(files, attempt.work, ignore=others, dirs_exist_ok=True)
    set_scene(attempt, lab.scene)
    if kind == "lab":
        _save(lab, begun=progress_file.now())
    return attempt


def begin_case(attempt: Attempt, task: Exercise) -> str:
    """Break what a case is about, anew if it has begun before; return its symptom and its goal.

    Raises SceneFailed.
    """
    names = " ".join(
        value
        for name, value in attempt.values.items()
        if not value.isdigit() and re.search(rf"\${name}\b", task.fault)
    )
    kinds = ("rm --force --volumes", "network rm", "volume rm")
    attempt.run("\n".join(f"docker {kind} {names}" for kind in kinds))
    set_scene(attempt, task.fault)
    if attempt.kind == "lab":
        _save(attempt.lab, cases=sorted({*begun_cases(attempt), task.name}))
        work_record.add(attempt.lab.name, work_record.Step("case", task.name, time.time()))
    shown = [
        f"$ {attempt.fill(command)}\n{attempt.run(command).stdout}".rstrip()
        for command in task.symptom.strip().splitlines()
    ]
    return "\n".join([*shown, "", attempt.fill(task.goal).strip()])


def begun_cases(attempt: Attempt) -> list[str]:
    """The tasks with a fault that the learner has begun in this attempt."""
    entry = _entry(attempt.lab)
    return entry.get("cases", []) if entry.get("id") == attempt.id else []


def describe(attempt: Attempt) -> str:
    """The values of an attempt, and how to get them in a terminal."""
    width = max((len(name) for name in attempt.values), default=0)
    values = [f"  ${name:<{width}}  {value}" for name, value in attempt.values.items()]
    lines = ["Your values in this lab:", *values] if values else ["Ready."]
    if isinstance(attempt.lab, Lab) and attempt.lab.has_cases:
        lines = ["Ready. Each case says its values when it begins."]
    lines.append(
        f"Your folder, $WORK, in which the cells of this page run: {attempt.fill('$WORK')}"
    )
    if attempt.kind == "lab":
        lines.append(
            "To work in a terminal, type there:  "
            f'eval "$(python3 -m dockyard engine env --lab {attempt.lab.name})"'
        )
    return "\n".join(lines)


def tidy(attempt: Attempt) -> cleanup.Removed:
    """Remove the objects made in an attempt, and the tags it gave to the course's images."""
    with closing(docker_client.connect()) as daemon:
        removed = cleanup.remove(daemon, lesson=attempt.lesson)
        removed += cleanup.remove_named(daemon, attempt.values.values())
        cleanup.untag(daemon, attempt.values.values())
    return removed


def finish(attempt: Attempt) -> cleanup.Removed:
    """Tidy an attempt and end it: the learner's next one sets the scene again."""
    removed = tidy(attempt)
    # The learner may have begun another one in a terminal or in another notebook.
    if attempt == current(attempt.lab):
        forget(attempt.lab)
    return removed


def current(lab: Page) -> Attempt | None:
    """The learner's attempt at a lab, or None before it begins and after it ends."""
    entry = _entry(lab)
    # After an update of the course, the lab may need other values than those that were drawn.
    fits = set(entry.get("values", ())) == set(lab.values)
    return _from(lab, entry) if entry.get("begun") and fits else None


def last(lab: Page) -> Attempt | None:
    """The learner's latest attempt, even if it has ended: its objects may still exist."""
    entry = _entry(lab)
    return _from(lab, entry) if "id" in entry else None


def resume(lab: Lab) -> Attempt:
    """Return the learner's attempt; begin one when there is none.

    Commands and notebooks that ask at the same time get the same one. Raises EngineNotRunning,
    SceneFailed, or Busy when another one has been setting the scene for five minutes.
    """
    attempt = current(lab)
    if attempt is None:
        with Lock(f"begin-{lab.name}", timeout=300):
            if (attempt := current(lab)) is None:
                return begin(lab)
    if not paths.docker_config(attempt.lesson).exists():
        docker_client.write_config(attempt.lesson)
    attempt.work.mkdir(parents=True, exist_ok=True)
    return attempt


def forget(lab: Page) -> None:
    """End the learner's attempt without tidying: the next one draws new values.

    Keeps its id, because its objects may still exist, and the tasks that are done.
    """
    if last(lab):
        _save(lab, begun=None)


@contextmanager
def change_tasks(lab: Page) -> Iterator[dict[str, Any]]:
    """The learner's progress with the tasks of a lab, to change in place: hints, ticks.

    Raises what progress_file.change() does.
    """
    with _change_entry(lab) as entry:
        yield entry["tasks"]


@contextmanager
def _change_entry(lab: Page) -> Iterator[dict[str, Any]]:
    with progress_file.change() as data:
        entry = data.setdefault(lab.SECTION, {}).setdefault(lab.name, {})
        entry.setdefault("tasks", {})
        yield entry


def _entry(lab: Page) -> dict[str, Any]:
    return progress_file.read().get(lab.SECTION, {}).get(lab.name, {})


def _from(lab: Page, entry: dict[str, Any]) -> Attempt:
    return Attempt(lab, entry.get("values", {}), id=entry["id"])


def _save(lab: Page, **facts: Any) -> None:
    with _change_entry(lab) as entry:
        entry.update(facts)


def set_scene(attempt: Attempt, scene: str) -> None:
    """Run the commands that set a scene. Raises SceneFailed with the end of their output."""
    if not scene:
        return
    done = attempt.run(f"set -o errexit\n{scene}")
    if done.returncode:
        raise SceneFailed(
            f"The scene of {attempt.lab.name} could not be set.",
            "\n".join(done.stdout.splitlines()[-5:]),
            {
                "lesson": f"Begin anew:  %lesson {attempt.lab.name} --fresh",
                "page": f"Begin anew:  %lesson {attempt.lab.name} --fresh",
                "drill": "Try another one:  %drill  (in a terminal: python3 -m dockyard drill)",
            }.get(attempt.kind, f"Begin anew:  python3 -m dockyard reset labs/{attempt.lab.name}"),
        )


def _drawn_for_others(lab: Lab) -> set[str]:
    """The values of the learner's other labs and drill, whose containers may still exist."""
    drill = progress_file.read().get("drill") or {}
    return {*drawn_for_labs(besides=lab.name), *drill.get("values", {}).values()}


def drawn_for_labs(besides: str = "") -> set[str]:
    """The values of the learner's attempts at labs, besides one lab."""
    labs = progress_file.read().get("labs", {})
    return {
        value
        for name, entry in labs.items()
        if name != besides
        for value in entry.get("values", {}).values()
    }


def draw(lab: Page, kind: str, place: str = "", taken: Collection[str] = ()) -> dict[str, str]:
    """Values for an attempt: random, but always the same for a solution.

    Avoids the values in taken, and ports in use, also for a solution. Names and ports end in the
    place, a digit, so attempts in different places never share one.
    """
    source = random.Random(lab.name) if kind == "solution" else secrets.SystemRandom()
    words = source.sample(WORDS, len(WORDS))[::-1]
    among = PORTS[int(place) :: 10] if place else PORTS
    values: dict[str, str] = {}
    for name, recipe in lab.values.items():
        what, _, stem = recipe.partition(":")
        if what == "name":
            # A word may be taken with this stem and free with another.
            word = next(each for each in words if f"{stem}-{each}{place}" not in taken)
            words.remove(word)
            values[name] = f"{stem}-{word}{place}"
        elif what == "token":
            values[name] = "".join(source.choices("abcdefghjkmnpqrstuvwxyz23456789", k=10))
        elif what == "port":
            values[name] = str(_port(source, among, {*taken, *values.values()}))
    return values


def _port(source: random.Random, among: range, taken: set[str]) -> int:
    port = source.choice(among)
    # Draws from source only once, so that a port in use does not change the other values.
    others = random.Random(port)
    while str(port) in taken or not ports.is_free(port):
        port = others.choice(among)
    return port


def make_folder(attempt: Attempt) -> None:
    """Make an empty folder for the learner's files; keep an earlier one's beside it."""
    folder = attempt.work
    if folder.exists():
        if attempt.is_learners and any(folder.iterdir()):
            stamp = f"{folder.name}.{time.strftime('%Y-%m-%d-%H%M%S')}"
            names = (
                f"{stamp}{f'-{number}' if number > 1 else ''}" for number in itertools.count(1)
            )
            others = (folder.with_name(name) for name in names)
            folder.rename(next(other for other in others if not other.exists()))
        else:
            shutil.rmtree(folder)
    folder.mkdir(parents=True)
