"""Registries of a test's own, beside the course registry."""

import json
import socket
import subprocess

from dockyard.core import ports, wait
from dockyard.engine import engine_root


class RegistryProcess:
    """A registry process on loopback; unless settings say otherwise, anybody may push to it."""

    def __init__(self, folder, **settings):
        self.storage = folder / "storage"
        self.address = f"127.0.0.1:{ports.choose()}"
        http = {"addr": self.address, "secret": "of this test"} | settings.pop("http", {})
        config = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}},
            "http": http,
        }
        (folder / "registry.yml").write_text(json.dumps(config | settings))
        self.log = folder / "registry.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [engine_root.program("docker-registry"), "serve", folder / "registry.yml"],
                stdout=log, stderr=log,
            )  # fmt: skip
        wait.until("the registry", self._listens, 20, log=self.log)

    def _listens(self):
        assert self.process.poll() is None, self.log.read_text()
        host, _, port = self.address.partition(":")
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
