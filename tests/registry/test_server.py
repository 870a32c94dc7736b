"""The registry processes: one that anybody may read, one that stores what a password comes with."""

import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import requests

from dockyard import course, registry
from dockyard.core import paths, wait
from dockyard.engine import engine_root
from dockyard.exceptions import InstallFailed, RegistryError, UnwritableFolder
from dockyard.registry import server, transfer
from dockyard.registry.api import Registry
from dockyard.registry.image_catalog import by_reference, images
from tests.registry.containers import PREFIX, need, once
from tests.registry.samples import digest_of, digests, needs_docker_registry, say, store_image

pytestmark = needs_docker_registry
BOX = by_reference()["busybox:latest"]
CONTENT = b"of a stranger"
UPLOAD = "a3d9fe54-8f7c-4a6b-9c0e-0123456789ab"


def writes(url):
    """Every request that would change a registry."""
    repository = f"{url}/v2/{BOX.repository}"
    return [
        ("POST", f"{repository}/blobs/uploads/"),
        ("POST", f"{repository}/blobs/uploads/?mount={digest_of(CONTENT)}&from=library/redis"),
        ("PUT", f"{repository}/manifests/latest"),
        ("DELETE", f"{repository}/manifests/{digest_of(CONTENT)}"),
        ("DELETE", f"{repository}/manifests/latest"),
        ("DELETE", f"{repository}/blobs/{digest_of(CONTENT)}"),
    ]


# The registry that keeps running


def test_starting_twice_finds_the_same_registry(own):
    before = server.READER.process().pid
    assert server.start(say) == own == server.find()
    assert server.READER.process().pid == before


def test_the_port_stays_when_the_registry_is_started_again(own):
    server.stop()
    assert not own.answers()
    with pytest.raises(RegistryError, match="not running"):
        server.find()
    assert server.start(say) == own


def test_a_killed_registry_is_started_again_with_its_images(own):
    with server.writer() as writer:
        store_image(writer, images()[0])
    killed = server.READER.process()
    killed.kill()
    psutil.wait_procs([killed], timeout=30)
    assert server.start(say) == own
    assert registry.list_images(own)[0].fault == ""


def test_a_remembered_port_that_another_program_took_is_given_up(own):
    server.stop()
    with socket.create_server(("127.0.0.1", int(own.address.partition(":")[2]))):
        moved = server.start(say)
    assert moved != own
    assert moved.answers()
    assert server.find() == moved


def test_the_registry_listens_on_loopback_only(own):
    assert listening(server.READER) == {"127.0.0.1"}


def listening(service):
    return {
        connection.laddr.ip
        for connection in service.process().net_connections()
        if connection.status == psutil.CONN_LISTEN
    }


def test_a_read_only_home_is_named_with_another_place_to_choose(monkeypatch):
    # Even root cannot make a folder there.
    monkeypatch.setenv("DOCKYARD_HOME", "/sys/dockyard")
    with pytest.raises(UnwritableFolder, match="/sys/dockyard") as caught:
        server.start(say)
    assert "DOCKYARD_HOME=" in str(caught.value)


def test_a_registry_that_exits_at_once_is_not_waited_for(home, monkeypatch, tmp_path):
    broken = tmp_path / "docker-registry"
    broken.write_text("#!/bin/sh\necho no such option >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(engine_root, "program", lambda *_: str(broken))
    with pytest.raises(RegistryError, match="ended instead of starting") as caught:
        server.start(say)
    assert "no such option" in caught.value.why


def test_a_program_that_cannot_be_had_is_named(home, monkeypatch):
    monkeypatch.setattr(engine_root, "can_be_had", lambda: False)  # as on macOS
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InstallFailed, match="docker-registry"):
        server.start(say)


