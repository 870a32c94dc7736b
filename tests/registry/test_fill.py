"""Filling the course registry. A second real registry stands in for Docker Hub."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dockyard import registry
from dockyard.core import paths, wait
from dockyard.engine import debian_archive
from dockyard.exceptions import DiskFull, RegistryError, UsageError
from dockyard.registry import digests as recorded_digests
from dockyard.registry import hub, server
from dockyard.registry.fill import check_room
from dockyard.registry.image_catalog import by_reference, images
from dockyard.registry.offline import debian_rootfs
from dockyard.registry.verify import is_complete, origin
from tests.registry.samples import (
    NOBODY,
    blob_file,
    damage,
    digests,
    faults,
    needs_docker_registry,
    say,
    store_image,
    store_index,
)

pytestmark = needs_docker_registry
BOX = by_reference()["busybox:latest"]


@pytest.fixture
def stand_in(own, other, monkeypatch, other_storage, store_all):
    """Docker Hub's place, with every image of the catalog; own has what Hub cannot have."""
    store_all(other_storage, from_hub=True)
    store_what_hub_lacks()
    store_index(other, images()[0])
    monkeypatch.setenv("DOCKYARD_HUB", other.url)
    return other


def store_what_hub_lacks():
    with server.writer() as writer:
        for image in images():
            if not image.hub:
                store_image(writer, image)


@pytest.fixture
def offline(own, stand_in, monkeypatch):
    """The filled course registry, when there is no network any more."""
    registry.fill(own, None, say)
    for name in ("DOCKYARD_HUB", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, NOBODY)
    return own


def test_images_come_from_hub_with_the_digests_they_have_there(own, stand_in):
    registry.fill(own, None, say)
    assert digests(own) == digests(stand_in)
    assert faults(registry.verify(own, recorded_digests.load())) == {}
    assert recorded_digests.load().keys() == by_reference().keys()


def test_no_writer_is_left_after_filling(own, stand_in):
    registry.fill(own, None, say)
    assert server.WRITER.process() is None
    assert not list(paths.home().glob("registry-writer*"))


def test_what_is_there_is_not_fetched_again(offline, monkeypatch):
    monkeypatch.setattr(server, "writer", None)
    said = []
    registry.fill(offline, None, said.append)
    assert said == []


def test_only_what_is_missing_is_fetched(own, stand_in):
    registry.fill(own, None, say)
    entry = by_reference()["registry:2"]
    shutil.rmtree(server.storage() / "docker/registry/v2/repositories/library/registry")
    said = []
    registry.fill(own, None, said.append)
    assert [line for line in said if line.startswith("copied")] == [
        line for line in said if entry.reference in line
    ]
    assert digests(own) == digests(stand_in)


def test_one_platform_is_copied_unless_all_are_asked_for(own, stand_in):
    image = images()[0]
    tag = image.tags[0]
    registry.fill(own, None, say)
    assert not own.manifest(image.repository, tag).is_index
    shutil.rmtree(server.storage() / "docker/registry/v2/repositories")
    store_what_hub_lacks()
    registry.fill(own, None, say, all_platforms=True)
    copied, original = (reg.manifest(image.repository, tag) for reg in (own, stand_in))
    assert copied.is_index
    assert copied.digest == original.digest


def test_an_image_that_hub_does_not_give_is_named(own, other, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HUB", other.url)
    with pytest.raises(RegistryError, match="could not be copied from Docker Hub") as caught:
        registry.fill(own, None, say, "hub")
    assert "unknown" in caught.value.why
    assert server.WRITER.process() is None


def test_without_any_network_the_way_out_is_named(own, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HUB", NOBODY)
    assert not hub.answers()
    with pytest.raises(RegistryError, match="Docker Hub does not answer") as caught:
        registry.fill(own, None, say, "hub")
    assert "DOCKYARD_SOURCE=debian" in caught.value.next
    monkeypatch.setenv("http_proxy", NOBODY)
    with pytest.raises(RegistryError, match="mirror does not answer") as caught:
        debian_rootfs.released("bookworm")
    assert debian_archive.mirror() in caught.value.why
    assert "registry import FILE" in caught.value.next


def test_an_unknown_source_is_a_usage_error(own):
    with pytest.raises(UsageError, match="'elsewhere' is not a source"):
        registry.fill(own, None, say, "elsewhere")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounts a small disk")
def test_a_disk_that_is_too_small_is_named_with_what_is_needed(tmp_path, monkeypatch):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "small", tmp_path], check=True)
    try:
        monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
        with pytest.raises(DiskFull, match="8 MB are free") as caught:
            check_room(images())
        assert "need about" in caught.value.why
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_images_of_the_course_are_replaced_when_docker_hub_is_asked_for(own, stand_in, store_all):
    store_all(server.storage())
    said = []
    registry.fill(own, None, said.append)
    assert said == [], "without a wish, what is there stays"
    registry.fill(own, None, say, "hub")
    assert digests(own) == digests(stand_in)
    assert {origin(own, image) for image in images() if image.hub} == {""}


def test_images_from_docker_hub_are_replaced_when_debian_packages_are_asked_for(
    own, stand_in, monkeypatch
):
    asked = []

    class Recorder:
        def __init__(self, *settings):
            pass

        def make(self, absent):
            asked.extend(absent)

    registry.fill(own, None, say)
    monkeypatch.setattr(sys.modules["dockyard.registry.fill"], "Maker", Recorder)
    registry.fill(own, None, say, "debian")
    assert asked == [image for image in images() if image.hub]


