"""The course registry by itself: real registry processes, small images, no engine."""

import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import psutil
import pytest

from dockyard import registry
from dockyard.core import paths
from dockyard.engine import debian_archive, system_packages
from dockyard.engine.discovery import architecture
from dockyard.exceptions import (
    DiskFull,
    InstallFailed,
    InstallRefused,
    PortInUse,
    RegistryError,
    UnwritableFolder,
    UsageError,
)
from dockyard.registry import hub, server
from dockyard.registry.api import INDEXES, MANIFESTS, Manifest
from dockyard.registry.fill import check_room
from dockyard.registry.image_catalog import ORIGIN, RECIPE, by_reference, images
from dockyard.registry.offline import debian_rootfs
from dockyard.registry.verify import damaged_blobs

pytestmark = pytest.mark.skipif(
    system_packages.which("docker-registry") is None, reason="needs the program docker-registry"
)
TYPES = {
    "application/vnd.oci.image.manifest.v1+json": (
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar",
    ),
    "application/vnd.docker.distribution.manifest.v2+json": (
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar",
    ),
}
NOBODY = "http://127.0.0.1:9"


def say(text):
    print(text)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, with its own registries; all of them are ended afterwards."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    yield paths.home()
    for name in ("registry", "second"):
        server.stop(name)


@pytest.fixture
def own(home):
    """The registry of that home."""
    return server.start(say)


@pytest.fixture
def second(home):
    """Another registry in the same home."""
    return server.start(say, name="second")


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def put(reg, repository, content):
    reg.put_blob(repository, digest_of(content), iter([content]))
    return {"digest": digest_of(content), "size": len(content)}


def store_image(reg, image, *, tags=None, arch=None, labels=None, kind=MANIFESTS[1]):
    """Store a small but whole image of one layer as a catalogue entry; return its manifest."""
    layer = f"files of {image.reference} for {arch}\n".encode() * 2000
    config = {
        "os": "linux",
        "architecture": arch or architecture(),
        "config": {"Labels": labels or {ORIGIN: image.origin, RECIPE: image.recipe}},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
    }
    document = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {
            "mediaType": TYPES[kind][0],
            **put(reg, image.repository, json.dumps(config).encode()),
        },
        "layers": [
            {
                "mediaType": TYPES[kind][1],
                **put(reg, image.repository, layer),
            }
        ],
    }
    content = json.dumps(document).encode()
    manifest = Manifest(content, kind, digest_of(content), document)
    for tag in image.tags if tags is None else tags:
        reg.put_manifest(image.repository, tag, manifest)
    return manifest


def store_all(reg):
    for image in images():
        store_image(reg, image)


def store_what_hub_lacks(reg):
    for image in images():
        if not image.hub:
            store_image(reg, image)


def digests(reg):
    return {finding.reference: finding.digest for finding in registry.list_images(reg)}


def blob_file(digest, name="registry"):
    number = digest.partition(":")[2]
    blobs = server.Place(name).storage / "docker/registry/v2/blobs/sha256"
    return blobs / number[:2] / number / "data"


# The catalogue


def test_each_image_says_once_what_it_is_and_how_it_is_made():
    counted = Counter(reference for image in images() for reference in image.references)
    assert set(counted.values()) == {1}
    for image in images():
        assert image.purpose
        assert image.platforms == ("linux/amd64", "linux/arm64")
        assert bool(image.suite) != (image.context / "Dockerfile").exists()
        if image.base:
            assert images().index(by_reference()[image.base]) < images().index(image)


def test_every_file_for_building_belongs_to_an_image():
    folders = {image.context for image in images() if not image.suite}
    assert folders == set((Path(registry.__file__).parent / "offline" / "images").iterdir())


def test_the_recipe_of_an_image_changes_with_that_of_its_base():
    recipes = {image.reference: image.recipe for image in images()}
    assert len(set(recipes.values())) == len(recipes)
    assert all(len(recipe) == 12 for recipe in recipes.values())


# The process


def test_starting_twice_finds_the_same_registry(own):
    before = server.Place().service.process().pid
    assert server.start(say) == own == server.find()
    assert server.Place().service.process().pid == before


def test_the_port_stays_when_the_registry_is_started_again(own):
    server.stop()
    assert not own.answers()
    with pytest.raises(RegistryError, match="not running"):
        server.find()
    assert server.start(say) == own


