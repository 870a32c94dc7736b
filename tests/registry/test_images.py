"""The course's images on a real engine: made, pulled through the mirror, keeping promises."""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import json
import os
import re
import ssl
import subprocess
import sys
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest
import requests
from docker.tls import TLSConfig

from dockyard import cleanup, course, registry
from dockyard.core import docker_client as course_client
from dockyard.core import paths, wait
from dockyard.engine import system_packages
from dockyard.engine.discovery import architecture
from dockyard.exceptions import RegistryError
from dockyard.registry import registry_container, server, transfer
from dockyard.registry.image_catalog import ORIGIN, RECIPE, by_reference, images
from dockyard.registry.offline import debian_rootfs
from dockyard.registry.offline.maker import Maker
from dockyard.registry.offline.mmdebstrap import host_can, on_host

pytestmark = pytest.mark.engine
PREFIX = "regtest-"


def say(text):
    print(text)


@pytest.fixture(scope="module", autouse=True)
def no_foreign_authority():
    """Requests lets these variables take the place of the authority a client was given."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            environment.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def engine():
    """The course's engine; what the tests left on it goes."""
    connected = course_client.connect(timeout=600)
    _sweep(connected)
    yield connected
    _sweep(connected)
    connected.close()


def _sweep(connected):
    for one in connected.containers.list(all=True, filters={"name": f"^{PREFIX}"}):
        one.remove(force=True, v=True)
    for kind in (connected.networks, connected.volumes):
        for one in kind.list(filters={"name": PREFIX}):
            one.remove()


def test_filling_prints_as_data_what_is_there(engine):
    listed, filled = (
        subprocess.run(
            [sys.executable, "-m", "dockyard", "registry", action, "--json"],
            capture_output=True, text=True, cwd=paths.CHECKOUT, check=False,
        )
        for action in ("list", "fill")
    )  # fmt: skip
    assert filled.returncode == 0, filled.stderr
    assert json.loads(filled.stdout) == json.loads(listed.stdout)


@pytest.fixture(scope="module")
def filled():
    """The course's own registry."""
    return server.find()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own for another registry."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    yield paths.home()
    server.stop()


def need(engine, filled, *references):
    full = [name if ":" in name else f"{name}:latest" for name in references]
    registry.pull_into(filled, engine, say, full)


def put_file(one, path, content, mode=0o644):
    """Similar to ``docker cp``: the engine may be on another machine."""
    folder, _, name = path.rpartition("/")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), mode
        tar.addfile(entry, io.BytesIO(content))
    assert one.put_archive(folder or "/", packed.getvalue())


def get_file(one, path):
    stream, _ = one.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        return tar.extractfile(tar.getmembers()[0]).read()


def run(one, *words, code=0):
    """Run a command in a container and return its output."""
    done = one.exec_run(list(words))
    text = done.output.decode(errors="replace")
    assert done.exit_code == code, text
    return text


def once(engine, image, *words, **options):
    """Similar to ``docker run --rm``, anonymous volumes included."""
    one = engine.containers.run(image, list(words), detach=True, **options)
    try:
        code, text = one.wait()["StatusCode"], one.logs().decode(errors="replace")
    finally:
        one.remove(force=True, v=True)
    assert code == 0, text
    return text


def port_of(one, port):
    one.reload()
    return int(one.ports[port][0]["HostPort"])


# The registry as filled


def test_every_image_says_how_it_was_made(filled):
    if any(finding.origin == "copied from Docker Hub" for finding in registry.list_images(filled)):
        pytest.skip("images from Docker Hub are untouched")
    for image in images():
        manifest = filled.manifest(image.repository, image.tags[0])
        found = json.loads(read(filled, image, manifest.document["config"]))["config"]["Labels"]
        assert found[cleanup.COURSE] == "1"
        assert found[ORIGIN] == image.origin
        assert found[RECIPE] == image.recipe
        assert found["org.opencontainers.image.title"] == image.name


def test_the_filled_registry_is_whole(filled):
    assert {finding.fault for finding in registry.verify(filled)} == {""}


