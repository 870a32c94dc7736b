"""The embedded engine on other distributions: it starts, runs, stops, and changes nothing."""

import json
import os
import shutil
import subprocess
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dockyard.core import paths
from dockyard.engine import debian_archive, engine_root, root_archive
from tests.engine.hosts import Host
from tests.support.restricted_host import needs_root

pytestmark = [
    needs_root,
    pytest.mark.engine,
    pytest.mark.distributions,
    pytest.mark.skipif(not debian_archive.can_extract(), reason="needs apt-get"),
]

USE = """
import io, json, sys
from contextlib import closing
import docker
from dockyard.engine.embedded import EmbeddedEngine

engine = EmbeddedEngine()
try:
    with closing(docker.DockerClient(base_url=engine.start(print).address, timeout=300)) as client:
        client.images.load(open("/tmp/busybox.tar", "rb").read())
        port = {"80/tcp": ("127.0.0.1", None)}
        web = client.containers.run("busybox", "httpd -f -h /etc", detach=True, ports=port)
        web.reload()
        dockerfile = io.BytesIO(b"FROM busybox\\nRUN echo built > /note\\nCMD cat /note\\n")
        client.images.build(fileobj=dockerfile, tag="note")
        told = {
            "python": sys.version_info[:2],
            "version": client.version()["Version"],
            "built": client.containers.run("note").decode(),
            "mounted": client.containers.run("busybox", "cat /e/debian_version",
                                             volumes=["/etc:/e"]).decode(),
            "ports": bool(web.ports["80/tcp"]),
            "top": web.top()["Processes"][0][-1],
        }
finally:
    engine.stop(print)
print(json.dumps(told))
"""


def used(host, busybox, **variables):
    """What a learner saw who started, used and stopped the engine in that host."""
    (host.root / "busybox.tar").write_bytes(busybox)
    before = host.files()
    program = USE.replace("/tmp/busybox.tar", "/busybox.tar")
    done = host.run("python3", "-c", program, **variables)
    assert done.returncode == 0, done.stderr
    assert host.files() == before
    assert not list((host.root / "tmp").iterdir())
    assert str(host.root) not in Path("/proc/self/mountinfo").read_text()
    assert not [line for line in _commands() if str(host.root) in line]
    return json.loads(done.stdout.splitlines()[-1])


def _commands():
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_text().replace("\0", " ")
        except OSError:
            continue


def assert_all(seen, host, python):
    assert tuple(seen["python"]) == python
    assert seen["version"].startswith(engine_root.VERSION)
    assert seen["built"] == "built\n"
    assert seen["mounted"] == (host.root / "etc/debian_version").read_text()
    assert seen["ports"]
    assert seen["top"] == "httpd -f -h /etc"


@pytest.mark.parametrize(("suite", "python"), [("trixie", (3, 13)), ("forky", (3, 14))])
def test_debian_is_a_host_and_none_of_its_files_change(tmp_path, busybox, suite, python):
    host = Host(tmp_path, suite)
    assert_all(used(host, busybox), host, python)


@pytest.fixture
def release(tmp_path, monkeypatch):
    """A web server in place of the release host, with an archive of the course's engine root."""
    folder = tmp_path / "release"
    folder.mkdir()
    table = tmp_path / "engine_root.toml"
    shutil.copy(engine_root.TABLE, table)
    recipe = engine_root.recipe()
    archive = folder / f"engine-root-{recipe}.tar.xz"
    # xz takes minutes for this; Python's tarfile finds out what it is.
    with tarfile.open(archive, "w") as tar:
        tar.add(engine_root.fetch(print), "")
    root_archive.note(table, os.uname().machine, "http://nobody.invalid", recipe, archive)
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield table, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_another_distribution_takes_the_archive_of_a_release(tmp_path, busybox, release):
    """Debian's files in Fedora's places, without Debian's programs and keys."""
    host = Host(tmp_path, "trixie")
    host.hide_packaging()
    host.move_libraries()
    subprocess.run(host.command("ldconfig"), env=host.environment(), check=True)
    table, url = release
    checkout = tmp_path / "checkout"
    shutil.copytree(paths.CHECKOUT / "dockyard", checkout / "dockyard")
    shutil.copy(table, checkout / engine_root.TABLE.relative_to(paths.CHECKOUT))
    seen = used(host, busybox, DOCKYARD_RELEASE=url, checkout=str(checkout))
    assert_all(seen, host, (3, 13))
