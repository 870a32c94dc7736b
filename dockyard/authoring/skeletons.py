"""The files of a new lesson, lab or view: small working examples to start from."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat

from dockyard.authoring import notebook_form
from dockyard.core import paths
from dockyard.exceptions import UsageError
from dockyard.learner_copy.page_text import YOUR_TURN


@dataclass(frozen=True)
class Skeleton:
    """The texts of new files by their paths below the checkout, and what to do next."""

    files: dict[str, str]
    next: str


def create(skeleton: Skeleton) -> list[Path]:
    """Write the files; return their paths. Raises UsageError when one of them exists."""
    targets = {paths.CHECKOUT / name: text for name, text in skeleton.files.items()}
    if existing := [str(target) for target in targets if target.exists()]:
        raise UsageError(
            f"{existing[0]} already exists.",
            "Nothing was written.",
            "Choose another name, or remove the file first.",
        )
    for target, text in targets.items():
        target.write_text(text, encoding="utf-8")
    return list(targets)


def lesson(name: str) -> Skeleton:
    """A lesson with one command, one task and one question. Raises UsageError for a bad name."""
    title = _title(name, "notebooks/*.ipynb")
    number, _, rest = name.partition("-")
    cells = [
        _text("title", LESSON_TITLE.replace("TITLE", title)),
        _code("begin", f"%load_ext dockyard\n%lesson {name}"),
        _text("first", "## 1. One idea\n\nOne sentence that ends in a question or a colon:"),
        _code("first-run", '!docker run --rm busybox echo "hello"'),
        _text("first-notice", "One sentence on what to notice."),
        _text("keep", "**Your turn.** Create a container called `box` from `busybox`."),
        _code("keep-run", "!docker create --name box busybox", YOUR_TURN),
        _code("keep-check", "%check keep"),
        _text("questions", QUESTIONS_TEXT),
        _code("quiz", "%quiz"),
        _text("tidy-intro", "Now tidy up:"),
        _code("tidy", "%tidy"),
        _text("recap", LESSON_RECAP.replace("NAME", name)),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    return Skeleton(
        {
            f"notebooks/{name}.ipynb": notebook_form.canonical(notebook),
            f"dockyard/quiz/questions/{name}.toml": QUESTIONS,
            f"dockyard/lessons/catalog/{name}.toml": TASKS,
            f"dockyard/lessons/checks/{rest.replace('-', '_')}.py": TASK_CHECKS.replace(
                "TITLE", f"{number}: {title[0].lower()}{title[1:]}"
            ),
        },
        f"Edit these files and add the lesson to README.md, then run and test it:\n"
        f"  python3 -m dockyard store {name}\n"
        f"  python3 -m dockyard test notebooks/{name}.ipynb tests/lessons",
    )


def lab(name: str) -> Skeleton:
    """A lab with one task and its check. Raises UsageError for an invalid name."""
    title = _title(name, "dockyard/labs/catalog/*.toml")
    number, _, rest = name.partition("-")
    return Skeleton(
        {
            f"dockyard/labs/catalog/{name}.toml": LAB.replace("TITLE", title),
            f"dockyard/labs/checks/{rest.replace('-', '_')}.py": CHECKS.replace(
                "TITLE", f"{number}: {title[0].lower()}{title[1:]}"
            ),
        },
        f"Edit both files, then write the notebooks and test all ways of all tasks:\n"
        f"  python3 -m dockyard store --labs {name}\n"
        f"  python3 -m dockyard test tests/labs -k {name}",
    )


def view(name: str) -> Skeleton:
    """A view with one fact. Raises UsageError for an invalid name."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} is not the name of a view.",
            "It becomes a Python module: lower-case letters, digits and underscores.",
            "For example:  python3 -m dockyard new view disk_usage",
        )
    words = name.strip("_").split("_")
    replaced = {
        "CLASS": "".join(map(str.capitalize, words)),
        "TITLE": " ".join(words).capitalize(),
        "CSS": f"dockyard-{'-'.join(words)}",
    }
    texts = {".py": VIEW, ".js": VIEW_SCRIPT, ".css": VIEW_STYLE}
    for old, new in replaced.items():
        texts = {suffix: text.replace(old, new) for suffix, text in texts.items()}
    return Skeleton(
        {f"dockyard/views/{name}{suffix}": text for suffix, text in texts.items()},
        f"Read docs/views.md, edit the files, and look at the view in a notebook:\n"
        f"  from dockyard.views.{name} import {replaced['CLASS']}\n"
        f"  {replaced['CLASS']}()\n"
        f"Then add a function to dockyard/views/__init__.py and a test to tests/views/.",
    )


SKELETONS: dict[str, Callable[[str], Skeleton]] = {"lesson": lesson, "lab": lab, "view": view}


def _title(name: str, others: str) -> str:
    """The title in a name such as ``17-security``. Raises UsageError.

    others is a pattern for the files that have such names. Two of them must not begin with the
    same number, which is short for the name.
    """
    if not re.fullmatch(r"\d\d-[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"{name!r} is not the name of a lesson or lab.",
            "It has two digits, a hyphen, and words in lower case with hyphens between them.",
            "For example:  17-security",
        )
    for file in sorted(paths.CHECKOUT.glob(others)):
        if file.stem != name and file.stem.startswith(name[:3]):
            raise UsageError(
                f"The number {name[:2]} is taken by {file.stem}.", next="Choose another number."
            )
    return name[3:].replace("-", " ").capitalize()


