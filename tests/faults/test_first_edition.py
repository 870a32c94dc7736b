"""A learner who began with the first edition goes on: progress, notebooks, engine and objects.

``first_edition/progress.json`` is a file that the first edition has written.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dockyard.core import paths, progress_file
from dockyard.engine import netfilter, oci_runtime
from dockyard.engine.embedded import EmbeddedEngine
from dockyard.learner_copy import course_folder, first_edition
from dockyard.quiz import first_edition_progress, progress_report
from tests.support import homes
from tests.support.command_line import docker, run
from tests.support.engines import host_bridges
from tests.support.restricted_host import needs_root

OLD = Path(__file__).parent / "first_edition" / "progress.json"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DOCKYARD_PROGRESS", raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def progress(home):
    shutil.copy(OLD, home / "progress.json")
    return home / "progress.json"


def counted(report, part, key="lesson"):
    return {each[key]: each for each in report[part]}


def test_what_was_done_counts_under_todays_numbers(progress):
    said = []
    first_edition_progress.carry_over(said.append)
    assert len(said) == 1
    assert "progress.first-edition.json" in said[0]
    report = progress_report.report()
    labs = counted(report, "labs", "lab")
    assert labs["03-containers"]["done"] == ["job", "frozen"]
    assert labs["03-containers"]["hints"] == 1
    # One lesson has become two.
    assert labs["06-networks-and-plugins"]["done"] == ["names", "apart"]
    assert labs["05-storage"]["done"] == ["notes"]
    answers, guesses = counted(report, "answers"), counted(report, "guesses")
    assert answers["03-containers"]["given"] == 2
    assert answers["05-storage"]["given"] == 1
    assert answers["06-networks-and-plugins"] == {
        "lesson": "06-networks-and-plugins", "given": 3, "right": 1,
    }  # fmt: skip
    assert guesses["03-containers"]["given"] == 5
    assert not {*answers, *guesses} & first_edition.RENUMBERED.keys()


def test_nothing_of_the_old_progress_is_lost(progress):
    first_edition_progress.carry_over(print)
    old, new = json.loads(OLD.read_text()), progress_file.read()
    assert json.loads(progress.with_name("progress.first-edition.json").read_text()) == old

    def leaves(data):
        if not isinstance(data, dict):
            return [data]
        # Of a task that counts, the edition is today's.
        return [leaf for key, value in data.items() if key != "edition" for leaf in leaves(value)]

    kept = [json.dumps(each) for each in leaves(new)]
    assert [each for each in map(json.dumps, leaves(old)) if each not in kept] == []
    assert len(new["first edition"]["answers"]["07-containers"]) == 2


def test_it_is_carried_over_once(progress):
    first_edition_progress.carry_over(print)
    before = progress.read_bytes()
    said = []
    first_edition_progress.carry_over(said.append)
    assert said == []
    assert progress.read_bytes() == before


def test_what_was_done_since_is_not_replaced(progress):
    with progress_file.change() as data:
        data["answers"]["03-containers"] = {"installed": {"chosen": "c", "right": True, "tries": 1}}
    first_edition_progress.carry_over(print)
    given = progress_file.read()["answers"]["03-containers"]
    assert given["installed"]["chosen"] == "c"
    assert given["program-ends"]["chosen"] == "b"


def test_the_command_says_it_in_one_line(progress):
    done = run("progress", "--json", home=progress.parent)
    assert len(done.stderr.splitlines()) == 1
    assert "first edition" in done.stderr
    assert counted(json.loads(done.stdout), "labs", "lab")["03-containers"]["done"]
    assert run("progress", "--json", home=progress.parent).stderr == ""


def notebook(*texts):
    cells = [{"cell_type": "markdown", "id": f"c{n}", "metadata": {}, "source": text}
             for n, text in enumerate(texts)]  # fmt: skip
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def git(checkout, *words):
    subprocess.run(
        ["git", "-C", checkout, "-c", "user.name=l", "-c", "user.email=l@x", *words],
        check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of the first edition in which a learner has worked, updated with git."""
    folder = tmp_path / "checkout"
    monkeypatch.setattr(paths, "CHECKOUT", folder)
    monkeypatch.delenv("DOCKYARD_HOME", raising=False)
    (folder / "notebooks").mkdir(parents=True)
    (folder / "labs" / "work" / "07-containers").mkdir(parents=True)
    (folder / "labs" / "work" / "07-containers" / "Dockerfile").write_text("FROM busybox\n")
    page = folder / "notebooks" / "07-containers.ipynb"
    page.write_text(notebook("# Containers"))
    (folder / ".gitignore").write_text("labs/work/\n.dockyard/\nmy-course/\n")
    git(tmp_path, "init", "--quiet", "checkout")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    page.with_name("07-containers.2026-11-20-101112.ipynb").write_text(notebook("my first notes"))
    page.write_text(notebook("# Containers", "my second notes"))
    git(folder, "stash")
    git(folder, "mv", "notebooks/07-containers.ipynb", "notebooks/03-containers.ipynb")
    git(folder, "commit", "--quiet", "--message", "second")
    return folder


