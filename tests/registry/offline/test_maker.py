"""Making images from Debian packages."""

import io
import tarfile
import zlib

import msgspec
import pytest

from dockyard import registry
from dockyard.exceptions import DockyardError, RegistryError
from dockyard.registry import server, transfer
from dockyard.registry.image_catalog import ORIGIN, RECIPE, Image, by_reference
from dockyard.registry.offline import mmdebstrap
from dockyard.registry.offline.maker import Maker
from dockyard.registry.verify import is_complete, labels
from tests.registry.containers import everything, need, once
from tests.registry.samples import needs_docker_registry, read, say

HELLO = by_reference()["hello-world:latest"]
TRIXIE = by_reference()["debian:trixie-slim"]
NGINX = by_reference()["nginx:latest"]


def ignore(image):
    pass


@pytest.fixture
def workshop(filled, home):
    """A registry of its own with nothing but a base, for making images."""
    server.start(say)
    with server.writer() as writer:
        for tag in by_reference()["debian:trixie-slim"].tags:
            transfer.store(
                writer,
                f"docker://{filled.address}/library/debian:{tag}",
                f"debian:{tag}",
                "--src-tls-verify=false",
                what="the base",
            )
        yield writer


@needs_docker_registry
def test_hello_world_is_made_without_an_engine_or_a_base(own):
    stored = []
    with server.writer() as writer:
        Maker(writer, None, say, stored.append).make([HELLO])
        assert stored == [HELLO]
        manifest = writer.manifest(HELLO.repository, "latest")
        found = labels(writer, HELLO, manifest)
    assert is_complete(own, HELLO)
    assert (found[ORIGIN], found[RECIPE]) == (HELLO.origin, HELLO.recipe)
    [layer] = manifest.document["layers"]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    with tarfile.open(fileobj=io.BytesIO(read(own, HELLO, layer))) as tar:
        assert {"hello", "bin/busybox", "bin/tail"} <= set(tar.getnames())
        assert "bin/sh" not in tar.getnames()


@needs_docker_registry
def test_an_image_can_be_pulled_although_a_later_one_fails(own):
    broken = msgspec.structs.replace(
        by_reference()["busybox:latest"], packages=("no-such-package",)
    )
    stored = []
    with server.writer() as writer, pytest.raises(DockyardError, match="no-such-package"):
        Maker(writer, None, say, stored.append).make([HELLO, broken])
    assert is_complete(own, HELLO)
    assert stored == [HELLO]


@pytest.mark.engine
@pytest.mark.slow
def test_an_engine_makes_images_for_a_host_that_cannot_and_keeps_nothing(
    engine, filled, workshop, monkeypatch
):
    monkeypatch.setattr(mmdebstrap, "host_can", lambda: False)
    before = everything(engine)
    Maker(workshop, engine, say, ignore).make([TRIXIE, NGINX])
    assert everything(engine) == before
    assert not [one for one in engine.containers.list(all=True) if "mmdebstrap" in str(one.image)]
    faults = {one.reference: one.fault for one in registry.verify(workshop)}
    assert {faults[each] for each in NGINX.references} == {""}
    ours, theirs = (
        reg.manifest(NGINX.repository, "latest").document["layers"] for reg in (workshop, filled)
    )
    assert ours[0] == theirs[0], "the base is not stored again"


@pytest.mark.engine
def test_a_failing_installation_says_why_and_leaves_nothing(engine, filled, workshop, home):
    before = everything(engine)
    broken = msgspec.structs.replace(NGINX, packages=("no-such-package",))
    with pytest.raises(RegistryError, match="nginx:latest could not be made") as caught:
        Maker(workshop, engine, say, ignore).make([broken])
    assert "no-such-package" in caught.value.why
    assert everything(engine) == before
    assert not (home / ".making").exists()
    assert workshop.manifest(NGINX.repository, "latest") is None


SETUP = """\
echo new > /added
rm /etc/issue
rm -r /usr/share/base-passwd
touch /var/log/dpkg.log
chmod 700 /root
ln -s /added /var/log/link.log
"""


class Handmade(Image):
    """An image whose context is a folder of the test."""

    @property
    def context(self):
        return CONTEXT[0]


CONTEXT = []


@pytest.mark.engine
def test_a_layer_has_what_changed_and_marks_what_is_gone(engine, filled, workshop, tmp_path):
    CONTEXT[:] = [tmp_path]
    (tmp_path / "setup.sh").write_text(SETUP)
    own = tmp_path / "files" / "opt"
    own.mkdir(parents=True)
    (own / "run").write_text("#!/bin/sh\n")
    (own / "text").write_text("text\n")
    image = Handmade("handmade", ("1",), "A test", 1, base="debian:trixie-slim")
    Maker(workshop, None, say, ignore).make([image])
    manifest = workshop.manifest(image.repository, "1")
    layer = zlib.decompress(read(workshop, image, manifest.document["layers"][-1]), wbits=31)
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        modes = {one.name.removeprefix("./"): one.mode for one in tar.getmembers()}
    assert modes["opt/run"] == 0o755
    assert modes["opt/text"] == 0o644
    assert modes["root"] == 0o700
    assert {"added", "etc/.wh.issue", "usr/share/.wh.base-passwd", "var/log/link.log"} <= set(modes)
    assert not {"usr/bin/bash", "setup.sh", ".setup.sh", "etc/resolv.conf"} & set(modes)
    assert not [name for name in modes if name.startswith(("var/lib/apt/lists/", "tmp/", "dev/"))]
    transfer.pull(workshop, engine, "handmade:1").tag("handmade", "1")
    try:
        shown = once(engine, "handmade:1", "sh", "-c", "cat /added; ls /etc/issue /opt || true")
    finally:
        transfer.forget(workshop, engine, "handmade:1")
        engine.images.remove("handmade:1", force=True)
    assert "No such file" in shown
    assert shown.startswith("new\n")


@pytest.mark.engine
def test_no_name_of_a_build_is_left(engine, filled):
    need(engine, filled, "busybox")
    tags = {tag for image in engine.images.list() for tag in image.tags}
    assert not [tag for tag in tags if tag.startswith("dockyard-build/")]