def _text(id: str, source: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(source, id=id)


def _code(id: str, source: str, *tags: str) -> nbformat.NotebookNode:
    metadata = {"tags": list(tags)} if tags else {}
    return nbformat.v4.new_code_cell(source, id=id, metadata=metadata)


LESSON_TITLE = """\
# TITLE

One sentence: what this lesson is about.

In this notebook you will be able to:

- do one thing,
- do another thing,
- do a third thing.

**You need before:** [00 start here](00-start-here.ipynb) · **Minutes:** 30"""

QUESTIONS_TEXT = """\
## Questions

One answer is right; each of the others is a common mistake. Choose, and press *Check*."""

LESSON_RECAP = """\
In this notebook you:

- did one thing,
- did another thing,
- did a third thing.

Practise what you did in earlier lessons, a minute at a time: type `%drill` into a new cell. \
You get the drills that are due, then new ones.

Practise in the lab: `labs/NAME.ipynb`"""

QUESTIONS = """\
# Three to five questions. The format is in the docstring of dockyard/quiz/bank.py.

[[questions]]
name = "exited"
ask = "Which command also lists containers that have exited?"
options = [
  { text = "`docker ps`", note = "It lists only the containers that are running." },
  { text = "`docker ps --all`", right = true, note = "`--all` adds the containers that have exited." },
  { text = "`docker images`", note = "It lists images, from which containers are made." },
]
settle = \"""
docker create --name quiz-exited busybox > /dev/null
docker ps --all --filter name=quiz-exited --format '{{.Names}}'
docker rm quiz-exited > /dev/null
\"""
shows = "quiz-exited"
"""  # noqa: E501 - a table of TOML 1.0 is on one line

TASKS = """\
# At least three tasks. The format is in the docstring of dockyard/lessons/lesson_catalog.py.

[[tasks]]
name = "keep"
goal = "Create a container called `box` from `busybox`."
hint = "`docker create` makes a container and does not start it."
right = [
  { shell = "docker create --name box busybox" },
  { shell = "docker run --name box busybox true" },
]
wrong = [
  { mistake = "removed-itself", shell = "docker run --rm --name box busybox true" },
]
"""

TASK_CHECKS = '''\
"""Lesson TITLE."""

from __future__ import annotations

from dockyard.labs.probe import Probe


def keep(probe: Probe) -> str:
    """There is a container, running or not."""
    return f"There is a container called {probe.kept('box').name}."
'''

LAB = """\
# The format is in the docstring of dockyard/labs/lab_catalog.py.
title = "TITLE"
minutes = 20
opening = \"""
What the learner finds here, in one or two sentences.
\"""
closing = \"""
What the learner has done, in one sentence.
\"""
scene = \"""
docker pull --quiet busybox
\"""

[values]
BOX = "name:box"

[[tasks]]
name = "returns"
title = "A container that comes back"
goal = \"""
Start a container called `$BOX` from `busybox` in the background. When the daemon restarts, it
starts `$BOX` again.
\"""
where = "`docker run --help`: look for `--restart`."
shape = "docker run --detach --name $BOX --restart ____ busybox sleep 1000"
right = [
  { shell = "docker run --detach --name $BOX --restart always busybox sleep 1000" },
  { shell = \"""
docker create --name $BOX --restart unless-stopped busybox sleep 1000
docker start $BOX
\""" },
]
wrong = [
  { mistake = "no-restart-policy", shell = "docker run --detach --name $BOX busybox sleep 1000" },
]
"""

CHECKS = '''\
"""Lab TITLE."""

from __future__ import annotations

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet


def returns(probe: Probe) -> str:
    """The container is running and has a restart policy."""
    box = probe.running(probe["BOX"])
    if box.attrs["HostConfig"]["RestartPolicy"]["Name"] in ("", "no"):
        raise NotYet(f"{box.name} has no restart policy.", mistake="no-restart-policy")
    return f"{box.name} is running, and the daemon starts it again."
'''

VIEW = '''\
"""TITLE: one sentence about what the view shows."""

from __future__ import annotations

from traitlets import Int

from dockyard.views.events import Event
from dockyard.views.svg import Picture
from dockyard.views.view import View


class CLASS(View):
    """One sentence about what the view shows."""

    running = Int(help="How many containers are running.").tag(sync=True)

    kinds = ("container",)

    def __init__(self, *, everything: bool = False) -> None:
        super().__init__(everything=everything)
        self.title = f"TITLE: {self.scope}"

    def look(self, event: Event | None) -> None:
        """Count the running containers."""
        before = self.running
        self.running = len(self.daemon.containers.list(filters=self.scope.filters))
        if event is not None and self.running != before:
            self.announce(f"{self.running} containers are running.")

    def words(self) -> str:
        """The number as text."""
        return f"{self.title}\\nrunning: {self.running}"

    def draw(self) -> str:
        """The number as a picture."""
        picture = Picture(self.title, self.words(), 320, 60)
        picture.text(16, 24, self.title, bold=True)
        picture.text(16, 46, f"running: {self.running}")
        return str(picture)
'''

VIEW_SCRIPT = """\
// TITLE. view.js is in front of this: frame(), element(), mark().

export default {
  render({ model, el }) {
    const view = frame(model, el);
    view.root.classList.add("CSS");
    const count = element("p", { class: "dy-number" });
    view.body.after(count);
    view.on(["running"], () => (count.textContent = `running: ${model.get("running")}`));
    return view.close;
  },
};
"""

VIEW_STYLE = """\
.CSS .dy-number { font-weight: 600; color: var(--dy-soft); }
"""