def test_a_killed_registry_is_started_again_with_its_images(own):
    store_image(own, images()[0])
    killed = server.Place().service.process()
    killed.kill()
    psutil.wait_procs([killed], timeout=5)
    assert server.start(say) == own
    assert registry.list_images(own)[0].fault == ""


def test_a_remembered_port_that_another_program_took_is_given_up(own):
    server.stop()
    with socket.create_server(("127.0.0.1", int(own.address.partition(":")[2]))):
        moved = server.start(say)
    assert moved != own
    assert moved.answers()
    assert server.find() == moved


def test_a_busy_port_that_was_asked_for_is_refused(home):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=str(port)):
            server.start(say, port=port)


def test_the_registry_listens_on_loopback_only(own):
    listening = {
        connection.laddr.ip
        for connection in server.Place().service.process().net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_a_read_only_home_is_named_with_another_place_to_choose(monkeypatch):
    # Even root cannot make a folder there.
    monkeypatch.setenv("DOCKYARD_HOME", "/sys/dockyard")
    with pytest.raises(UnwritableFolder, match="/sys/dockyard") as caught:
        server.start(say)
    assert "DOCKYARD_HOME=" in str(caught.value)


def test_a_registry_that_ends_at_once_is_not_waited_for(home, monkeypatch, tmp_path):
    broken = tmp_path / "docker-registry"
    broken.write_text("#!/bin/sh\necho no such option >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(system_packages, "SEARCH", f"{tmp_path}:{system_packages.SEARCH}")
    with pytest.raises(RegistryError, match="ended instead of starting") as caught:
        server.start(say)
    assert "no such option" in caught.value.why


def test_a_missing_program_is_named_with_the_command_that_installs_it(home, monkeypatch, tmp_path):
    (tmp_path / "apt-get").touch(0o755)
    monkeypatch.setattr(system_packages, "SEARCH", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setenv("CI", "")
    with pytest.raises(InstallRefused, match="docker-registry"):
        server.start(say)
    (tmp_path / "apt-get").unlink()
    with pytest.raises(InstallFailed, match="docker-registry"):
        server.start(say)


# Verifying


def test_a_whole_registry_has_no_fault(own):
    store_all(own)
    findings = registry.verify(own)
    assert {finding.fault for finding in findings} == {""}
    assert [finding.reference for finding in findings] == list(by_reference())
    assert all(finding.origin.startswith("made from Debian packages") for finding in findings)


def test_an_empty_registry_lacks_every_image(own):
    assert all("not in the registry" in finding.fault for finding in registry.verify(own))
    assert all("not in the registry" in finding.fault for finding in registry.list_images(own))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: content[:-1] + b"?", "does not have the digest"),
        (lambda content: content[:-1], "instead of"),
        (lambda content: content + b"more", "instead of"),
    ],
    ids=["changed", "truncated", "longer"],
)
def test_a_damaged_blob_is_found_and_discarded(own, spoil, words):
    image = images()[0]
    layer = store_image(own, image).blobs()[1]
    file = blob_file(layer["digest"])
    file.write_bytes(spoil(file.read_bytes()))
    faults = {
        finding.reference: (finding.fault, finding.blob)
        for finding in registry.verify(own)
        if finding.blob
    }
    assert set(faults) == set(image.references)
    assert all(words in fault and blob == layer["digest"] for fault, blob in faults.values())
    assert damaged_blobs(own) == {layer["digest"]}
    server.discard_blob(layer["digest"])
    assert own.blob_size(image.repository, layer["digest"]) is None
    store_image(own, image)
    assert damaged_blobs(own) == set()


def test_an_image_for_another_kind_of_machine_is_found(own):
    other = "arm64" if architecture() == "amd64" else "amd64"
    store_image(own, images()[0], arch=other)
    assert registry.verify(own)[0].fault == (
        f"made for linux/{other}, not for linux/{architecture()}"
    )


def test_an_index_counts_with_its_manifest_for_this_machine(own):
    image = images()[0]
    index = store_index(own, image)
    finding = registry.verify(own)[0]
    assert finding.fault == ""
    assert finding.digest == index["manifests"][1]["digest"]