def test_images_share_the_layers_of_their_base(filled):
    def layers(reference):
        image = by_reference()[reference]
        manifest = filled.manifest(image.repository, reference.partition(":")[2])
        return [layer["digest"] for layer in manifest.document["layers"]]

    if any(finding.origin == "copied from Docker Hub" for finding in registry.list_images(filled)):
        pytest.skip("Docker Hub has its own bases")
    for image in images():
        if image.base and image.name not in ("busybox", "hello-world"):
            base = layers(image.base)
            assert layers(image.reference)[: len(base)] == base


def test_filling_again_does_nothing_on_the_engine(engine, filled):
    before = {image.id for image in engine.images.list(all=True)}
    said = []
    registry.fill(filled, engine, said.append)
    assert said == []
    assert {image.id for image in engine.images.list(all=True)} == before


def test_a_plain_pull_comes_from_the_course_registry(engine, filled):
    state = course.State.load()
    if not state.mirror:
        pytest.skip("this engine has no mirror")
    assert state.mirror == filled.url
    pulled = engine.images.pull("busybox")
    digest = filled.manifest("library/busybox", "latest").digest
    assert f"busybox@{digest}" in pulled.attrs["RepoDigests"]


# Making images


@pytest.mark.slow
def test_a_root_file_system_made_again_is_the_same_image(filled, home):
    image = by_reference()["debian:trixie-slim"]
    manifest = filled.manifest(image.repository, image.tags[0])
    config = read(filled, image, manifest.document["config"])
    found = json.loads(config)["config"]["Labels"]
    if ORIGIN not in found:
        pytest.skip("Docker Hub has its own debian")
    home.mkdir()
    archive = debian_rootfs.make(image, architecture(), found, home, on_host)
    with tarfile.open(archive) as tar:
        again = tar.extractfile("layer.tar").read()
        name = json.load(tar.extractfile("manifest.json"))[0]["Config"]
        made = tar.extractfile(name).read()
    before = gzip.decompress(read(filled, image, manifest.document["layers"][0]))
    if packages_in(before) != packages_in(again):
        pytest.skip("Debian published other packages since the registry was filled")
    assert hashlib.sha256(again).digest() == hashlib.sha256(before).digest()
    assert made == config


def read(reg, image, descriptor):
    return b"".join(reg.blob(image.repository, descriptor["digest"]))