def test_the_learners_notebooks_and_files_are_in_the_copy(checkout):
    said = []
    copy = course_folder.update(said.append)
    assert len(said) == 1
    assert "2 notebooks and 1 folders of the first edition" in said[0]
    old = copy / "first-edition"
    assert "my second notes" in (old / "notebooks" / "07-containers.ipynb").read_text()
    dated = "07-containers.2026-11-20-101112.ipynb"
    assert "my first notes" in (old / "notebooks" / dated).read_text()
    assert (old / "labs" / "work" / "07-containers" / "Dockerfile").exists()
    assert [each.name for each in (copy / "notebooks").iterdir()] == ["03-containers.ipynb"]
    assert (checkout / "notebooks" / dated).exists(), "nothing is moved"


def test_what_the_learner_deletes_then_stays_deleted(checkout):
    copy = course_folder.update(print)
    shutil.rmtree(copy / "first-edition")
    course_folder.update(print)
    assert not (copy / "first-edition").exists()


def test_a_checkout_without_git_has_what_is_left_in_it(checkout):
    shutil.rmtree(checkout / ".git")
    (checkout / "notebooks" / "05-registries.ipynb").write_text(notebook("unpacked over the old"))
    copy = course_folder.update(print)
    assert sorted(each.name for each in (copy / "first-edition" / "notebooks").iterdir()) == [
        "05-registries.ipynb",
        "07-containers.2026-11-20-101112.ipynb",
    ]


def test_a_stash_of_todays_course_is_left_alone(checkout):
    git(checkout, "stash", "drop")
    (checkout / "notebooks" / "03-containers.ipynb").write_text(notebook("an author's change"))
    git(checkout, "stash")
    copy = course_folder.update(print)
    assert not (copy / "first-edition" / "notebooks" / "03-containers.ipynb").exists()


NETWORK = (
    '{"AddressIPv4":"10.145.2.1/24","AddressIPv6":"\\u003cnil\\u003e","BridgeName":"br-0a1b2c3d4e5f",'
    '"DefaultBridge":false,"Internal":false}'
)


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """A home with images, programs and an engine root."""
    homes.fill(tmp_path / "filled")
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "filled"))
    return tmp_path / "filled"


@pytest.mark.engine
@needs_root
def test_bridges_and_rules_of_its_engine_are_removed(filled):
    """It was running during the update; its rules are in the chains of all daemons."""
    engine = EmbeddedEngine()
    database = engine.data / "docker" / "network" / "files" / "local-kv.db"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"\0\1" + NETWORK.encode() + b"\0")
    (engine.data / "containerd.toml").touch()
    engine.exec.mkdir()
    assert engine.pool
    mine, others = "br-0a1b2c3d4e5f", "br-theirs"
    try:
        for each in (mine, others):
            netfilter.run("ip", "link", "add", each, "type", "bridge")
            netfilter.run("iptables", "-A", "FORWARD", "-o", each, "-j", "ACCEPT")
        engine.stop(print)
        assert mine not in host_bridges()
        assert others in host_bridges()
        rules = netfilter.run("iptables-save")
        assert mine not in rules
        assert others in rules
        assert not (engine.data / "containerd.toml").exists()
    finally:
        netfilter.run("ip", "link", "delete", others)
        netfilter.run("iptables", "-D", "FORWARD", "-o", others, "-j", "ACCEPT")


def test_containers_of_its_runtime_can_be_started(tmp_path):
    """It made them with a runtime called `course`, where root lacks capabilities."""
    assert oci_runtime.known(tmp_path) == []
    (tmp_path / "runc-with-what-there-is").touch()
    (option,) = oci_runtime.known(tmp_path)
    wrapper = Path(option.removeprefix("--add-runtime=course="))
    assert os.access(wrapper, os.X_OK)
    assert oci_runtime.known(tmp_path) == [option]


STATE = {
    "engine": "embedded", "mirror": "http://127.0.0.1:1", "inner_mirror": "",
    "upstream": {"address": "unix:///nowhere", "tls_ca": "", "tls_cert": "", "tls_key": ""},
    "stand_in": False, "buildkit": True,
}  # fmt: skip


@pytest.mark.engine
@pytest.mark.slow
@needs_root
def test_an_engine_that_it_has_left_running_is_replaced(filled):
    done = run("engine", "start", "--engine", "embedded")
    assert done.returncode == 0, done.stderr
    try:
        (filled / "course.json").write_text(json.dumps(STATE))
        done = run("engine", "start")
        assert done.returncode == 0, done.stderr
        assert "which an earlier release has started" in done.stderr
        assert docker("run", "--rm", "busybox", "echo", "on") == "on\n"
    finally:
        run("engine", "stop")
