"""The learner's own daemon without Docker Hub: the lessons' commands find their images."""

import os
import subprocess
from contextlib import closing
from pathlib import Path

import docker
import pytest

from dockyard.commands import reset
from dockyard.core.labels import COURSE
from dockyard.engine.embedded import EmbeddedEngine
from dockyard.registry.image_catalog import by_reference
from tests.support import homes, restricted_host
from tests.support.command_line import run
from tests.support.front_door import Door

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="a second daemon is started as root"),
]
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The address of a daemon without settings of the course, as a learner may have one."""
    with pytest.MonkeyPatch.context() as there:
        folder = tmp_path_factory.mktemp("own")
        homes.give_engine_root(folder)
        there.setenv("DOCKYARD_HOME", str(folder))
        engine = EmbeddedEngine()
        endpoint = engine.start(print)
    yield endpoint.address
    with pytest.MonkeyPatch.context() as there:
        there.setenv("DOCKYARD_HOME", str(folder))
        engine.stop(print)


@pytest.fixture(scope="module")
def started(own, tmp_path_factory):
    """A course on that daemon, with a filled registry and without Docker Hub."""
    home = tmp_path_factory.mktemp("course")
    homes.fill(home)
    variables = {"DOCKER_HOST": own, "DOCKYARD_HUB": NOWHERE}
    done = run("engine", "start", "--engine", "local", "--yes", home=home, **variables)
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


@pytest.mark.parametrize(
    ("words", "said"),
    [([], "nobody agreed to it"), (["--yes"], "apt-get install --yes")],
    ids=["without", "with --yes"],
)
def test_the_registrys_package_is_installed_only_after_consent(own, words, said):
    # Without a network, so that apt-get is run but fails.
    with restricted_host.open_folder() as folder:
        homes.give_plugins(folder / "home")
        done = restricted_host.run(
            "engine", "start", "--engine", "local", *words, folder=folder, network=False,
            before=restricted_host.as_if_never_installed("docker-registry", folder),
            DOCKER_HOST=own, DOCKYARD_HOME=f"{folder}/home", CI="",
        )  # fmt: skip
        restricted_host.run("engine", "stop", folder=folder, DOCKYARD_HOME=f"{folder}/home")
    assert restricted_host.is_clear(done), done.stderr
    assert said in done.stderr
    assert "docker-registry" in done.stderr


def test_a_daemon_inside_a_container_can_use_the_course_registry(started):
    home, _ = started
    variables = environment(home)
    assert variables["DOCKYARD_MIRROR"].startswith("--registry-mirror=http://")
    mirror = variables["DOCKYARD_MIRROR"].partition("=")[2]
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
    monkeypatch.setattr(reset, "_all", list)
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