def packages_in(layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return tar.extractfile("./var/lib/dpkg/status").read()


@pytest.fixture
def workshop(filled, home):
    """A registry of its own with nothing but a base, for making images."""
    other = server.start(say)
    for tag in by_reference()["debian:bookworm-slim"].tags:
        transfer.copy(
            f"docker://{filled.address}/library/debian:{tag}",
            f"docker://{other.address}/library/debian:{tag}",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            what="the base",
        )
    return other


def everything(engine):
    """Every image of an engine with its names, those without any included."""
    return {image.id: sorted(image.tags) for image in engine.images.list(all=True)}


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
    broken = dataclasses.replace(by_reference()["redis:7"], packages=("no-such-package",))
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


EMPTY_TAR = b"\0" * 10240


def test_a_host_without_mmdebstrap_cannot_make_images_by_itself(monkeypatch, tmp_path):
    monkeypatch.setattr(system_packages, "SEARCH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert host_can.__wrapped__() is False


# What the images promise


def test_busybox_has_its_commands(engine, filled):
    need(engine, filled, "busybox")
    assert once(engine, "busybox", "sh", "-c", "echo $0 && id -un && wget --help 2>&1 | head -1")
    run_default = engine.images.get("busybox:latest").attrs["Config"]["Cmd"]
    assert run_default == ["sh"]


def test_hello_world_says_hello(engine, filled):
    need(engine, filled, "hello-world")
    assert "Hello from Docker!" in once(engine, "hello-world")


def test_the_two_debians_differ(engine, filled):
    need(engine, filled, "debian:bookworm-slim", "debian:trixie-slim")
    versions = [
        once(engine, f"debian:{tag}", "cat", "/etc/debian_version").partition(".")[0]
        for tag in ("bookworm-slim", "trixie-slim")
    ]
    assert versions == ["12", "13"]


def test_a_dockerfile_for_hubs_httpd_works(engine, filled):
    need(engine, filled, "httpd:2.4")
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, text in (
            ("Dockerfile", "FROM httpd:2.4\nCOPY page.html /usr/local/apache2/htdocs/\n"),
            ("page.html", "built on httpd\n"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    context.seek(0)
    engine.images.build(fileobj=context, custom_context=True, tag=f"{PREFIX}web", rm=True)
    try:
        web = engine.containers.run(
            f"{PREFIX}web", name=f"{PREFIX}web", detach=True, ports={"80/tcp": ("127.0.0.1", 0)}
        )
        address = f"http://127.0.0.1:{port_of(web, '80/tcp')}/page.html"
        assert reachable(address).text == "built on httpd\n"
        wait.until(
            "the request in the log",
            lambda: '"GET /page.html HTTP/1.1" 200' in web.logs().decode(),
            5,
        )
        assert run(web, "httpd", "-t").strip() == "Syntax OK"
        assert re.match(r"learner:\$2y\$05\$", run(web, "htpasswd", "-Bbn", "learner", "sesame"))
        web.stop(timeout=5)
        assert web.wait()["StatusCode"] == 0, "it ends by itself when asked"
        web.remove(force=True)
    finally:
        engine.images.remove(f"{PREFIX}web", force=True)


def reachable(address, **options):
    def answer():
        with contextlib.suppress(requests.ConnectionError):
            return [requests.get(address, timeout=5, **options)]
        return []  # a response of status 401 is false by itself, hence the lists

    return wait.until(f"{address} to answer", answer, 20)[0]


def test_redis_keeps_its_data_and_serves_other_containers(engine, filled):
    need(engine, filled, "redis:7")
    net = engine.networks.create(f"{PREFIX}redis")
    volume = engine.volumes.create(f"{PREFIX}redis")
    mounted = {volume.name: {"bind": "/data", "mode": "rw"}}

    def client(*words):
        return once(engine, "redis:7", "redis-cli", "-h", "store", *words, network=net.name).strip()

    for expected in ("", "kept"):
        store = engine.containers.run(
            "redis:7",
            ["redis-server", "--appendonly", "yes"],
            name=f"{PREFIX}redis",
            detach=True,
            network=net.name,
            volumes=mounted,
        )
        net.disconnect(store)
        net.connect(store, aliases=["store"])
        wait.until("redis to answer", lambda one=store: pongs(one), 20)
        assert client("get", "note") == expected
        assert client("set", "note", "kept") == "OK"
        assert "redis" in run(store, "stat", "-c", "%U", "/proc/1")
        store.remove(force=True)


def pongs(one):
    return one.exec_run(["redis-cli", "ping"]).output == b"PONG\n"


def test_python_runs_and_installs(engine, filled):
    need(engine, filled, "python:3.11-slim")
    snake = engine.containers.run(
        "python:3.11-slim", ["sleep", "300"], name=f"{PREFIX}python", detach=True, init=True
    )
    assert run(snake, "python", "--version").startswith("Python 3.11.")
    assert run(snake, "python3", "--version").startswith("Python 3.11.")
    put_file(snake, "/tmp/tool-1.0-py3-none-any.whl", wheel())
    run(snake, "pip", "install", "--no-index", "/tmp/tool-1.0-py3-none-any.whl")
    assert run(snake, "python", "-c", "import tool; print(tool.NAME)").strip() == "a tool"
    run(snake, "python", "-m", "venv", "/tmp/venv")
    snake.remove(force=True)


def wheel():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("tool.py", "NAME = 'a tool'\n")
        info = "tool-1.0.dist-info"
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return packed.getvalue()


@pytest.fixture
def guarded(engine, filled, tmp_path):
    """A registry of one's own with TLS and a password, as the Docker documentation sets it up."""
    need(engine, filled, "registry:2", "httpd:2.4", "busybox")
    key, certificate = tmp_path / "domain.key", tmp_path / "domain.crt"
    subprocess.run(
        [
            "openssl", "req", "-newkey", "rsa:2048", "-nodes", "-x509", "-days", "2",
            "-subj", "/CN=harbour", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-keyout", key, "-out", certificate,
        ],
        capture_output=True,
        check=True,
    )  # fmt: skip
    users = once(engine, "httpd:2.4", "htpasswd", "-Bbn", "learner", "sesame").encode()
    harbour = engine.containers.create(
        "registry:2",
        name=f"{PREFIX}harbour",
        ports={"5000/tcp": ("127.0.0.1", 0)},
        environment={
            "REGISTRY_AUTH": "htpasswd",
            "REGISTRY_AUTH_HTPASSWD_REALM": "harbour",
            "REGISTRY_AUTH_HTPASSWD_PATH": "/htpasswd",
            "REGISTRY_HTTP_TLS_CERTIFICATE": "/domain.crt",
            "REGISTRY_HTTP_TLS_KEY": "/domain.key",
        },
    )
    put_file(harbour, "/htpasswd", users)
    put_file(harbour, "/domain.crt", certificate.read_bytes())
    put_file(harbour, "/domain.key", key.read_bytes())
    harbour.start()
    address = f"127.0.0.1:{port_of(harbour, '5000/tcp')}"
    # Distribution reads credentials at the first request and answers 401 from then on.
    reachable(f"https://{address}/v2/", verify=str(certificate))
    yield address, certificate
    harbour.remove(force=True, v=True)


def test_a_registry_with_tls_and_a_password_refuses_strangers(guarded, filled, tmp_path):
    address, certificate = guarded
    url = f"https://{address}/v2/"
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(url, timeout=5)
    assert requests.get(url, verify=str(certificate), timeout=5).status_code == 401
    uploads = f"{url}library/busybox/blobs/uploads/"
    assert requests.post(uploads, verify=str(certificate), timeout=5).status_code == 401
    known = {"verify": str(certificate), "auth": ("learner", "sesame"), "timeout": 5}
    assert requests.get(url, **known).status_code == 200

    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.crt").write_bytes(certificate.read_bytes())

    def push(*options):
        words = ["skopeo", "copy", "--src-tls-verify=false", *options]
        source = f"docker://{filled.address}/library/busybox:latest"
        target = f"docker://{address}/tools/box:1"
        trusted = [f"--dest-cert-dir={tmp_path / 'ca'}"]
        return subprocess.run(
            [*words, *trusted, source, target], capture_output=True, text=True, check=False
        )

    anonymous = push("--dest-no-creds")
    assert anonymous.returncode != 0
    assert "authentication required" in anonymous.stderr
    assert "unauthorized" in push("--dest-creds=learner:wrong").stderr
    assert push("--dest-creds=learner:sesame").returncode == 0
    tags = requests.get(f"{url}tools/box/tags/list", **known).json()
    assert tags == {"name": "tools/box", "tags": ["1"]}
    manifest = requests.get(f"{url}tools/box/manifests/1", **known)
    gone = requests.delete(
        f"{url}tools/box/manifests/{manifest.headers['Docker-Content-Digest']}", **known
    )
    assert gone.status_code == 405, "deleting is off, as in the official image"


def test_the_course_registry_runs_in_a_container_where_its_program_is_missing(
    engine, filled, home, monkeypatch, tmp_path
):
    need(engine, filled, "registry:2")
    skopeo = system_packages.which("skopeo")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "skopeo").symlink_to(skopeo)
    monkeypatch.setattr(system_packages, "SEARCH", str(tmp_path / "bin"))
    contained = server.start(say, client=engine)
    try:
        assert contained.answers()
        assert server.Place().service.process() is None
        assert server.start(say, client=engine) == contained
        assert server.find() == contained
        assert registry.in_container()
        transfer.copy(
            f"docker://{filled.address}/library/busybox:latest",
            f"docker://{contained.address}/library/busybox:latest",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            what="busybox",
        )
        copied = contained.manifest("library/busybox", "latest")
        assert copied.digest == filled.manifest("library/busybox", "latest").digest
        layer = copied.blobs()[1]["digest"]
        server.discard_blob(layer, client=engine)
        assert contained.blob_size("library/busybox", layer) is None
        found = registry_container.find(engine, "registry")
        assert found.labels[cleanup.COURSE] == "1"
        volume = found.attrs["Mounts"][0]["Name"]
    finally:
        server.stop(client=engine)
    assert registry_container.find(engine, "registry") is None
    assert not registry.in_container()
    assert server.start(say, client=engine).manifest("library/busybox", "latest"), "kept"
    server.stop(client=engine)
    engine.volumes.get(volume).remove()


# A second daemon in a container


def nested(engine, name, *arguments, environment=None, **options):
    """Similar to ``docker run --detach --privileged docker:dind``."""
    return engine.containers.run(
        "docker:dind",
        list(arguments),
        name=f"{PREFIX}{name}",
        hostname=name,
        privileged=True,
        detach=True,
        environment=environment or {},
        **options,
    )


def until_it_answers(one):
    def answer():
        one.reload()
        assert one.status != "exited", one.logs(tail=20).decode(errors="replace")
        return one.exec_run(["docker", "version"]).exit_code == 0

    wait.until(f"the daemon in {one.name}", answer, 90, interval=0.2)


def certificates(one, folder):
    folder.mkdir()
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (folder / name).write_bytes(get_file(one, f"/certs/client/{name}"))
    return folder


def tls(folder):
    return TLSConfig(
        ca_cert=str(folder / "ca.pem"),
        client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
        verify=True,
    )


@pytest.fixture(scope="module")
def boat(engine, filled):
    """A nested daemon with its port published on loopback."""
    need(engine, filled, "docker:dind")
    one = nested(engine, "boat", ports={"2376/tcp": ("127.0.0.1", 0)})
    until_it_answers(one)
    yield one
    one.remove(force=True, v=True)


@pytest.fixture(scope="module")
def aboard(boat, tmp_path_factory):
    """A client of the nested daemon, over mutual TLS."""
    folder = certificates(boat, tmp_path_factory.mktemp("boat") / "client")
    connected = docker.DockerClient(
        base_url=f"tcp://127.0.0.1:{port_of(boat, '2376/tcp')}", tls=tls(folder), timeout=120
    )
    yield connected
    connected.close()


def test_a_nested_daemon_answers_over_mutual_tls(boat, aboard):
    assert aboard.ping()
    assert aboard.info()["Name"] == "boat"
    assert aboard.info()["Driver"] == "overlay2"


def test_a_nested_daemon_refuses_a_client_without_a_certificate(boat, tmp_path):
    folder = certificates(boat, tmp_path / "client")
    port = port_of(boat, "2376/tcp")
    trusted = str(folder / "ca.pem")
    with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError)):
        requests.get(f"https://127.0.0.1:{port}/_ping", verify=trusted, timeout=5)
    plain = requests.get(f"http://127.0.0.1:{port}/_ping", timeout=5)
    assert plain.status_code == 400
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=stranger",
            "-keyout", stranger / "key.pem", "-out", stranger / "cert.pem",
        ],
        capture_output=True,
        check=True,
    )  # fmt: skip
    with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError)):
        requests.get(
            f"https://127.0.0.1:{port}/_ping",
            verify=trusted,
            cert=(str(stranger / "cert.pem"), str(stranger / "key.pem")),
            timeout=5,
        )


