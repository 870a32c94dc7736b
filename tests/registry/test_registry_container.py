"""The course registry in a container, where its program is missing."""

import json

import pytest
import requests

from dockyard import cleanup, registry
from dockyard.engine import engine_root
from dockyard.registry import registry_container, server, storage, transfer
from dockyard.registry.api import Registry
from dockyard.registry.image_catalog import by_reference
from tests.registry.containers import need, port_of
from tests.registry.samples import say, store_image

pytestmark = pytest.mark.engine
BOX = by_reference()["busybox:latest"]


@pytest.fixture
def contained(engine, filled, home, monkeypatch, tmp_path):
    """The registry of a home on a computer that has skopeo, but no docker-registry, as on macOS."""
    need(engine, filled, "registry:2")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "skopeo").write_text(engine_root.launcher("skopeo"))
    (tmp_path / "bin" / "skopeo").chmod(0o755)
    monkeypatch.setattr(engine_root, "can_be_had", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    yield server.start(say, client=engine)
    volume = registry_container.find(engine).attrs["Mounts"][0]["Name"]
    server.stop(client=engine)
    engine.volumes.get(volume).remove()


def test_the_registry_runs_in_a_container(contained, engine):
    assert contained.answers()
    assert server.READER.process() is None
    assert server.start(say, client=engine) == contained
    assert server.find() == contained
    assert registry.in_container()
    assert registry_container.find(engine).labels[cleanup.COURSE] == "1"


def test_the_container_can_be_removed_and_its_images_are_kept(contained, engine):
    with server.writer(engine) as writer:
        stored = store_image(writer, BOX)
    server.stop(client=engine)
    assert registry_container.find(engine) is None
    assert not registry.in_container()
    again = server.start(say, client=engine)
    assert again.manifest(BOX.repository, "latest").digest == stored.digest


def test_skopeo_copies_into_it(contained, engine, filled):
    with server.writer(engine) as writer:
        transfer.store(
            writer,
            f"docker://{filled.address}/library/busybox:latest",
            "busybox:latest",
            "--src-tls-verify=false",
            what="busybox",
        )
    copied = contained.manifest(BOX.repository, "latest")
    assert copied.digest == filled.manifest(BOX.repository, "latest").digest


def test_it_refuses_every_change(contained, engine):
    with server.writer(engine) as writer:
        stored = store_image(writer, BOX)
    inside = registry_container.find(engine).attrs["NetworkSettings"]["Networks"]["bridge"]
    for url in (contained.url, f"http://{inside['IPAddress']}:5000"):
        repository = f"{url}/v2/{BOX.repository}"
        for method, address in (
            ("POST", f"{repository}/blobs/uploads/"),
            ("PUT", f"{repository}/manifests/latest"),
            ("DELETE", f"{repository}/manifests/{stored.digest}"),
            ("DELETE", f"{repository}/blobs/{stored.blobs()[1]['digest']}"),
        ):
            try:
                status = requests.request(method, address, timeout=30).status_code
            except requests.ConnectionError:
                assert url != contained.url, "the bridge may be out of reach from here"
                continue
            assert status == 405
    assert contained.manifest(BOX.repository, "latest").digest == stored.digest


def test_its_writer_wants_the_password_and_is_removed(contained, engine):
    with server.writer(engine) as writer:
        for who in (None, (Registry.USER, "guessed")):
            uploads = f"{writer.url}/v2/{BOX.repository}/blobs/uploads/"
            assert requests.post(uploads, auth=who, timeout=30).status_code == 401
        running = registry_container.find(engine, registry_container.WRITER)
        assert writer.password not in json.dumps(running.attrs)
        store_image(writer, BOX)
    assert registry_container.find(engine, registry_container.WRITER) is None


def test_the_next_start_removes_the_writer_of_a_killed_command(contained, engine):
    registry_container._create(engine, registry_container.WRITER, 0, {})
    server.start(say, client=engine)
    assert registry_container.find(engine, registry_container.WRITER) is None


def test_a_damaged_blob_is_found_and_discarded(contained, engine):
    with server.writer(engine) as writer:
        layer = store_image(writer, BOX).blobs()[1]["digest"]
    number = layer.partition(":")[2]
    file = f"{registry_container.STORAGE}/{storage.BLOBS}/{number[:2]}/{number}/data"
    assert storage.discard_damaged_blobs(engine) == []
    done = registry_container.find(engine).exec_run(["sh", "-c", f"echo damaged > {file}"])
    assert done.exit_code == 0
    assert storage.discard_damaged_blobs(engine) == [layer]
    assert contained.blob_size(BOX.repository, layer) is None


def test_tags_are_discarded(contained, engine):
    with server.writer(engine) as writer:
        stored = store_image(writer, BOX)
    storage.discard_tags(BOX, engine)
    assert contained.manifest(BOX.repository, "latest") is None
    assert contained.manifest(BOX.repository, stored.digest).digest == stored.digest


def test_a_container_of_an_earlier_edition_that_took_pushes_is_replaced(contained, engine):
    port = port_of(registry_container.find(engine), "5000/tcp")
    registry_container.find(engine).remove(force=True)
    earlier = registry_container._create(
        engine,
        registry_container.READER,
        port,
        {"REGISTRY_STORAGE_DELETE_ENABLED": "true"},
    )
    earlier.start()
    again = server.start(say, client=engine)
    refused = requests.post(f"{again.url}/v2/{BOX.repository}/blobs/uploads/", timeout=30)
    assert refused.status_code == 405
