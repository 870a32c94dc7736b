"""Hints on containers that docker does not find, on the course's daemon."""

import os
import uuid

import pytest

from dockyard import course
from dockyard.core import paths
from dockyard.notebook import command_hints, container_hints
from dockyard.notebook.command_hints import Finished
from tests.support.command_line import docker

MISSING = "Error response from daemon: No such container: {}"


def hint(name, command="docker logs", code=1, output=MISSING):
    run = Finished(f"{command} {name}", code, output.format(name), os.environ, ())
    return command_hints.after(run)


@pytest.fixture
def name():
    made = f"hinted-{uuid.uuid4().hex[:8]}"
    yield made
    docker("rm", "--force", made, check=False)


@pytest.mark.engine
def test_a_container_that_was_removed_is_said_to_be_gone(name):
    docker("run", "--rm", "--name", name, "busybox", "true")
    assert hint(name) == (
        f"{name} was here and was removed just now. Run the cell that creates it again."
    )
    assert hint(name, code=0) is None
    assert hint(f"{name[:-2]}") is None


@pytest.mark.engine
def test_an_id_cut_at_its_beginning_is_recognised(name):
    id = docker("create", "--name", name, "busybox").strip()
    assert hint(id[3:14]) == (
        f"{id[3:14]} is not the beginning of an id. You may leave letters out at its end only: "
        f"{id[:12]}, or the name, {name}."
    )
    assert hint("abcdefabcdefabcdef") is None
    assert hint(f"{id[3:14]}z") is None


@pytest.mark.engine
def test_a_container_that_never_was_gets_no_hint():
    assert hint("never-was-here") is None


def test_without_a_daemon_there_is_no_hint(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    assert not paths.front_door().exists()
    assert not course.answers()
    assert hint("box") is None
    assert hint("abc123") is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3, "just now"), (50, "a minute ago"), (400, "7 minutes ago")],
)
def test_it_says_how_long_ago(seconds, said):
    assert container_hints._ago(seconds) == said
