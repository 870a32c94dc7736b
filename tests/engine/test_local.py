"""The learner's own daemon without Docker Hub: the lessons' commands find their images."""

import os
import subprocess
from contextlib import closing
from pathlib import Path

import docker
import psutil
import pytest

from dockyard.commands import reset
from dockyard.core import wait
from dockyard.core.labels import COURSE
from dockyard.engine import discovery
from dockyard.engine.embedded import EmbeddedEngine
from dockyard.engine.engine_root import VERSION
from dockyard.registry.image_catalog import by_reference
from tests.support import homes
from tests.support.command_line import run
from tests.support.front_door import ENGINE_ROOT, Door
from tests.support.ssh_server import serving

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="a second daemon is started as root"),
]
NOWHERE = "http://127.0.0.1:9"


class Own:
    """A daemon without settings of the course, as a learner may have one."""

    def __init__(self, home):
        self._home = home
        self.start()

    def start(self):
        with pytest.MonkeyPatch.context() as there:
            there.setenv("DOCKYARD_HOME", str(self._home))
            self._engine = EmbeddedEngine()
            self.address = self._engine.start(print).address

    def stop(self):
        with pytest.MonkeyPatch.context() as there:
            there.setenv("DOCKYARD_HOME", str(self._home))
            self._engine.stop(print)


@pytest.fixture(scope="module")
def own_daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    homes.give_engine_root(folder)
    started = Own(folder)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def own(own_daemon):
    """The daemon's address."""
    return own_daemon.address


@pytest.fixture(scope="module")
def started(own, tmp_path_factory):
    """A course on that daemon, with a filled registry and without Docker Hub."""
    home = tmp_path_factory.mktemp("course")
    homes.fill(home)
    variables = {"DOCKER_HOST": own, "DOCKYARD_HUB": NOWHERE}
    done = run("engine", "start", "--engine", "local", home=home, **variables)
    assert done.returncode == 0, done.stderr
    yield home, done.stderr
    assert run("engine", "stop", home=home, **variables).returncode == 0


def environment(home):
    lines = run("engine", "env", home=home).stdout.splitlines()
    found = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
    return {name: value.strip("'") for name, value in found.items()}


def docker_client(home, *words):
    done = subprocess.run(
        ["docker", *words], capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, **environment(home)},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_pull_of_a_lessons_image_succeeds_and_says_that_docker_hub_was_not_reached(started):
    home, said = started
    assert "Docker Hub does not answer" in said
    code, shown = docker_client(home, "pull", "--quiet", "busybox")
    assert (code, shown) == (0, "docker.io/library/busybox:latest\n")
    code, shown = docker_client(home, "pull", "docker.io/library/busybox:latest")
    assert code == 0
    assert "Docker Hub cannot be reached from here" in shown
    assert "Status: Image is up to date for busybox:latest" in shown
    code, shown = docker_client(home, "run", "--rm", "busybox", "echo", "it runs")
    assert (code, shown) == (0, "it runs\n")


def test_every_other_pull_is_left_to_the_daemon(started, own):
    home, _ = started
    for words in (
        ["busybox:9.99"],
        ["nobody/nothing"],
        ["127.0.0.1:9/busybox"],
        ["--platform=linux/s390x", "busybox"],
    ):
        code, shown = docker_client(home, "pull", *words)
        assert code == 1, shown
        assert "cannot be reached from here" not in shown
    with closing(docker.DockerClient(base_url=own)) as client:
        client.images.remove("hello-world:latest", force=True)
    code, shown = docker_client(home, "pull", "hello-world")
    assert "cannot be reached from here" not in shown


def test_a_daemon_inside_a_container_can_use_the_course_registry(started):
    home, _ = started
    variables = environment(home)
    assert variables["DOCKYARD_MIRROR"].startswith("--registry-mirror=http://")
    mirror = variables["DOCKYARD_MIRROR"].split()[0].partition("=")[2]
    code, shown = docker_client(
        home, "run", "--rm", "busybox", "wget", "-q", "-O-",
        f"{mirror}/v2/library/busybox/tags/list",
    )  # fmt: skip
    assert code == 0, shown
    assert '"name":"library/busybox"' in shown


def test_starting_again_changes_nothing(started, own):
    home, _ = started
    before = (home / "course.json").read_text(), Path(home / "logs" / "frontdoor.log").read_text()
    variables = {"DOCKER_HOST": own, "DOCKYARD_HUB": NOWHERE}
    done = run("engine", "start", "--engine", "local", home=home, **variables)
    assert done.returncode == 0
    after = (home / "course.json").read_text(), Path(home / "logs" / "frontdoor.log").read_text()
    assert before == after


