"""Homes of a test's own, with what the course that runs has fetched and made already."""

import os
import shutil

import pytest

from dockyard import course
from dockyard.core import docker_client, paths


def fill(home):
    """Give a new home the images of the course registry and the client's plugins."""
    filled = paths.home() / "registry"
    if course.State.load() is None or not filled.is_dir():
        pytest.skip("needs the course registry:  python3 -m dockyard engine start")
    shutil.copytree(filled, home / "registry", copy_function=_link)
    give_plugins(home)


def give_plugins(home):
    """Give a new home the client's plugins that the course has fetched, if it had to."""
    if docker_client.own_plugins().is_dir():
        shutil.copytree(docker_client.own_plugins(), home / docker_client.own_plugins().name)


def _link(source, target):
    try:
        os.link(source, target)  # blobs are never written again
    except OSError:
        shutil.copy2(source, target)