def test_each_image_is_announced_once_it_can_be_pulled(own, stand_in):
    announced = []

    def stored(image):
        assert is_complete(own, image)
        announced.append(image)

    registry.fill(own, None, say, stored=stored)
    assert set(announced) == set(images())
    assert len(announced) == len(images())


def test_the_environment_says_where_images_come_from(monkeypatch):
    monkeypatch.delenv("DOCKYARD_SOURCE", raising=False)
    assert registry.source() == "auto"
    assert registry.source("debian") == "debian"
    monkeypatch.setenv("DOCKYARD_SOURCE", "hub")
    assert registry.source("debian") == "hub"


# Repairing


def test_every_damaged_blob_is_fetched_again(own, stand_in):
    registry.fill(own, None, say)
    config, *_, layer = own.manifest("library/httpd", "2.4").blobs()
    damage(layer["digest"])
    registry.fill(own, None, say)
    assert faults(registry.verify(own)), "sizes alone do not show it"
    damage(config["digest"])
    said = []
    registry.fill(own, None, said.append, deep=True)
    assert faults(registry.verify(own)) == {}
    assert digests(own) == digests(stand_in)
    assert len([line for line in said if line.startswith("discarding")]) == 2


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schemaVersion": 2}', None])
def test_a_damaged_manifest_is_fetched_again(own, stand_in, content):
    registry.fill(own, None, say)
    file = blob_file(own.manifest(BOX.repository, "latest").digest)
    file.write_bytes(file.read_bytes() + b" " if content is None else content)
    registry.fill(own, None, say, deep=True)
    assert faults(registry.verify(own, recorded_digests.load())) == {}
    assert digests(own) == digests(stand_in)


def test_a_manifest_that_was_changed_is_fetched_again_at_the_next_start(own, stand_in):
    registry.fill(own, None, say)
    file = blob_file(own.manifest(BOX.repository, "latest").digest)
    file.write_bytes(file.read_bytes() + b" ")
    registry.fill(own, None, say)
    assert digests(own) == digests(stand_in)


def test_a_replaced_tag_is_set_back_without_any_network(offline):
    before = digests(offline)
    with server.writer() as writer:
        # One that Hub has, and one that is made on this computer.
        for reference in ("busybox:latest", "dockyard-vm:1"):
            tag = reference.partition(":")[2]
            store_image(writer, by_reference()[reference], tags=[tag], files="evil files")
    assert digests(offline) != before
    said = []
    registry.fill(offline, None, said.append)
    assert [line.partition(" ")[0] for line in said] == ["busybox:latest", "dockyard-vm:1"]
    assert digests(offline) == before
    assert faults(registry.verify(offline, recorded_digests.load())) == {}


def test_a_replaced_tag_is_fetched_when_its_image_is_gone(own, stand_in):
    registry.fill(own, None, say)
    stored = own.manifest(BOX.repository, "latest")
    with server.writer() as writer:
        store_image(writer, BOX, files="evil files")
    shutil.rmtree(blob_file(stored.digest).parent)
    registry.fill(own, None, say)
    assert digests(own) == digests(stand_in)


def test_a_replaced_tag_is_removed_when_its_image_cannot_be_fetched(offline):
    stored = offline.manifest(BOX.repository, "latest")
    with server.writer() as writer:
        store_image(writer, BOX, files="evil files")
    shutil.rmtree(blob_file(stored.digest).parent)
    for _ in range(2):
        with pytest.raises(RegistryError):
            registry.fill(offline, None, say, "hub")
        assert offline.manifest(BOX.repository, "latest") is None
        assert "busybox:latest" not in recorded_digests.load()


def test_what_an_earlier_edition_stored_is_read_once_and_recorded(own, stand_in, home):
    registry.fill(own, None, say)
    file = home / "registry-digests.json"
    recorded = file.read_text()
    file.unlink()
    damage(own.manifest("library/httpd", "2.4").blobs()[-1]["digest"])
    registry.fill(own, None, say)
    assert file.read_text() == recorded
    assert faults(registry.verify(own)) == {}


# Filling that is killed


class SilentHub(BaseHTTPRequestHandler):
    """Answers to its name, and then never again."""

    def do_GET(self):
        if self.path == "/v2/":
            self.send_response(200)
            self.end_headers()
        else:
            self.server.asked.set()
            self.server.over.wait()

    def do_HEAD(self):
        self.do_GET()

    def log_message(self, *words):
        pass


@pytest.fixture
def silent_hub(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), SilentHub) as running:
        running.asked, running.over = threading.Event(), threading.Event()
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKYARD_HUB", f"http://127.0.0.1:{running.server_address[1]}")
        yield running
        running.over.set()
        running.shutdown()


FILL = """
from dockyard import registry
from dockyard.registry import server
registry.fill(server.find(), None, print)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_next_start_stops_the_writer_of_a_killed_filling(own, silent_hub, how):
    with subprocess.Popen([sys.executable, "-c", FILL], cwd=paths.CHECKOUT) as running:
        assert silent_hub.asked.wait(60)
        assert server.WRITER.process() is not None
        running.send_signal(how)
    silent_hub.over.set()
    assert server.start(say) == own
    assert server.WRITER.process() is None
    assert not list(paths.home().glob("registry-writer*"))


def test_stopping_the_course_stops_the_writer_too(own, silent_hub):
    with subprocess.Popen([sys.executable, "-c", FILL], cwd=paths.CHECKOUT) as running:
        assert silent_hub.asked.wait(60)
        server.stop()
        silent_hub.over.set()
    assert running.returncode != 0
    wait.until("no writer", lambda: server.WRITER.process() is None, 30)