def test_reset_keeps_what_was_not_made_through_this_courses_front_door(
    started, own, monkeypatch, tmp_path
):
    home, _ = started
    docker_client(home, "run", "--detach", "--name=made", "--volume=made:/d", "busybox", "sh")
    docker_client(home, "create", "--name=registry", "--label=dockyard.registry=1", "busybox")
    docker_client(home, "commit", "--change=LABEL dockyard.lesson=99-sample", "made", "given-on")
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    other = Door(tmp_path, own).start()
    with closing(docker.DockerClient(base_url=f"unix://{other.socket}")) as client:
        client.containers.create("busybox", name="of-another-home")
    other.stop()
    monkeypatch.setenv("DOCKYARD_HOME", str(home))
    # The notebooks of this checkout stay as they are.
    monkeypatch.setattr(reset, "_known", list)
    with closing(docker.DockerClient(base_url=own)) as client:
        theirs = {"volumes": ["theirs:/d"], "stdin_open": True}
        client.containers.run("given-on", name="theirs", detach=True, **theirs)
        client.images.get("busybox").tag("theirs", "1")
        labelled = {
            name for name, image in by_reference().items()
            for found in client.images.list(name) if COURSE in found.labels
        }  # fmt: skip
        reset.reset(None, print, everything=True)
        left = client.containers.list(all=True)
        assert {each.name for each in left} == {"registry", "of-another-home", "theirs"}
        assert client.containers.get("theirs").status == "running"
        assert [each.name for each in client.volumes.list()] == ["theirs"]
        names = {name for image in client.images.list() for name in image.tags}
        assert names >= {"given-on:latest", "theirs:1"}
        assert not names & labelled - {"busybox:latest"}


@pytest.fixture(scope="module")
def computer(own, tmp_path_factory):
    """The learner's computer with that daemon, reached by ssh."""
    path = f"{ENGINE_ROOT}/usr/bin:/usr/bin:/bin"
    with serving(tmp_path_factory.mktemp("sshd"), DOCKER_HOST=own, PATH=path) as server:
        yield server


@pytest.fixture(scope="module")
def over_ssh(computer, tmp_path_factory):
    """The home of a course on that computer; nothing of ssh is left once the course is stopped."""
    home = tmp_path_factory.mktemp("over-ssh")
    homes.fill(home)
    variables = {"DOCKER_HOST": computer.address, "DOCKYARD_HUB": NOWHERE, **computer.env}
    done = run("engine", "start", "--engine", "local", home=home, **variables)
    assert done.returncode == 0, done.stderr
    assert f"found Docker {VERSION}" in done.stderr
    yield home
    assert run("engine", "stop", home=home, **variables).returncode == 0
    wait.until("ssh to be gone", lambda: not computer.sessions() and not clients(computer), 60)


def clients(server):
    """The ssh processes on this side."""
    port = server.address.rpartition(":")[2]
    return [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "ssh" and port in (process.info["cmdline"] or [])
    ]


def test_a_daemon_on_another_computer_runs_the_lessons_commands(over_ssh, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo made > /made\n")
    code, shown = docker_client(over_ssh, "build", "--quiet", "--tag", "made", str(tmp_path))
    assert code == 0, shown
    code, shown = docker_client(over_ssh, "run", "--rm", "made", "cat", "/made")
    assert (code, shown) == (0, "made\n")
    docker_client(over_ssh, "run", "--detach", "--name", "there", "busybox", "sleep", "600")
    words = ["docker", "exec", "-i", "there", "wc", "-c"]
    counted = subprocess.run(
        words, input=b"x" * 1_000_000, capture_output=True, check=True, timeout=120,
        env={**os.environ, **environment(over_ssh)},
    )  # fmt: skip
    assert counted.stdout == b"1000000\n"
    docker_client(over_ssh, "rm", "--force", "there")


def test_a_daemon_on_another_computer_that_is_gone_is_said_and_found_again(over_ssh, own_daemon):
    variables = {**os.environ, **environment(over_ssh)}

    def listed():
        return subprocess.run(
            ["docker", "ps", "--quiet"], env=variables, capture_output=True, text=True, check=False
        )

    own_daemon.stop()
    done = listed()
    assert done.returncode == 1
    assert "not running (no Docker daemon runs on 127.0.0.1)" in done.stderr
    own_daemon.start()
    done = listed()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_context_that_leads_to_another_computer_is_found(computer, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", computer.env["PATH"])
    for words in (["create", "there", "--docker", f"host={computer.address}"], ["use", "there"]):
        subprocess.run(["docker", "context", *words], check=True, capture_output=True)
    for variable in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(variable, raising=False)
    found = next(discovery.candidates())
    assert (found.endpoint.address, found.verdict) == (computer.address, "answers")
