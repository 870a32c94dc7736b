"""Making images from Debian packages on a real engine."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from dockyard import registry
from dockyard.core import docker_client as course_client
from dockyard.exceptions import RegistryError
from dockyard.registry import server, transfer
from dockyard.registry.image_catalog import by_reference
from dockyard.registry.offline.maker import Maker
from tests.registry.containers import (
    PREFIX,
    everything,
    need,
)
from tests.registry.samples import say

pytestmark = pytest.mark.engine


EMPTY_TAR = b"\0" * 10240


@pytest.fixture
def workshop(filled, home):
    """A registry of its own with nothing but a base, for making images."""
    server.start(say)
    with server.writer() as writer:
        for tag in by_reference()["debian:bookworm-slim"].tags:
            transfer.store(
                writer,
                f"docker://{filled.address}/library/debian:{tag}",
                f"debian:{tag}",
                "--src-tls-verify=false",
                what="the base",
            )
        yield writer


def test_making_images_leaves_the_engine_as_it_was(engine, filled, workshop):
    need(engine, filled, "busybox", "hello-world", "debian:bookworm-slim")
    before = everything(engine)
    Maker(workshop, engine, say).make([by_reference()["hello-world:latest"]])
    assert everything(engine) == before
    made = {finding.reference for finding in registry.verify(workshop) if not finding.fault}
    bases = ("debian:bookworm-slim", "busybox:latest", "hello-world:latest")
    assert made == {each for base in bases for each in by_reference()[base].references}


def test_a_failing_build_says_why_and_leaves_nothing(engine, filled, workshop):
    need(engine, filled, "debian:bookworm-slim")
    before = everything(engine)
    broken = msgspec.structs.replace(by_reference()["redis:7"], packages=("no-such-package",))
    with pytest.raises(RegistryError, match="redis:7 could not be built") as caught:
        Maker(workshop, engine, say).make([broken])
    assert "no-such-package" in caught.value.why
    assert everything(engine) == before


def test_images_that_others_remove_meanwhile_do_not_end_a_making(engine, filled):
    ended = threading.Event()

    def come_and_go(number):
        name = f"{PREFIX}passing-{number}"
        with contextlib.closing(course_client.connect()) as own:
            while not ended.is_set():
                own.api.import_image_from_data(EMPTY_TAR, repository=name, tag="1")
                own.images.remove(f"{name}:1")

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(come_and_go, number) for number in range(4)]
        try:
            for _ in range(20):
                Maker(filled, engine, say).make([])
        finally:
            ended.set()
    assert [other.result() for other in others] == [None] * 4


def test_no_name_of_a_build_is_left(engine):
    tags = {tag for image in engine.images.list() for tag in image.tags}
    assert not [tag for tag in tags if tag.startswith("dockyard-build/")]
