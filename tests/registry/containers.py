"""Containers on the course's engine, and daemons in them."""

import contextlib
import io
import tarfile

import requests
from docker.tls import TLSConfig

from dockyard import registry
from dockyard.core import wait
from tests.registry.samples import say

PREFIX = "regtest-"
PATIENCE = 120
"""Seconds that anything may take on a busy computer."""


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


def reachable(address, **options):
    def answer():
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            return [requests.get(address, timeout=5, **options)]
        return []  # a response of status 401 is false by itself, hence the lists

    return wait.until(f"{address} to answer", answer, PATIENCE)[0]


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

    wait.until(f"the daemon in {one.name}", answer, PATIENCE, interval=0.2)


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


def everything(engine):
    """Every image of an engine with its names, those without any included."""
    return {image.id: sorted(image.tags) for image in engine.images.list(all=True)}
