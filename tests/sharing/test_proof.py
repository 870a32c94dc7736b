"""A learner hands in the work at a lab, and the teacher's side does it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import msgspec
import pytest

from dockyard import course
from dockyard.commands import classroom
from dockyard.core import paths, ports
from dockyard.engine.vm import artifacts
from dockyard.exceptions import EngineStartFailed, InstallFailed, UsageError
from dockyard.jupyter import jupyter_environment
from dockyard.labs import attempt as attempts
from dockyard.labs import lab_catalog, work_record
from dockyard.labs.work_record import Step
from dockyard.notebook import terminal_magic
from dockyard.sharing import proof, sandbox, work_file
from dockyard.sharing.evidence_file import NotEvidence
from dockyard.sharing.work_file import Work, WorkFile
from tests.sharing.conftest import LAB
from tests.support import packages
from tests.support.kernels import Kernel
from tests.support.lab_attempts import set_aside
from tests.support.restricted_host import needs_root

COURSE = paths.home()
"""The home whose engine runs."""

WEB = "docker run --name $WEB --detach --restart always --publish 127.0.0.1:$PORT:80 httpd:2.4"
PAGE = "docker cp index.html $WEB:/usr/local/apache2/htdocs/"


def work_of(*steps, files=None, values=None):
    drawn = values or {"WEB": "front-elm", "BOX": "box-elm", "JOB": "job-elm"} | {
        "PORT": str(ports.choose()), "TOKEN": "abcde23456",
    }  # fmt: skip
    each = Work(drawn, "/home/ada/work/03-containers", files or {}, list(steps))
    return WorkFile("dockyard-work", 1, "2026-01-31 09:40", {LAB.name: each})


def typed(text, folder="/home/ada/work/03-containers"):
    return Step("typed", text, 0.0, folder)


# What is recorded


def type_there(lines):
    """Type lines in a terminal that the side bar opens, in the lab's folder."""
    subprocess.run(
        ["bash", "--noprofile", "--rcfile", str(terminal_magic.START), "-i"],
        input="".join(f"{line}\n" for line in [*lines, "exit"]), text=True, check=True,
        env=jupyter_environment.whole(), cwd=attempts.last(LAB).work, timeout=60,
        capture_output=True,
    )  # fmt: skip


@pytest.fixture
def at_a_lab(tmp_path, monkeypatch):
    """A learner at the lab, on the course's engine."""
    monkeypatch.setenv("DOCKYARD_HOME", str(COURSE))
    monkeypatch.setenv("DOCKYARD_PROGRESS", str(tmp_path / "progress.json"))
    with set_aside(attempts.Attempt(LAB, {}).work):
        yield
        if attempt := attempts.last(LAB):
            attempts.finish(attempt)


@pytest.mark.engine
def test_the_cells_and_commands_of_a_lab_are_recorded_and_nothing_else(at_a_lab, tmp_path):
    with Kernel(tmp_path) as kernel:
        kernel.run("before = 1")
        assert not kernel.run(f"%lab {LAB.name}").error
        kernel.run(f"!{WEB}")
        kernel.run('check("web")')
        type_there(["echo $TOKEN > index.html", PAGE])
        kernel.run('check("page")\n# and one more line\nx = 2')
        kernel.run("%tidy")
        kernel.run("after = 1")
    steps = work_record.load(LAB.name)
    assert [(step.kind, step.text) for step in steps] == [
        ("cell", f"!{WEB}"),
        ("done", "web"),
        ("typed", "echo $TOKEN > index.html"),
        ("typed", PAGE),
        ("done", "page"),
        ("cell", 'check("page")\n# and one more line\nx = 2'),
    ]
    collected = work_file.collect().labs[LAB.name]
    assert collected.done == ["web", "page"]
    assert collected.files["index.html"].strip() == collected.values["TOKEN"]
    assert work_record.typed_file(LAB.name).parent.stat().st_mode & 0o777 == 0o700
    # A new attempt begins with an empty record.
    attempts.begin(LAB)
    assert work_record.load(LAB.name) == []


def test_a_record_that_cannot_be_written_disturbs_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    work_record.add(LAB.name, typed("echo"))  # no attempt has begun
    assert work_record.load(LAB.name) == []


def test_a_step_cut_short_by_a_full_disk_takes_no_other_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    work_record.begin(LAB.name)
    work_record.add(LAB.name, Step("cell", "first", 1.0))
    record = work_record.typed_file(LAB.name).with_name("steps")
    record.write_bytes(record.read_bytes()[:-9])
    work_record.add(LAB.name, Step("cell", "second", 2.0))
    work_record.tick(LAB.name, ["web"])
    assert [step.text for step in work_record.load(LAB.name)] == ["second", "web"]