def store_index(reg, image):
    other = "arm64" if architecture() == "amd64" else "amd64"
    entries = []
    for arch in (other, architecture()):
        child = store_image(reg, image, tags=(), arch=arch, labels={"from": "hub"})
        reg.put_manifest(image.repository, child.digest, child)
        entries.append(
            {
                "mediaType": child.media_type,
                "digest": child.digest,
                "size": len(child.content),
                "platform": {"os": "linux", "architecture": arch},
            }
        )
    document = {"schemaVersion": 2, "mediaType": INDEXES[1], "manifests": entries}
    content = json.dumps(document).encode()
    for tag in image.tags:
        reg.put_manifest(
            image.repository, tag, Manifest(content, INDEXES[1], digest_of(content), document)
        )
    return document


# The archive


@pytest.fixture
def archive(own, tmp_path):
    store_all(own)
    store_index(own, images()[0])
    file = tmp_path / "course.tar"
    assert registry.export_archive(own, file) == len(by_reference())
    return file


def catalog_of(reg):
    import requests

    return requests.get(f"{reg.url}/v2/_catalog", timeout=5).json()["repositories"]


def test_an_archive_carries_every_image_with_its_digest(own, second, archive):
    assert registry.import_archive(second, archive) == len(by_reference())
    assert digests(second) == digests(own)
    assert {finding.fault for finding in registry.verify(second)} == {""}
    for image in images():
        for tag in image.tags:
            there, here = (reg.manifest(image.repository, tag) for reg in (second, own))
            assert (there.digest, there.media_type) == (here.digest, here.media_type)


def test_the_same_registry_gives_the_same_archive(own, archive, tmp_path):
    again = tmp_path / "again.tar"
    registry.export_archive(own, again)
    assert again.read_bytes() == archive.read_bytes()


def test_an_archive_is_an_oci_layout_that_skopeo_reads(own, archive, tmp_path):
    # skopeo reads OCI manifests from a layout; those pushed by older engines are Docker's.
    manifest = store_image(own, by_reference()["busybox:latest"], kind=MANIFESTS[0])
    registry.export_archive(own, archive)
    (tmp_path / "layout").mkdir()
    # Not with tarfile: Debian 12's Python warns or knows no filter, depending on its release.
    subprocess.run(["tar", "-x", "-f", archive, "-C", tmp_path / "layout"], check=True)
    words = ["skopeo", "inspect", "--raw", f"oci:{tmp_path}/layout:library/busybox:latest"]
    raw = subprocess.run(words, capture_output=True, check=True).stdout
    assert digest_of(raw) == manifest.digest


@pytest.mark.parametrize("part", [0, 1, 700, 0.1, 0.5, 0.9, 0.97])
def test_a_truncated_archive_changes_nothing(second, archive, part):
    content = archive.read_bytes()
    archive.write_bytes(content[: int(part * len(content)) if part < 1 else part])
    with pytest.raises(RegistryError, match="not a whole archive"):
        registry.import_archive(second, archive)
    assert catalog_of(second) == []


def test_an_archive_with_one_changed_byte_changes_nothing(second, archive):
    content = bytearray(archive.read_bytes())
    content[content.index(b"files of httpd")] ^= 1
    archive.write_bytes(content)
    with pytest.raises(RegistryError, match="does not have the digest"):
        registry.import_archive(second, archive)
    assert catalog_of(second) == []


def test_an_archive_that_lacks_a_blob_changes_nothing(second, archive, tmp_path):
    poorer = tmp_path / "poorer.tar"
    with tarfile.open(archive) as whole, tarfile.open(poorer, "w") as tar:
        blobs = [member for member in whole if member.name.startswith("blobs/")]
        left_out = max(blobs, key=lambda member: member.size)
        for member in whole.getmembers():
            if member is not left_out:
                tar.addfile(member, whole.extractfile(member))
    with pytest.raises(RegistryError, match="not a whole archive"):
        registry.import_archive(second, poorer)
    assert catalog_of(second) == []


