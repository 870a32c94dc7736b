"""Images on their way between an engine and the registry."""

import contextlib

import docker
import pytest

from dockyard import registry
from tests.registry.containers import (
    certificates,
    once,
    port_of,
    tls,
)
from tests.registry.samples import say

pytestmark = pytest.mark.engine


def test_images_reach_a_daemon_that_cannot_reach_the_registry(boat, aboard, filled, tmp_path):
    folder = certificates(boat, tmp_path / "client")
    address = f"tcp://127.0.0.1:{port_of(boat, '2376/tcp')}"
    with contextlib.closing(docker.DockerClient(base_url=address, tls=tls(folder))) as there:
        registry.pull_into(filled, there, say, ["hello-world:latest"])
        hello = there.images.get("hello-world:latest")
        assert "Hello from Docker!" in once(there, "hello-world")
        # A learner's own busybox:latest, which happens to be another image.
        hello.tag("busybox", "latest")
        registry.pull_into(filled, there, say, ["busybox:latest", "busybox:1"])
        assert there.images.get("busybox:latest").id == hello.id
        assert there.images.get("busybox:1").id != hello.id
        assert once(there, "busybox:1", "echo", "ahoy") == "ahoy\n"
        tags = {tag for image in there.images.list() for tag in image.tags}
        assert tags == {"hello-world:latest", "busybox:latest", "busybox:1"}