def test_programs_of_the_same_names_on_this_host_are_not_used(home, monkeypatch, tmp_path):
    for name in ("docker-registry", "skopeo"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert server.start(say).answers()
    with server.writer() as writer:
        store_image(writer, BOX)
        transfer.copy(
            f"docker://{writer.address}/{BOX.repository}:latest",
            f"dir:{tmp_path}/copied",
            "--src-tls-verify=false",
            f"--src-creds={writer.USER}:{writer.password}",
            what="The image could not be copied.",
        )
    assert (tmp_path / "copied/manifest.json").exists()


def test_the_registry_refuses_every_change(own):
    with server.writer() as writer:
        stored = store_image(writer, BOX)
    for method, url in writes(own.url):
        assert requests.request(method, url, data=CONTENT, timeout=30).status_code == 405, url
    # Nobody can begin an upload, so there is none to go on with.
    for method in ("PUT", "PATCH"):
        url = f"{own.url}/v2/{BOX.repository}/blobs/uploads/{UPLOAD}?digest={digest_of(CONTENT)}"
        assert requests.request(method, url, data=CONTENT, timeout=30).status_code == 404
    assert own.blob_size(BOX.repository, digest_of(CONTENT)) is None
    assert own.manifest(BOX.repository, "latest").digest == stored.digest


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_another_user_of_the_computer_can_read_and_not_write(own):
    with server.writer() as writer:
        stored = store_image(writer, BOX)
    for method, url in writes(own.url):
        assert curl_as_nobody("--request", method, "--data", "x", url) == "405", url
    assert curl_as_nobody(f"{own.url}/v2/{BOX.repository}/manifests/{stored.digest}") == "200"


def curl_as_nobody(*words):
    done = subprocess.run(
        ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", *words],
        user=65534, group=65534, extra_groups=[], capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_a_registry_of_an_earlier_edition_that_took_pushes_is_replaced(home):
    server.start(say)
    port = server.find().address.rpartition(":")[2]
    server.stop()
    config = home / "registry.yml"
    config.chmod(0o644)
    config.write_text(
        json.dumps(
            {
                "version": 0.1,
                "storage": {"filesystem": {"rootdirectory": str(home / "registry")}},
                "http": {"addr": f"127.0.0.1:{port}", "secret": "for everybody"},
            }
        )
    )
    server.READER.start([engine_root.program(server.PROGRAM), "serve", config])
    earlier = Registry(f"http://127.0.0.1:{port}")
    wait.until("the registry", earlier.answers, 30)
    store_image(earlier, BOX)
    assert server.start(say) == earlier
    with pytest.raises(RegistryError, match="refused"):
        store_image(earlier, BOX, files="other files")
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


@pytest.fixture
def other_busybox(engine, filled):
    """An image on the engine that has the layers of the registry's busybox."""
    need(engine, filled, "busybox")
    recipe = io.BytesIO(b"FROM busybox\nLABEL of=stranger\n")
    made, _ = engine.images.build(fileobj=recipe, tag=f"{PREFIX}busybox", rm=True)
    yield made
    engine.images.remove(f"{PREFIX}busybox", force=True)


@pytest.mark.engine
@pytest.mark.parametrize("tag", ["latest", f"{PREFIX}new"])
def test_docker_push_cannot_set_a_tag(engine, filled, other_busybox, tag):
    name, before = f"{filled.address}/library/busybox", digests(filled)
    with closing(pushed(engine, other_busybox, name, tag)) as said:
        lines = list(said)
    assert any("error" in line for line in lines), lines
    assert digests(filled) == before
    assert filled.manifest("library/busybox", f"{PREFIX}new") is None


@pytest.mark.engine
def test_docker_push_cannot_store_a_layer(engine, filled):
    need(engine, filled, "hello-world")
    hello = engine.images.get("hello-world:latest")
    with closing(
        pushed(engine, hello, f"{filled.address}/library/busybox", f"{PREFIX}new")
    ) as said:
        # Docker's own image store tries five times, with longer and longer pauses.
        refused = any("error" in line or "Retrying" in line.get("status", "") for line in said)
    assert refused
    layer = filled.manifest("library/hello-world", "latest").blobs()[1]
    assert filled.blob_size("library/busybox", layer["digest"]) is None


def pushed(engine, image, name, tag):
    """Push an image as ``docker push`` does; yield what the daemon says."""
    image.tag(name, tag)
    try:
        yield from engine.images.push(name, tag, stream=True, decode=True)
    finally:
        engine.images.remove(f"{name}:{tag}", noprune=True)


@pytest.mark.engine
def test_skopeo_can_neither_copy_into_it_nor_delete(filled):
    before = digests(filled)
    source, target = (
        f"docker://{filled.address}/library/{name}" for name in ("redis:8", "busybox")
    )
    for words in (
        ["copy", "--src-tls-verify=false", "--dest-tls-verify=false", source, target],
        ["delete", "--tls-verify=false", target],
    ):
        done = subprocess.run(
            [engine_root.program("skopeo"), *words], capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert "405" in done.stderr or "unsupported" in done.stderr
    assert digests(filled) == before


IN_A_CONTAINER = """
import sys, urllib.request, urllib.error
KIND = "application/vnd.oci.image.manifest.v1+json"
for method, url in zip(sys.argv[1::2], sys.argv[2::2]):
    content = None if method == "GET" else b"x"
    request = urllib.request.Request(url, method=method, data=content, headers={"Accept": KIND})
    try:
        print(urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


@pytest.mark.engine
def test_containers_can_read_through_the_mirrors_port_and_not_write(engine, filled):
    mirror = course.State.load().inner_mirror
    if not mirror:
        pytest.skip("this engine has no mirror for containers")
    need(engine, filled, "python:3.13-slim")
    before = digests(filled)
    reads = [("GET", f"{mirror}/v2/"), ("GET", f"{mirror}/v2/library/busybox/manifests/latest")]
    words = [word for request in reads + writes(mirror) for word in request]
    said = once(engine, "python:3.13-slim", "python", "-c", IN_A_CONTAINER, *words, privileged=True)
    assert said.split() == ["200"] * len(reads) + ["405"] * len(writes(mirror))
    assert digests(filled) == before


# The writer


def test_the_writer_takes_nothing_without_its_password(own):
    with server.writer() as writer:
        assert writer.url != own.url
        assert listening(server.WRITER) == {"127.0.0.1"}
        for who in (None, (Registry.USER, "guessed"), ("learner", writer.password)):
            assert requests.get(f"{writer.url}/v2/", auth=who, timeout=30).status_code == 401
            for method, url in writes(writer.url):
                answer = requests.request(method, url, data=CONTENT, auth=who, timeout=30)
                assert answer.status_code == 401, url
        store_image(writer, BOX)


def test_the_password_is_in_no_file_log_process_list_or_text(own):
    with server.writer() as writer:
        store_image(writer, BOX)
        requests.get(f"{writer.url}/v2/", auth=("learner", "guessed"), timeout=30)
        for folder in (paths.home(), paths.run_dir()):
            for file in folder.rglob("*"):
                if file.is_file():
                    assert writer.password.encode() not in file.read_bytes(), file
        for process in psutil.process_iter(["cmdline", "environ"]):
            assert writer.password not in str(process.info)
        assert writer.password not in repr(writer)
        for name in ("registry.yml", "registry-writer.yml", "registry-writer.htpasswd"):
            assert stat.S_IMODE((paths.home() / name).stat().st_mode) == 0o600


def test_each_writer_has_another_password(own):
    passwords = set()
    for _ in range(2):
        with server.writer() as writer:
            passwords.add(writer.password)
    assert len(passwords) == 2


def test_what_the_writer_stores_can_be_read_at_once(own):
    before = server.READER.process().pid
    assert own.manifest(BOX.repository, "latest") is None
    with server.writer() as writer:
        for files in ("first", "second"):
            stored = store_image(writer, BOX, files=files)
            assert own.manifest(BOX.repository, "latest").digest == stored.digest
            size = len(b"".join(own.blob(BOX.repository, stored.blobs()[1]["digest"])))
            assert size == stored.blobs()[1]["size"]
    assert own.manifest(BOX.repository, "latest").digest == stored.digest
    assert server.READER.process().pid == before


def test_no_writer_is_left_afterwards_nor_its_files(own):
    with server.writer() as writer:
        process = server.WRITER.process()
    assert not process.is_running()
    assert not writer.answers()
    with pytest.raises(ZeroDivisionError), server.writer():
        raise ZeroDivisionError
    assert server.WRITER.process() is None
    assert sorted(file.name for file in paths.home().glob("registry*")) == [
        "registry",
        "registry-port",
        "registry.yml",
    ]


def test_a_start_leaves_the_writer_of_a_running_command_alone(own):
    with server.writer() as writer:
        assert server.start(say) == own
        assert writer.answers()


STORE_FOR_EVER = """
import signal
from dockyard.registry import server, transfer
with server.writer() as writer:
    print(writer.url, flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_next_start_stops_the_writer_of_a_killed_command(own, how):
    words = [sys.executable, "-c", STORE_FOR_EVER]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=paths.CHECKOUT) as running:
        address = running.stdout.readline().strip()
        running.send_signal(how)
    assert server.start(say) == own
    assert server.WRITER.process() is None
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=30)
    assert not list(Path(paths.home()).glob("registry-writer*"))