def test_without_a_task_done_there_is_nothing_to_hand_in(tmp_path):
    with pytest.raises(UsageError, match="No lab has a task that is done"):
        classroom._write_work(tmp_path / "ada.json")


# What a file may say


def test_a_file_is_read_as_it_was_written():
    work = work_of(typed(WEB), Step("done", "web", 1.0), files={"a/b.txt": "text"})
    assert work_file.decode(work_file.encode(work)) == work


@pytest.mark.parametrize(
    "work",
    [
        work_of(files={"../x": ""}),
        work_of(files={"/etc/passwd": ""}),
        work_of(files={"a/../../x": ""}),
        work_of(files={"": ""}),
        work_of(values={"WEB": "front-elm"}),
        work_of(values=dict.fromkeys(LAB.values, "x; touch /tmp/x")),
        msgspec.structs.replace(
            work_of(), labs={LAB.name: msgspec.structs.replace(work_of().labs[LAB.name], folder="")}
        ),
        work_of(Step("done", "no-such-task", 0.0)),
        work_of(Step("case", "no-such-task", 0.0)),
        work_of(*[typed("true")] * (work_file.MOST_STEPS + 1)),
        WorkFile("dockyard-work", 1, "", {"no-such-lab": work_of().labs[LAB.name]}),
    ],
)
def test_a_file_that_no_learner_has_made_is_refused(work):
    with pytest.raises(NotEvidence):
        work_file.decode(work_file.encode(work))


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff", b'{"kind": "dockyard-work"}'])
def test_what_is_no_work_is_refused(content):
    with pytest.raises(NotEvidence):
        work_file.decode(content)


# Doing it again, here on the course's engine