def test_a_foreign_file_is_told_from_an_archive(second, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.write_bytes(os.urandom(5000))
    with pytest.raises(RegistryError, match="not a whole archive"):
        registry.import_archive(second, foreign)
    with tarfile.open(foreign, "w") as tar:
        tar.add(__file__, "README")
    with pytest.raises(RegistryError, match="not a whole archive"):
        registry.import_archive(second, foreign)
    with pytest.raises(RegistryError, match="There is no file"):
        registry.import_archive(second, tmp_path / "nothing")
    assert catalog_of(second) == []


def test_an_incomplete_or_damaged_registry_is_not_exported(own, tmp_path):
    file = tmp_path / "course.tar"
    with pytest.raises(RegistryError, match="is not in the registry"):
        registry.export_archive(own, file)
    store_all(own)
    layer = own.manifest("library/httpd", "2.4").blobs()[1]["digest"]
    blob_file(layer).write_bytes(blob_file(layer).read_bytes().replace(b"files", b"FILES"))
    with pytest.raises(RegistryError, match="is damaged"):
        registry.export_archive(own, file)
    assert list(tmp_path.glob("*.tar*")) == []


def test_an_archive_that_cannot_be_written_is_named(own, tmp_path):
    store_all(own)
    with pytest.raises(RegistryError, match="No such file or directory"):
        registry.export_archive(own, tmp_path / "no" / "folder" / "course.tar")


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "dockyard", "registry", *words],
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_archive_commands_start_the_registry_for_as_long_as_they_need_it(own, archive):
    listed = command("list", "--json")
    assert listed.returncode == 0
    server.stop()
    shutil.rmtree(server.Place().storage)
    empty = command("verify")
    assert empty.returncode == 1
    assert "python3 -m dockyard registry fill" in empty.stderr
    imported = command("import", str(archive), "--json")
    assert imported.returncode == 0, imported.stderr
    assert json.loads(imported.stdout) == {"file": str(archive), "tags": len(by_reference())}
    exported = command("export", str(archive), "--json")
    assert json.loads(exported.stdout) == json.loads(imported.stdout)
    assert command("list", "--json").stdout == listed.stdout
    assert command("verify").returncode == 0
    assert server.Place().service.process() is None


@pytest.mark.parametrize("words", [["export"], ["list", "a-file"], ["import"], ["empty"]])
def test_a_wrong_word_is_a_usage_error(home, words):
    done = command(*words)
    assert done.returncode == 2
    assert done.stderr


def test_a_missing_archive_is_one_clear_line_and_the_next_command(home, tmp_path):
    done = command("import", str(tmp_path / "nothing.tar"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"There is no file {tmp_path}/nothing.tar."
    assert "registry export" in done.stderr


# Filling: a second real registry stands in for Docker Hub


@pytest.fixture
def stand_in(own, second, monkeypatch):
    """Docker Hub's place, with every image of the catalogue; own has what Hub cannot have."""
    store_all(second)
    store_what_hub_lacks(own)
    store_index(second, images()[0])
    monkeypatch.setenv("DOCKYARD_HUB", second.url)
    return second


def test_images_come_from_hub_with_the_digests_they_have_there(own, stand_in):
    registry.fill(own, None, say)
    assert digests(own) == digests(stand_in)
    assert {finding.fault for finding in registry.verify(own)} == {""}


def test_what_is_there_is_not_fetched_again(own, stand_in, monkeypatch):
    registry.fill(own, None, say)
    monkeypatch.setenv("DOCKYARD_HUB", NOBODY)
    said = []
    registry.fill(own, None, said.append)
    assert said == []


def test_only_what_is_missing_is_fetched(own, stand_in):
    registry.fill(own, None, say)
    entry = by_reference()["redis:7"]
    shutil.rmtree(server.Place().storage / "docker/registry/v2/repositories/library/redis")
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
    shutil.rmtree(server.Place().storage / "docker/registry/v2/repositories")
    store_what_hub_lacks(own)
    registry.fill(own, None, say, all_platforms=True)
    copied, original = (reg.manifest(image.repository, tag) for reg in (own, stand_in))
    assert copied.is_index
    assert copied.digest == original.digest


def test_a_damaged_blob_is_fetched_again(own, stand_in):
    registry.fill(own, None, say)
    layer = own.manifest("library/httpd", "2.4").blobs()[1]["digest"]
    blob_file(layer).write_bytes(blob_file(layer).read_bytes().replace(b"files", b"FILES"))
    registry.fill(own, None, say)
    assert damaged_blobs(own) == {layer}, "sizes alone do not show it"
    registry.fill(own, None, say, deep=True)
    assert {finding.fault for finding in registry.verify(own)} == {""}


def test_an_image_that_hub_does_not_give_is_named(own, second, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HUB", second.url)
    with pytest.raises(RegistryError, match="could not be copied from Docker Hub") as caught:
        registry.fill(own, None, say, "hub")
    assert "unknown" in caught.value.why


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
    with pytest.raises(UsageError, match="'elsewhere' is no source"):
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
