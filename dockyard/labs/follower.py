"""Follows an attempt: judges its tasks again only when something has happened.

The side bar, the panels of labs and drills and ``check --watch`` follow attempts this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import docker
import requests

from dockyard.core import docker_client
from dockyard.exceptions import EngineNotRunning
from dockyard.labs import judge
from dockyard.labs.attempt import Attempt
from dockyard.labs.verdict import Verdict
from dockyard.labs.watch import Watch


class Follower:
    """An attempt that is looked at again and again, such as every second."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self._watch: Watch | None = Watch(attempt)

    def look(self, tasks: Sequence[str]) -> list[Verdict]:
        """The verdicts on these tasks; empty when nothing has happened since the last look.

        The first look, and the first one after the daemon was away, always judges. Raises
        EngineNotRunning or what progress_file.change() does.
        """
        if not tasks:
            return []
        try:
            with closing(docker_client.connect(untraced=True)) as daemon:
                self._watch = self._watch or Watch(self.attempt)
                return judge.judge(self.attempt, tasks) if self._watch.changed(daemon) else []
        except (docker.errors.DockerException, requests.RequestException):
            self._watch = None
            raise EngineNotRunning("It stopped answering while it was watched.") from None
        except BaseException:
            self._watch = None
            raise
