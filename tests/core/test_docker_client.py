"""The course's Docker configuration folders, and connections to the front door."""

import hashlib
import json
import os
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockyard import course
from dockyard.core import docker_client, paths

LESSON = "rewrite-test"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    return tmp_path


def context(folder):
    name = hashlib.sha256(docker_client.CONTEXT.encode()).hexdigest()
    return folder / "contexts" / "meta" / name / "meta.json"


def names(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))


@contextmanager
def rewriting(lesson):
    """Reset a configuration again and again for the length of a ``with``; yields the count."""
    enough, count = threading.Event(), []

    def rewrite():
        while not enough.is_set():
            docker_client.write_config(lesson)
            count.append(1)

    with ThreadPoolExecutor(1) as pool:
        rewriter = pool.submit(rewrite)
        try:
            yield count
        finally:
            enough.set()
        rewriter.result()


def test_a_reset_removes_what_a_lesson_added(home):
    folder = docker_client.write_config("03-containers")
    before = names(folder)
    (folder / "config.json").write_text('{"currentContext": "mine", "auths": {"a": {}}}')
    for added in ("contexts/meta/mine", "contexts/tls/mine", "cli-plugins", "buildx/refs"):
        (folder / added).mkdir(parents=True, exist_ok=True)
        (folder / added / "file").write_text("mine")
    assert docker_client.write_config("03-containers") == folder
    assert names(folder) == before
    settings = json.loads((folder / "config.json").read_text())
    assert settings["currentContext"] == docker_client.CONTEXT
    assert settings["HttpHeaders"] == {"X-Dockyard-Lesson": "03-containers"}
    assert "auths" not in settings


def test_a_visit_that_goes_on_keeps_its_contexts_and_log_ins(home):
    folder = docker_client.write_config("15-capstone")
    before = json.loads((folder / "config.json").read_text())
    changed = before | {"currentContext": "mine", "auths": {"a": {}}}
    (folder / "config.json").write_text(json.dumps(changed))
    (folder / "contexts/meta/mine").mkdir(parents=True)
    docker_client.write_config("15-capstone", keep=True)
    assert json.loads((folder / "config.json").read_text()) == before | {"auths": {"a": {}}}
    assert (folder / "contexts/meta/mine").is_dir()


def test_a_reset_replaces_what_is_in_the_way_and_follows_no_link(home):
    folder = docker_client.write_config()
    before = names(folder)
    elsewhere = home / "elsewhere"
    (elsewhere / "meta" / "theirs").mkdir(parents=True)
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    (folder / "contexts").rename(folder / "moved")
    (folder / "contexts").symlink_to(elsewhere)
    docker_client.write_config()
    assert names(folder) == before
    assert (elsewhere / "meta" / "theirs").is_dir()


def test_the_configuration_is_complete_at_every_moment_of_a_reset(home):
    folder = docker_client.write_config()
    with rewriting(None) as count:
        while len(count) < 200:
            assert json.loads((folder / "config.json").read_text())["currentContext"]
            assert str(paths.front_door()) in context(folder).read_text()
    assert names(folder.parent) == sorted(
        ["course", *(f"course/{name}" for name in names(folder))]
    ), "nothing else is left beside it"


def test_the_variables_for_a_client_come_with_a_configuration(home):
    assert not (home / "docker").exists()
    folder = Path(docker_client.environment("03-containers")["DOCKER_CONFIG"])
    assert json.loads((folder / "config.json").read_text())["currentContext"]


@pytest.mark.engine
@pytest.mark.slow
def test_no_docker_command_reaches_another_daemon_while_its_configuration_is_reset():
    """A command that reached another one would fail, or list other containers."""
    kept = {name: value for name, value in os.environ.items() if name not in docker_client.UNSET}
    environment = kept | course.environment(LESSON)
    command = ["docker", "ps", "--all", "--format", "{{.ID}}", "--filter", "name=nothing-at-all"]
    with rewriting(LESSON) as count:
        for number in range(60):
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stdout) == (0, ""), f"{number}: {done.stderr}"
    assert len(count) >= 60


def test_hanging_up_ends_the_wait_for_an_answer_of_the_daemon(home):
    with socket.socket(socket.AF_UNIX) as daemon, socket.socket(socket.AF_UNIX) as client:
        daemon.bind(str(paths.front_door()))
        daemon.listen()
        client.connect(str(paths.front_door()))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.recv, 1)
            docker_client.hang_up()
            assert waiting.result(timeout=60) == b""


def test_hanging_up_leaves_other_connections_alone(home, tmp_path):
    left, right = socket.socketpair()
    with left, right:
        docker_client.hang_up()
        left.sendall(b"x")
        assert right.recv(1) == b"x"
