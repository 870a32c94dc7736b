"""Verifying the course registry."""

import pytest

from dockyard import registry
from dockyard.engine.discovery import architecture
from dockyard.registry import digests, server, storage
from dockyard.registry.image_catalog import by_reference, images
from tests.registry.samples import (
    blob_file,
    command,
    damage,
    faults,
    needs_docker_registry,
    other_architecture,
    store_image,
    store_index,
)

pytestmark = needs_docker_registry
BOX = by_reference()["busybox:latest"]


def test_a_whole_registry_has_no_fault(own, store_all):
    store_all(server.storage())
    findings = registry.verify(own)
    assert faults(findings) == {}
    assert [finding.reference for finding in findings] == list(by_reference())
    assert all(finding.origin.startswith("made from Debian packages") for finding in findings)


def test_every_image_is_reported_for_an_empty_registry(own):
    assert all("not in the registry" in finding.fault for finding in registry.verify(own))
    assert all("not in the registry" in finding.fault for finding in registry.list_images(own))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: content[:-1] + b"?", "does not have this digest"),
        (lambda content: content[:-1], "instead of"),
        (lambda content: content + b"more", "instead of"),
    ],
    ids=["changed", "truncated", "longer"],
)
def test_a_damaged_blob_is_found_and_discarded(own, spoil, words):
    image = images()[0]
    with server.writer() as writer:
        layer = store_image(writer, image).blobs()[1]
    file = blob_file(layer["digest"])
    file.write_bytes(spoil(file.read_bytes()))
    found = {
        reference: fault
        for reference, fault in faults(registry.verify(own)).items()
        if reference in image.references
    }
    assert set(found) == set(image.references)
    assert all(words in fault for fault in found.values())
    assert storage.discard_damaged_blobs(None) == [layer["digest"]]
    assert own.blob_size(image.repository, layer["digest"]) is None
    with server.writer() as writer:
        store_image(writer, image)
    assert storage.discard_damaged_blobs(None) == []
    assert not faults(registry.verify(own)).keys() & set(image.references)


def test_a_manifest_that_is_no_manifest_is_found(own):
    with server.writer() as writer:
        file = blob_file(store_image(writer, BOX).digest)
    for content in (b"", b"[", b"{"):
        file.write_bytes(content)
        assert "latest" in str(faults(registry.verify(own)).keys())
        assert faults(registry.verify(own))["busybox:latest"]


def test_an_image_for_another_kind_of_machine_is_found(own):
    with server.writer() as writer:
        store_image(writer, images()[0], arch=other_architecture())
    assert registry.verify(own)[0].fault == (
        f"made for linux/{other_architecture()}, not for linux/{architecture()}"
    )


def test_an_index_counts_with_its_manifest_for_this_machine(own):
    image = images()[0]
    with server.writer() as writer:
        index = store_index(writer, image)
    finding = registry.verify(own)[0]
    assert finding.fault == ""
    assert finding.digest == index["manifests"][1]["digest"]


# Against what was recorded


@pytest.fixture
def recorded(own, store_all):
    """The course registry with all images, and their digests recorded."""
    store_all(server.storage())
    digests.record(own)
    return own


def test_the_first_verify_records_what_an_earlier_edition_stored(own, home, store_all):
    store_all(server.storage())
    assert not (home / "registry-digests.json").exists()
    assert command("verify").returncode == 0
    found = digests.load()
    assert found.keys() == by_reference().keys()
    assert found["busybox:latest"] == own.manifest(BOX.repository, "latest").digest


def test_a_first_verify_that_finds_a_fault_records_nothing(own, home, store_all):
    store_all(server.storage())
    with server.writer() as writer:
        damage(store_image(writer, BOX).blobs()[1]["digest"])
    assert command("verify").returncode == 1
    assert digests.load() == {}


def test_a_tag_that_was_given_to_another_image_is_found(recorded):
    assert command("verify").returncode == 0
    with server.writer() as writer:
        store_image(writer, BOX, tags=["latest"], files="evil files")
    assert list(faults(registry.verify(recorded))) == []
    found = faults(registry.verify(recorded, digests.load()))
    assert list(found) == ["busybox:latest"]
    assert found["busybox:latest"].startswith("not the image that was stored")
    verified = command("verify")
    assert verified.returncode == 1
    assert "busybox:latest" in verified.stdout
    assert "registry fill" in verified.stderr


def test_a_tag_that_was_given_to_another_image_on_the_disk_is_found(recorded):
    tags = server.storage() / "docker/registry/v2/repositories/library/busybox/_manifests/tags"
    with server.writer() as writer:
        evil = store_image(writer, BOX, tags=["evil"], files="evil files")
    (tags / "latest/current/link").write_text(evil.digest)
    assert recorded.manifest(BOX.repository, "latest").digest == evil.digest
    assert list(faults(registry.verify(recorded, digests.load()))) == ["busybox:latest"]


def test_a_manifest_that_was_changed_on_the_disk_is_found(recorded):
    file = blob_file(recorded.manifest(BOX.repository, "latest").digest)
    file.write_bytes(file.read_bytes() + b" ")
    assert list(faults(registry.verify(recorded, digests.load()))) == BOX.references
