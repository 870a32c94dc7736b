"""Takes back what a way has done in an attempt at a lab, so that another way begins where it did.

A new attempt would be as good, but setting a lab's scene takes longer than most ways. Daemons in
containers that can be reached over TLS are put back, too, but for their images.
"""

import time
from contextlib import closing, suppress
from dataclasses import dataclass

from docker.errors import APIError

from dockyard import cleanup
from dockyard.core import docker_client, paths
from dockyard.core.labels import LESSON
from dockyard.labs import executions
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet

READING = ("archive-path", "export", "top", "attach", "resize")
"""Events of a container that change nothing in it."""


@dataclass(frozen=True)
class Present:
    """The objects and files of an attempt."""

    containers: set
    networks: set
    volumes: set
    images: dict
    files: dict
    """The content of each file by its path; None for a folder."""

    daemons: dict
    """The containers, networks and volumes of the daemons in containers, by the container's id."""


class WayBack:
    """Remembers an attempt as it is; ``back()`` makes it so again, if that is possible."""

    def __init__(self, attempt):
        self._attempt = attempt
        self._since = time.time()
        with closing(docker_client.connect()) as daemon:
            self._before = self._look(daemon)

    def back(self):
        """Remove what is new. False when a way has changed what was there before."""
        until = time.time()
        with closing(docker_client.connect()) as daemon:
            if self._was_changed(daemon, until):
                return False
            if not self._daemons_back(daemon):
                return False
            now = self._look(daemon)
            for id in now.containers - self._before.containers:
                _ignoring(daemon.api.remove_container, id, v=True, force=True)
            for id in now.networks - self._before.networks:
                _ignoring(daemon.api.remove_network, id)
            for name in now.volumes - self._before.volumes:
                _ignoring(daemon.api.remove_volume, name, force=True)
            for name in now.images.keys() - self._before.images.keys():
                _ignoring(daemon.api.remove_image, name, force=True)
            for name, id in self._before.images.items():
                if now.images.get(name) != id:
                    repository, _, tag = name.rpartition(":")
                    _ignoring(daemon.api.tag, id, repository, tag)
            now = self._look(daemon)
            if (now.containers, now.networks, now.volumes) != (
                self._before.containers,
                self._before.networks,
                self._before.volumes,
            ):
                return False
            if now.images != self._before.images:
                return False
        return self._files_back(now.files)

    def _look(self, daemon):
        stems = tuple(value for value in self._attempt.values.values() if not value.isdigit())
        lesson = self._attempt.lesson

        def ours(labels, *names):
            given = (labels or {}).get(LESSON)
            return given == lesson or (
                not given and any(name.lstrip("/").startswith(stems) for name in names)
            )

        api = daemon.api
        containers = {
            each["Id"]
            for each in api.containers(all=True)
            if ours(each["Labels"], *(each["Names"] or ()))
        }
        with closing(Probe(daemon, self._attempt)) as probe:
            daemons = {id: _inside(inner) for id, inner in _second(probe, containers).items()}
        return Present(
            containers,
            {each["Id"] for each in api.networks() if ours(each["Labels"], each["Name"])},
            {
                each["Name"]
                for each in api.volumes()["Volumes"] or ()
                if ours(each["Labels"], each["Name"])
            },
            {
                name: each["Id"]
                for each in cleanup.list_images(api)
                for name in each["RepoTags"] or ()
                if any(part.startswith(stems) for part in name.split("/"))
            },
            _files(self._attempt.work) | _files(paths.docker_config(lesson)),
            daemons,
        )

    def _daemons_back(self, daemon):
        """Remove what is new in the daemons in containers. False when something old has changed."""
        with closing(Probe(daemon, self._attempt)) as probe:
            for id, inner in _second(probe, self._before.daemons).items():
                before, now = self._before.daemons[id], _inside(inner)
                for name in now["containers"].keys() - before["containers"].keys():
                    _ignoring(inner.daemon.api.remove_container, name, v=True, force=True)
                for name in now["networks"] - before["networks"]:
                    _ignoring(inner.daemon.api.remove_network, name)
                for name in now["volumes"] - before["volumes"]:
                    _ignoring(inner.daemon.api.remove_volume, name, force=True)
                if _inside(inner) != before:
                    return False
        return True

    def _was_changed(self, daemon, until):
        span = {"since": f"{self._since:.9f}", "until": f"{until:.9f}"}
        events = list(daemon.events(decode=True, **span))  # to the end, which closes the stream
        return any(self._is_change(event) for event in events)

    def _is_change(self, event):
        """Whether an event changes an object that was there before."""
        id, action = event["Actor"]["ID"], event["Action"]
        attributes = event["Actor"]["Attributes"] or {}
        if attributes.get("execID") in executions.known():
            return False  # a check has looked into it
        if event["Type"] == "container":
            return id in self._before.containers and not action.startswith(READING)
        if event["Type"] == "network":
            return attributes.get("container") in self._before.containers
        if event["Type"] == "volume" and id in self._before.volumes:
            return action != "unmount" and attributes.get("read/write") != "false"
        return False

    def _files_back(self, now):
        for path in sorted(now.keys() - self._before.files.keys(), reverse=True):
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
            else:
                path.rmdir()
        for path, content in sorted(self._before.files.items()):
            if content is None:
                if not path.exists():
                    path.mkdir()
            elif now.get(path) != content:
                path.write_bytes(content)
        return True


def _second(probe, containers):
    """Probes of the daemons that answer in some of the containers, by the container's id."""
    found = {}
    for id in containers:
        # Those without a daemon, or with one that has not been told to listen.
        with suppress(NotYet, APIError):
            found[id] = probe.daemon_in(probe.running(id))
    return found


def _inside(inner):
    api = inner.daemon.api
    return {
        "containers": {each["Id"]: each["State"] for each in api.containers(all=True)},
        "networks": {each["Id"] for each in api.networks()},
        "volumes": {each["Name"] for each in api.volumes()["Volumes"] or ()},
    }


def _files(folder):
    """The contents of the files in a folder by path; None for other things."""
    return {
        path: path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
    }


def _ignoring(action, *arguments, **options):
    # What is left is noticed by comparison.
    with suppress(APIError):
        action(*arguments, **options)