def replayed(work, folder):
    """Task and verdict of each result, from another process, as in the sandbox."""
    done = subprocess.run(
        [sys.executable, "-c", REPLAY], input=work_file.encode(work), stdout=subprocess.PIPE,
        check=True, timeout=1200,
        env=course.whole_environment() | {
            "DOCKYARD_HOME": str(COURSE), "DOCKYARD_PROGRESS": str(folder / "progress.json"),
        },
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.engine
def test_what_came_true_comes_true_again_and_what_did_not_does_not(tmp_path):
    work = work_of(
        Step("cell", f"!{WEB}", 0.0, seconds=1),
        Step("done", "web", 0.0),
        # Relative to a folder that is another one here.
        typed("mkdir pages; cp index.html pages"),
        typed(f"{PAGE}\necho '$TOKEN' is 'in' it", "/home/ada/work/03-containers/pages"),
        Step("cell", "import time\ntime.sleep(600)", 0.0, interrupted=True),
        Step("done", "page", 0.0),
        # Somebody wrote into the file that this came true.
        Step("done", "job", 0.0),
        files={"index.html": "abcde23456\n"},
    )
    found = replayed(work, tmp_path)
    assert [(each["task"], each["done"]) for each in found] == [
        ("web", True), ("page", True), ("job", False),
    ]  # fmt: skip
    assert "no container called job-elm" in found[-1]["said"].lower()


@pytest.mark.engine
@pytest.mark.adversarial
@pytest.mark.parametrize("name", lab_catalog.names())
def test_the_solution_of_each_lab_is_proved_again(name, tmp_path):
    lab = lab_catalog.load(name)
    steps = []
    for exercise in lab.exercises:
        way = exercise.right[0]
        if exercise.fault:
            steps.append(Step("case", exercise.name, 0.0))
        steps.append(Step("cell" if way.python else "typed", way.code, 0.0, "/home/ada"))
        if exercise in lab.tasks:
            steps.append(Step("done", exercise.name, 0.0))
    work = Work(attempts.draw(lab, "lab"), "/home/ada", {}, steps)
    found = replayed(WorkFile("dockyard-work", 1, "", {name: work}), tmp_path)
    assert [each["task"] for each in found if not each["done"]] == []


REPLAY = """
import sys
from dockyard.sharing import replay, work_file
replay.write_results(work_file.decode(sys.stdin.buffer.read()))
"""

# The sandbox


@pytest.fixture
def bubblewrap():
    packages.install([] if sandbox.which("bwrap") else ["bubblewrap"])


def inside(code, content=b""):
    ran = sandbox.run(["-c", code], content)
    assert ran.returncode == 0
    return ran.stdout.decode()


@needs_root
@pytest.mark.usefixtures("bubblewrap")
def test_nothing_of_the_teachers_is_seen_or_changed_there(tmp_path):
    (tmp_path / "grades.csv").write_text("secret")
    tmp_path.chmod(0o777)
    code = f"""
import os, socket, sys
from pathlib import Path
for place in ({str(tmp_path)!r}, "/root/.ssh", "/home", "/etc/shadow", "/var", "/sys"):
    print(place, os.path.exists(place))
print("home", sorted(os.listdir(os.environ["HOME"])))
print("user", os.geteuid(), os.getgroups())
print("processes", sum(name.isdigit() for name in os.listdir("/proc")))
print("capabilities", [l.split()[1] for l in open("/proc/self/status") if l.startswith("Cap")])
print("interfaces", [name for _, name in socket.if_nameindex()])
own = {str(paths.CHECKOUT / ".dockyard")!r}
print("course", os.listdir(own) if os.path.exists(own) else [])
for place in ({str(paths.CHECKOUT)!r}, "/usr", "/store", "/proc/sys/kernel/core_pattern"):
    try:
        (Path(place) if "core" in place else Path(place, "mine")).write_text("x")
        print(place, "written")
    except OSError:
        print(place, "refused")
print("read", sys.stdin.read())
"""
    said = inside(code, b"handed in").splitlines()
    assert said == [
        *(f"{place} False" for place in (tmp_path, "/root/.ssh", "/home", "/etc/shadow")),
        "/var False",
        "/sys False",
        "home []",
        "user 65534 []",
        "processes 2",
        f"capabilities {['0' * 16] * 5}",
        "interfaces ['lo']",
        "course []",
        *(f"{place} refused" for place in (paths.CHECKOUT, "/usr", "/store")),
        "/proc/sys/kernel/core_pattern refused",
        "read handed in",
    ]


AS_A_USER = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
"""Somebody without any right."""

BY_A_USER = f"""
import sys; sys.path.insert(0, {str(paths.CHECKOUT)!r})
from dockyard.sharing import sandbox
code = "import os, socket; print(os.geteuid(), os.listdir('/proof'), socket.if_nameindex())"
print(sandbox.run(["-c", code], b"").stdout.decode())
"""


@needs_root
@pytest.mark.usefixtures("bubblewrap")
def test_it_needs_no_root_where_users_may_make_namespaces(tmp_path):
    tmp_path.chmod(0o777)
    if subprocess.run([*AS_A_USER, "unshare", "--user", "true"], check=False).returncode:
        pytest.skip("users may not make user namespaces here")
    done = subprocess.run(
        # The system's Python: a user may not read that of every developer.
        [*AS_A_USER, "/usr/bin/python3", "-c", BY_A_USER], capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "TMPDIR": "/tmp"}, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "12345 [] [(1, 'lo')]", done.stderr


def test_without_bubblewrap_nothing_runs_and_the_command_is_named(monkeypatch):
    monkeypatch.setattr(sandbox, "which", lambda _name: None)
    with pytest.raises(InstallFailed, match="Bubblewrap is not installed") as told:
        proof.prove(work_of())
    assert "apt-get install bubblewrap" in told.value.next


def test_what_the_sandbox_prints_cannot_steer_a_terminal_or_name_other_tasks(monkeypatch):
    work = work_of(Step("done", "web", 0.0), Step("done", "page", 0.0))
    printed = [
        proof.Result(LAB.name, "web", True, "\x1b[2Jfine\n"),
        proof.Result(LAB.name, "job", True, "never done"),
        proof.Result("04-images", "web", True, "another lab"),
    ]
    lines = b"\n".join([*map(msgspec.json.encode, printed), b"noise"])
    ran = subprocess.CompletedProcess([], 0, lines, b"")
    monkeypatch.setattr(sandbox, "run", lambda *_: ran)
    assert proof.prove(work) == {
        LAB.name: [
            proof.Result(LAB.name, "web", True, " [2Jfine "),
            proof.Result(LAB.name, "page", False, "The proof ended before this task."),
        ]
    }


def test_an_engine_that_does_not_start_is_said(monkeypatch):
    ran = subprocess.CompletedProcess([], 1, b"", b"\x1b[1mThere is no memory.\n")
    monkeypatch.setattr(sandbox, "run", lambda *_: ran)
    with pytest.raises(EngineStartFailed) as told:
        proof.prove(work_of(Step("done", "web", 0.0)))
    assert told.value.why == " [1mThere is no memory. "


@needs_root
@pytest.mark.engine
@pytest.mark.machine
@pytest.mark.usefixtures("bubblewrap")
def test_a_lab_is_proved_again_in_an_engine_that_is_thrown_away(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DOCKYARD_HOME", str(COURSE))
    artifacts.prepare(print)
    steps = [
        typed(WEB), Step("done", "web", 0.0),
        typed("docker rm --force $WEB; docker run --privileged busybox true"),
        Step("done", "page", 0.0),
    ]  # fmt: skip
    file = tmp_path / "ada.json"
    file.write_bytes(work_file.encode(work_of(*steps)))
    assert classroom._prove(file) == 1
    said = capfd.readouterr().out
    assert "03-containers: 1 of 2 proved again." in said
    assert "✔ web: " in said
    assert "✘ page: " in said
