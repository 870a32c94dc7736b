"""A lesson of its own for tests that look at the daemon through views: a fixture ``scene``."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing

import pytest

from dockyard import cleanup, course
from dockyard.core import docker_client, wait
from dockyard.exceptions import DockyardError

LESSON = "views-test"


class Scene:
    """The docker command of a lesson, and waiting for what comes of it."""

    lesson = LESSON

    def docker(self, *words: str, check: bool = True) -> str:
        """Run a docker command; return what it printed. Fails with the command's own words."""
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, check=False, timeout=60
        )
        assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stderr}"
        self.code = done.returncode
        return done.stdout.strip()

    def run(self, name: str, *options: str, command: tuple[str, ...] = ("sleep", "1000")) -> None:
        """Start a container of busybox that ends at once when it is told to."""
        self.docker("run", "--detach", "--init", "--name", name, *options, "busybox", *command)

    @staticmethod
    def until(description: str, probe, timeout: float = 10):
        """Wait until probe returns something true; return that."""
        return wait.until(description, probe, timeout, error=DockyardError)


def clean() -> None:
    """Remove what the tests' lesson has made."""
    with closing(docker_client.connect()) as daemon:
        cleanup.remove(daemon, lesson=LESSON)


@pytest.fixture
def scene(monkeypatch):
    """A clean lesson, begun in this process as ``%lesson`` begins one; gone afterwards."""
    docker_client.write_config(LESSON)
    for name in docker_client.UNSET:
        monkeypatch.delenv(name, raising=False)
    for name, value in course.environment(LESSON).items():
        monkeypatch.setenv(name, value)
    assert os.environ["DOCKER_CONFIG"].endswith(LESSON)
    clean()
    yield Scene()
    clean()
