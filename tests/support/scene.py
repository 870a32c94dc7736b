"""The fixture ``scene``: a lesson for tests in which something happens on the daemon."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TypeVar

import pytest

from dockyard import cleanup, course
from dockyard.core import docker_client, wait
from dockyard.exceptions import DockyardError

LESSON = "views-test"
T = TypeVar("T")


class Scene:
    """Runs docker commands as a lesson does, and waits for their effects."""

    lesson = LESSON
    code = 0

    def docker(self, *words: str, check: bool = True) -> str:
        """Run a docker command and return its output; with check, it must succeed.

        The exit code is kept in ``code``.
        """
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, check=False, timeout=180
        )
        assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stderr}"
        self.code = done.returncode
        return done.stdout.strip()

    def run(self, name: str, *options: str, command: tuple[str, ...] = ("sleep", "1000")) -> None:
        """Start a container of busybox; with --init, it exits at once on SIGTERM."""
        self.docker("run", "--detach", "--init", "--name", name, *options, "busybox", *command)

    @staticmethod
    def until(description: str, probe: Callable[[], T | None], timeout: float = 60) -> T:
        """Wait until probe returns something true; return that. timeout is in seconds."""
        return wait.until(description, probe, timeout, error=DockyardError)


def clean() -> None:
    """Remove everything that the test's lesson made."""
    with closing(docker_client.connect()) as daemon:
        cleanup.remove(daemon, lesson=LESSON)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """An empty lesson, set up in this process as ``%lesson`` does; removed afterwards."""
    docker_client.write_config(LESSON)
    for name in docker_client.UNSET:
        monkeypatch.delenv(name, raising=False)
    for name, value in course.environment(LESSON).items():
        monkeypatch.setenv(name, value)
    assert os.environ["DOCKER_CONFIG"].endswith(LESSON)
    clean()
    yield Scene()
    clean()
