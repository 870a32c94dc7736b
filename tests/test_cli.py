"""The command line: one clear line, the next command, the exit code that DESIGN promises."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from dockyard.core import paths, progress_file


def run(*words, home=None, checkout=paths.CHECKOUT, **variables):
    environment = {**os.environ, "PYTHONPATH": str(checkout), **variables}
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        if name not in variables:
            environment.pop(name, None)
    if home:
        environment["DOCKYARD_HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-m", "dockyard", *words],
        capture_output=True, text=True, env=environment, cwd=checkout,
        stdin=subprocess.DEVNULL, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [["lern"], ["learn", "--engine", "warp"], ["learn", "--port", "99999"], ["engine"], []],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(words):
    done = run(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_said_before_anything_is_set_up(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("learn", "--port", str(port), home=tmp_path)
    assert done.returncode == 1
    assert f"Port {port} is already in use." in done.stderr
    assert not (tmp_path / "engine").exists()


def test_no_daemon_at_docker_host_names_the_place_and_the_next_command(tmp_path):
    done = run(
        "engine", "start", "--engine", "local", home=tmp_path,
        DOCKER_HOST=f"unix://{tmp_path}/nobody.sock",
    )  # fmt: skip
    assert done.returncode == 1
    assert "nobody.sock" in done.stderr
    assert "--engine embedded" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_socket_without_a_daemon_is_told_from_no_socket(tmp_path):
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    done = run("engine", "start", "--engine", "local", home=tmp_path, DOCKER_HOST=f"unix://{path}")
    assert done.returncode == 1
    assert "The socket exists but its daemon is not running." in done.stderr


def test_a_home_that_cannot_be_written_says_so(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = run("engine", "start", home=blocked / "home")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "DOCKYARD_HOME=" in done.stderr


def test_doctor_prints_one_json_document_and_nothing_else():
    done = run("doctor", "--json")
    report = json.loads(done.stdout)
    assert {finding["provider"] for finding in report["providers"]} >= {"local", "embedded"}
    assert done.returncode == (0 if report["chosen"] else 1)


def test_engine_status_of_a_stopped_course_ends_with_1(tmp_path):
    done = run("engine", "status", "--json", home=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["running"] is False


def test_a_shell_with_other_temporary_folders_finds_the_same_course(tmp_path):
    def socket_seen_by(**variables):
        done = run("engine", "status", "--json", home=tmp_path, **variables)
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout)["docker_host"]

    there = socket_seen_by()
    assert socket_seen_by(XDG_RUNTIME_DIR=str(tmp_path)) == there
    assert socket_seen_by(XDG_RUNTIME_DIR="/nowhere", TMPDIR=str(tmp_path)) == there


def test_a_run_folder_that_leads_elsewhere_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    folder = paths.run_dir()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    try:
        done = run("engine", "status", home=tmp_path)
    finally:
        folder.unlink()
    assert done.returncode == 1
    assert f"{folder} is not a folder of yours." in done.stderr
    assert "DOCKYARD_HOME=" in done.stderr


def test_reset_wants_to_know_what():
    done = run("reset")
    assert done.returncode == 2
    assert "--all" in done.stderr


def test_an_unknown_notebook_is_answered_with_the_known_ones():
    done = run("reset", "99-nothing")
    assert done.returncode == 2
    assert "00-start-here" in done.stderr


@pytest.fixture
def folder(tmp_path):
    """The course as a ZIP file brings it: two lessons and a lab, without git's records."""
    made = tmp_path / "course"
    shutil.copytree(paths.CHECKOUT / "dockyard", made / "dockyard")
    shutil.copy(paths.CHECKOUT / "requirements.txt", made)
    for name in ("notebooks/00-start-here", "notebooks/05-registries", "labs/05-registries"):
        file = made / f"{name}.ipynb"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{name} as it came\n")
    return made


@pytest.fixture
def clone(folder):
    """The same, as a repository of its own."""
    for words in (
        ("init", "--quiet"),
        ("add", "notebooks", "labs"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=all"),
    ):
        subprocess.run(["git", "-C", folder, *words], check=True)
    return folder


def reset(folder, *words, **variables):
    return run(
        "reset", *words, home=folder / "home", checkout=folder,
        **{"GIT_CEILING_DIRECTORIES": str(folder.parent), **variables},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "restored", "left"),
    [
        ("05-registries", "notebooks", "labs"),
        ("05", "notebooks", "labs"),
        ("labs/05-registries.ipynb", "labs", "notebooks"),
        ("labs/05", "labs", "notebooks"),
    ],
)
def test_reset_restores_the_lesson_and_the_lab_only_when_it_is_named(clone, name, restored, left):
    for place in ("notebooks", "labs"):
        (clone / place / "05-registries.ipynb").write_text("mine")
    done = reset(clone, name)
    assert done.returncode == 0, done.stderr
    found = clone / restored / "05-registries.ipynb"
    assert found.read_text() == f"{restored}/05-registries as it came\n"
    (kept,) = found.parent.glob("05-registries.2*.ipynb")
    assert kept.read_text() == "mine"
    assert f"05-registries.ipynb is as it came; your copy is {kept.name}" in done.stderr
    assert (clone / left / "05-registries.ipynb").read_text() == "mine"


def test_reset_brings_a_deleted_notebook_back_and_claims_no_copy(clone):
    (clone / "notebooks" / "00-start-here.ipynb").unlink()
    done = reset(clone, "--all")
    assert done.returncode == 0, done.stderr
    assert "00-start-here.ipynb was missing and is back" in done.stderr
    assert "copy" not in done.stderr
    assert (clone / "notebooks" / "00-start-here.ipynb").exists()


@pytest.mark.parametrize("words", [["05-registries"], ["--all"]], ids=" ".join)
def test_reset_without_a_repository_says_so_and_changes_nothing(folder, words):
    (folder / "notebooks" / "05-registries.ipynb").write_text("mine")
    done = reset(folder, *words)
    assert done.returncode == 1
    assert f"could not be read in {folder}" in done.stderr
    assert "not a git repository" in done.stderr
    assert (folder / "notebooks" / "05-registries.ipynb").read_text() == "mine"


def test_reset_without_git_says_what_to_install(folder):
    done = reset(folder, "--all", PATH=str(folder))
    assert done.returncode == 1
    assert "apt-get install git" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def begun(clone, monkeypatch):
    """The progress of somebody who has begun the lab of 05, in the clone."""
    file = clone / "progress.json"
    monkeypatch.setenv("DOCKYARD_PROGRESS", str(file))
    with progress_file.change() as data:
        data["labs"] = {"05-registries": {"id": "abcd", "values": {}, "tasks": {}}}
    return file


def test_progress_that_another_command_holds_is_told_with_the_lock(clone, begun):
    with progress_file.change():
        done = reset(clone, "labs/05-registries")
    assert done.returncode == 1
    assert "has been busy for 10 seconds." in done.stderr
    assert str(clone / ".progress.json.lock") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failure_of_the_system_is_told_in_three_lines(clone, begun):
    lock = clone / ".progress.json.lock"
    lock.unlink()
    lock.mkdir()
    done = reset(clone, "labs/05-registries")
    assert done.returncode == 1
    assert "The command could not be carried out." in done.stderr
    assert str(lock) in done.stderr
    assert "engine status" in done.stderr
    assert "Traceback" not in done.stderr
