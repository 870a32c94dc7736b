"""Damaged files, full and read-only disks: one clear line, and nothing that was done is lost."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

from dockyard import course
from dockyard.core import paths, progress_file, setup_file
from dockyard.core.process import Service
from dockyard.exceptions import DiskFull, UnwritableFolder
from tests.support.command_line import run
from tests.support.restricted_host import NOBODY, needs_root, open_folder

GOOD = {"version": 1, "answers": {"03-containers": {"stopped": {"chosen": "b", "right": True}}}}
DEEP = "[" * 200_000
LONG = json.dumps(GOOD | {"padding": "x" * 39_000_000})


def written(content):
    return lambda file: file.write_bytes(content.encode() if isinstance(content, str) else content)


def wrong(**parts):
    return written(json.dumps({"version": 1} | parts))


DAMAGES = {
    "empty": written(""),
    "cut": written(json.dumps(GOOD)[:40]),
    "binary": written(bytes(range(256)) * 20),
    "not UTF-8": written(b'{"version": 1, "x": "\xff\xfe"}'),
    "deep": written(DEEP),
    "deep inside": written('{"version": 1, "x": ' + '{"a":' * 100_000),
    "a list": written("[]"),
    "another version": wrong(version=2),
    "labs are a list": wrong(labs=[]),
    "a lab is a word": wrong(labs={"03-containers": "x"}),
    "tasks are null": wrong(labs={"03-containers": {"tasks": None}}),
    "hints are a word": wrong(labs={"03-containers": {"tasks": {"web": {"hints": "many"}}}}),
    "values are numbers": wrong(labs={"03-containers": {"values": {"WEB": 1}}}),
    "answers are words": wrong(answers={"03-containers": {"stopped": "b"}}),
    "39 MB": written(LONG),
    "a link to nothing": lambda file: file.symlink_to("nowhere"),
    "a link to itself": lambda file: file.symlink_to(file.name),
    "an endless device": lambda file: file.symlink_to("/dev/zero"),
    "a terminal": lambda file: file.symlink_to("/dev/tty"),
    "a pipe": os.mkfifo,
    "a folder": lambda file: file.mkdir(),
    "somebody's file": lambda file: file.symlink_to("/etc/hostname"),
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    monkeypatch.delenv("DOCKYARD_PROGRESS", raising=False)
    return tmp_path


def note(value):
    with progress_file.change() as data:
        data["note"] = value


def seen(file):
    """What is at a path, without opening what is not a file."""
    if file.is_symlink():
        return os.readlink(file)
    return file.read_bytes() if file.is_file() else file.lstat().st_mode


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_progress_file_is_kept_aside_and_said(home, capsys, damage):
    note("older")
    note("newer")
    file = progress_file.path()
    file.unlink()
    damage(file)
    before = seen(file)
    began = time.process_time()
    assert progress_file.read()["note"] == "older"
    assert time.process_time() - began < 0.1
    assert len(progress_file.fault().splitlines()) == 1
    assert capsys.readouterr().err == ""
    note("newest")
    said = capsys.readouterr().err
    (aside,) = home.glob("progress.damaged-*.json")
    assert len(said.splitlines()) == 1
    assert aside.name in said
    assert seen(aside) == before
    assert progress_file.read()["note"] == "newest"
    assert progress_file.fault() == ""


@pytest.mark.parametrize("damage", ["cut", "deep", "hints are a word", "an endless device"])
def test_the_command_says_it_in_one_line(home, damage):
    DAMAGES[damage](progress_file.path())
    done = run("progress", "--json", home=home)
    assert done.returncode == 0
    assert json.loads(done.stdout)["answers"] == []
    (line,) = done.stderr.splitlines()
    assert "progress.json is not used" in line


def test_a_link_to_good_progress_stays_a_link(home, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("synced") / "mine.json"
    elsewhere.write_text(json.dumps(GOOD))
    progress_file.path().symlink_to(elsewhere)
    note("kept")
    assert progress_file.path().is_symlink()
    assert json.loads(elsewhere.read_text()) == GOOD | {"note": "kept"}


def test_the_file_of_before_does_not_lead_elsewhere(home, tmp_path_factory):
    """A link in its place would be written through."""
    theirs = tmp_path_factory.mktemp("theirs") / "file"
    theirs.write_text("theirs")
    (home / "progress.previous.json").symlink_to(theirs)
    (home / "progress.new").symlink_to(theirs)
    note("one")
    note("two")
    assert theirs.read_text() == "theirs"


CHANGE = """
from dockyard.core import progress_file
from dockyard.exceptions import DockyardError
print(progress_file.read().get("note"))
try:
    with progress_file.change() as data:
        data["note"] = "new" * int(__import__("sys").argv[1])
