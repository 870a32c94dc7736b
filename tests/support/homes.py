"""Gives a test's home the images and programs that the running course already has."""

import os
import shutil
from contextlib import contextmanager

import pytest

from dockyard import course
from dockyard.core import docker_client, wheelhouse
from dockyard.engine import engine_root
from dockyard.registry import server
from tests.support.command_line import run


def fill(home):
    """Copy the course registry, the client's plugins and the wheels to a new home."""
    filled = server.storage()
    if course.State.load() is None or not filled.is_dir():
        pytest.skip("needs the course registry:  python3 -m dockyard engine start")
    shutil.copytree(filled, home / "registry", copy_function=_link)
    give_plugins(home)
    if wheelhouse.folder().is_dir():
        shutil.copytree(wheelhouse.folder(), home / wheelhouse.folder().name)
    if engine_root.folder().exists():
        give_engine_root(home)


@contextmanager
def running(home):
    """A course of its own in this home, filled, started by the command, and chosen meanwhile."""
    fill(home)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DOCKYARD_HOME", str(home))
        done = run("engine", "start", "--engine", "embedded")
        assert done.returncode == 0, done.stderr
        yield home
        run("engine", "stop")


def give_engine_root(home):
    """Link the engine root of the current home to a new home; fetch it if it is missing."""
    shared = engine_root.fetch(print).parent
    home.mkdir(parents=True, exist_ok=True)
    (home / shared.name).symlink_to(shared)


def give_plugins(home):
    """Copy the plugins that the course uses to a new home, where nothing has to be fetched then."""
    folder = home / docker_client.own_plugins().name
    folder.mkdir(parents=True)
    for name in ("compose", "buildx"):
        if found := docker_client.find_plugin(name):
            shutil.copy(found, folder)


def _link(source, target):
    try:
        os.link(source, target)  # blobs are never written again
    except OSError:
        shutil.copy2(source, target)
