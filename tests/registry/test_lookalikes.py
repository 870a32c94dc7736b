"""The sentence about images that are not the official ones."""

from dockyard import registry
from dockyard.registry import server
from dockyard.registry.image_catalog import by_reference
from tests.registry.samples import needs_docker_registry, store_image

pytestmark = needs_docker_registry


def test_images_that_the_course_made_are_named_once(own):
    with server.writer() as writer:
        for reference in ("httpd:2.4", "busybox:latest", "dockyard-vm:1"):
            store_image(writer, by_reference()[reference])
        store_image(writer, by_reference()["redis:8"], labels={"from": "hub"})
    said = registry.remark(
        ["httpd:2.4", "busybox:latest", "busybox:1", "redis:8", "dockyard-vm:1", "python:3.13-slim"]
    )
    assert said.startswith("The course made its busybox and httpd from Debian packages")


def test_official_images_need_no_words(own):
    with server.writer() as writer:
        store_image(writer, by_reference()["redis:8"], labels={"from": "hub"})
    assert registry.remark(["redis:8"]) == ""
    assert registry.remark(["somebody/else:1"]) == ""


def test_without_a_registry_nothing_is_said(home):
    assert registry.remark(["busybox:latest"]) == ""