except DockyardError as error:
    print(type(error).__name__, "|", error)
print(progress_file.read().get("note", "")[:6])
"""


def change_inside(home, before, *, user=(), size=1):
    """Change the progress in a mount namespace in which shell commands have run before."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", f'{before}\nexec "$@"', "-",
         *user, sys.executable, "-c", CHANGE, str(size)],
        env=os.environ | {"DOCKYARD_HOME": str(home), "PYTHONPATH": str(paths.CHECKOUT)},
        cwd="/", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


@needs_root
def test_a_file_of_another_user_is_kept_aside():
    with open_folder() as home:
        note_file = home / "progress.json"
        note_file.write_text(json.dumps(GOOD | {"note": "theirs"}))
        note_file.chmod(0o600)
        os.chown(home, 65534, 65534)
        # The checkout may be in a folder that others cannot enter.
        seen_at = home / "course"
        seen_at.mkdir()
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-ec", f'mount --bind "{paths.CHECKOUT}" "{seen_at}"\n'
             'exec "$@"', "-", *NOBODY, sys.executable, "-c", CHANGE, "1"],
            env=os.environ | {"DOCKYARD_HOME": str(home), "PYTHONPATH": str(seen_at)},
            cwd=home, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.stdout.split() == ["None", "new"], done.stderr
        assert "Permission denied" in done.stderr
        (aside,) = home.glob("progress.damaged-*.json")
        assert json.loads(aside.read_text())["note"] == "theirs"


@needs_root
def test_a_read_only_home_is_one_clear_message(home):
    note("old")
    done = change_inside(home, f"mount --bind {home} {home}; mount -o remount,bind,ro {home}")
    first, kind, *_ = done.stdout.splitlines()
    assert first == "old"
    assert kind.startswith("UnwritableFolder | ")
    assert "DOCKYARD_PROGRESS=" in done.stdout
    assert done.stdout.splitlines()[-1] == "old"


FULL = """
cp {home}/progress.json /tmp/faults-$$
mount -t tmpfs -o {options} none {home}
cp /tmp/faults-$$ {home}/progress.json; rm /tmp/faults-$$
{fill}
"""


@needs_root
@pytest.mark.parametrize(
    ("options", "fill"),
    [
        ("size=64k", "cat /dev/zero > {home}/rest 2> /dev/null || true"),
        ("size=256k", ""),
        ("nr_inodes=5", "touch {home}/one {home}/two {home}/three"),
    ],
    ids=["full", "full in the middle", "no inodes"],
)
def test_a_full_disk_is_one_clear_message_and_loses_nothing(home, options, fill):
    note("old")
    script = FULL.format(home=home, options=options, fill=fill.format(home=home))
    done = change_inside(home, script, size=100_000)
    lines = done.stdout.splitlines()
    assert lines[0] == lines[-1] == "old"
    assert lines[1].startswith("DiskFull | Your progress could not be saved: the disk is full.")
    assert "Free some space" in done.stdout


def test_the_errors_tell_what_to_type():
    full = progress_file._explain(OSError(28, "No space left on device"))
    assert isinstance(full, DiskFull)
    other = progress_file._explain(OSError(30, "Read-only file system"))
    assert isinstance(other, UnwritableFolder)
    assert all(each.what and each.why and each.next for each in (full, other))


@pytest.mark.parametrize("content", ["", "{", "[]", "5", "null", DEEP, '{"engine": 5}', "\0" * 99])
def test_a_damaged_state_counts_as_no_state(home, content):
    for file in (home / "course.json", home / "setup.json", Service("frontdoor").pid_file):
        file.write_text(content)
    assert course.State.load() is None
    assert setup_file.SetupState.load() == setup_file.SetupState()
    assert Service("frontdoor").process() is None
    done = run("engine", "status", home=home)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.engine
@pytest.mark.slow
def test_ten_checks_at_once_begin_one_attempt(tmp_path):
    lab = "03-containers"
    environment = os.environ | {"DOCKYARD_PROGRESS": str(tmp_path / "progress.json")}
    checks = [
        subprocess.Popen(
            [sys.executable, "-m", "dockyard", "check", lab], cwd=paths.CHECKOUT,
            env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(10)
    ]  # fmt: skip
    outputs = [each.communicate(timeout=300) for each in checks]
    try:
        assert all("Traceback" not in error for _, error in outputs)
        values = {value for _, error in outputs for value in re.findall(r"\$WEB +(\S+)", error)}
        assert len(values) == 1, outputs
        saved = json.loads((tmp_path / "progress.json").read_text())["labs"][lab]
        assert saved["values"]["WEB"] == values.pop()
        assert saved["begun"]
    finally:
        run("reset", f"labs/{lab}", DOCKYARD_PROGRESS=environment["DOCKYARD_PROGRESS"])