def test_the_certificate_names_every_way_to_the_nested_daemon(engine, boat):
    boat.reload()
    port = port_of(boat, "2376/tcp")
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-ext", "subjectAltName"],
        input=pem,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    address = next(iter(boat.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]
    for name in ("DNS:docker", "DNS:localhost", "DNS:boat", "127.0.0.1", address):
        assert name in text


def test_the_certificates_stay_over_a_restart(engine, boat):
    before = get_file(boat, "/certs/ca/cert.pem"), get_file(boat, "/certs/client/cert.pem")
    boat.restart(timeout=10)
    until_it_answers(boat)
    assert (
        get_file(boat, "/certs/ca/cert.pem"),
        get_file(boat, "/certs/client/cert.pem"),
    ) == before


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


def test_images_leave_a_daemon_that_cannot_reach_the_registry(boat, filled, home, tmp_path):
    folder = certificates(boat, tmp_path / "client")
    address = f"tcp://127.0.0.1:{port_of(boat, '2376/tcp')}"
    other = server.start(say)
    with contextlib.closing(docker.DockerClient(base_url=address, tls=tls(folder))) as there:
        registry.pull_into(filled, there, say, ["hello-world:latest"])
        hello = there.images.get("hello-world:latest")
        transfer.push(other, there, hello, "hello-world:latest")
        stored = other.manifest("library/hello-world", "latest")
        assert stored.document["config"]["digest"] == hello.id
        assert hello.tags == there.images.get(hello.id).tags


def test_a_nested_daemon_without_certificates_listens_on_its_socket_only(engine, filled):
    need(engine, filled, "docker:dind")
    one = nested(engine, "quiet", environment={"DOCKER_TLS_CERTDIR": ""})
    until_it_answers(one)
    listening = run(one, "ss", "--no-header", "--listening", "--tcp", "--processes")
    assert "dockerd" not in listening
    one.remove(force=True, v=True)


def test_a_nested_daemon_passes_options_on_and_falls_back_from_overlay2(engine, filled):
    need(engine, filled, "docker:dind")
    if engine.info()["Driver"] != "overlay2":
        pytest.skip("the container's own file system is no overlay")
    # No overlay can stand on the overlay that is the container's own file system.
    one = nested(engine, "slow", "--data-root=/inner", "--label=passed=on")
    until_it_answers(one)
    facts = json.loads(run(one, "docker", "info", "--format", "{{json .}}"))
    assert facts["DockerRootDir"] == "/inner"
    assert "passed=on" in facts["Labels"]
    assert facts["Driver"] == "vfs"
    one.remove(force=True, v=True)


def test_a_nested_daemon_pulls_plainly_through_the_mirror(engine, filled):
    option = course.environment()["DOCKYARD_MIRROR"]
    if not option:
        pytest.skip("this engine has no mirror")
    need(engine, filled, "docker:dind")
    one = nested(engine, "mirrored", option)
    until_it_answers(one)
    run(one, "docker", "pull", "--quiet", "busybox")
    digest = filled.manifest("library/busybox", "latest").digest
    assert digest in run(one, "docker", "inspect", "--format", "{{.RepoDigests}}", "busybox")
    assert run(one, "docker", "run", "--rm", "busybox", "echo", "ahoy") == "ahoy\n"
    one.remove(force=True, v=True)


def test_the_client_image_reaches_a_nested_daemon_by_its_certificates(engine, filled):
    need(engine, filled, "docker:dind", "docker:cli")
    net = engine.networks.create(f"{PREFIX}tls")
    certs = engine.volumes.create(f"{PREFIX}certs")
    one = engine.containers.create(
        "docker:dind",
        name=f"{PREFIX}docker",
        privileged=True,
        network=net.name,
        volumes={certs.name: {"bind": "/certs", "mode": "rw"}},
    )
    net.disconnect(one)
    net.connect(one, aliases=["docker"])
    one.start()
    until_it_answers(one)
    text = once(
        engine,
        "docker:cli",
        "info",
        "--format",
        "{{.ServerVersion}} {{.Name}}",
        network=net.name,
        volumes={certs.name: {"bind": "/certs", "mode": "ro"}},
    )
    assert text.split()[1] == one.id[:12]
    one.remove(force=True, v=True)


def test_two_nested_daemons_join_one_swarm(engine, filled):
    need(engine, filled, "docker:dind")
    net = engine.networks.create(f"{PREFIX}swarm")
    pair = [nested(engine, name, network=net.name) for name in ("manager", "worker")]
    for one in pair:
        until_it_answers(one)
    manager, worker = pair
    manager.reload()
    address = manager.attrs["NetworkSettings"]["Networks"][net.name]["IPAddress"]
    run(manager, "docker", "swarm", "init", "--advertise-addr", address)
    token = run(manager, "docker", "swarm", "join-token", "--quiet", "worker").strip()
    run(worker, "docker", "swarm", "join", "--token", token, f"{address}:2377")
    nodes = run(manager, "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
    assert sorted(nodes.split("\n")) == ["", "manager Ready", "worker Ready"]
    for one in pair:
        one.remove(force=True, v=True)


def test_no_name_of_a_build_is_left(engine):
    tags = {tag for image in engine.images.list() for tag in image.tags}
    assert not [tag for tag in tags if tag.startswith("dockyard-build/")]
