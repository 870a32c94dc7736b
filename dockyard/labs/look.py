"""How a check looks at the daemon: it reads, it changes nothing.

Each method says what is wrong in the learner's words by raising NotYet, so that a check is a
list of expectations in the order in which a learner would meet them.
"""

from __future__ import annotations

import gzip
import http.client
import io
import ssl
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

import docker
import requests
from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.models.images import Image
from docker.models.networks import Network
from docker.models.volumes import Volume

from dockyard import labels
from dockyard.labs.attempt import Attempt
from dockyard.labs.verdict import Broken, NotYet

# An image without a command of its own cannot be made a container without one.
NEVER_STARTED = ["-"]


class Look:
    """One look at the daemon, with the values of an attempt: ``look["WEB"]``."""

    def __init__(self, daemon: docker.DockerClient, attempt: Attempt) -> None:
        self.daemon = daemon
        self.attempt = attempt

    def __getitem__(self, name: str) -> str:
        return self.attempt.values[name]

    def container(self, name: str) -> Container:
        """The container of that name. Similar to ``docker inspect NAME``."""
        try:
            return self.daemon.containers.get(name)
        except NotFound:
            raise NotYet(f"There is no container called {name}.") from None

    def running(self, name: str) -> Container:
        """The container of that name, which must be running."""
        container = self.container(name)
        if container.status != "running":
            state = container.attrs["State"]
            raise NotYet(
                f"The container {name} is {container.status}"
                + (f", with exit code {state['ExitCode']}." if state["ExitCode"] else ".")
            )
        return container

    def image(self, reference: str) -> Image:
        """The image of that name and tag. Similar to ``docker image inspect``."""
        try:
            return self.daemon.images.get(reference)
        except ImageNotFound:
            raise NotYet(f"The daemon has no image {reference}.") from None

    def layers(self, reference: str) -> list[str]:
        """The digests of an image's layers, from the base upwards; an image may have none."""
        return self.image(reference).attrs["RootFS"].get("Layers") or []

    def settings(self, reference: str) -> dict[str, Any]:
        """What an image says about how to start; an image may say nothing."""
        return self.image(reference).attrs.get("Config") or {}

    def network(self, name: str) -> Network:
        """The network of that name. Similar to ``docker network inspect``."""
        for network in self.daemon.networks.list(names=[name]):
            if network.name == name:
                network.reload()
                return network
        raise NotYet(f"There is no network called {name}.")

    def volume(self, name: str) -> Volume:
        """The volume of that name. Similar to ``docker volume inspect``."""
        try:
            return self.daemon.volumes.get(name)
        except NotFound:
            raise NotYet(f"There is no volume called {name}.") from None

    def removed(self, name: str, seconds: int = 3600) -> bool:
        """Whether a container of that name was removed during the last seconds.

        Similar to ``docker events --filter container=NAME --filter event=destroy``. The daemon
        remembers its last 256 events.
        """
        now = time.time()
        events = self.daemon.events(
            since=f"{now - seconds:.9f}",
            until=f"{now:.9f}",
            filters={"event": "destroy"},
            decode=True,
        )
        return any(event["Actor"]["Attributes"].get("name") == name for event in events)

    def published(self, container: Container, inside: int, protocol: str = "tcp") -> list[int]:
        """The ports of this computer at which a container's port is published; may be empty.

        Those of its IPv4 addresses: where the kernel chooses, IPv6 gets another one.
        """
        bindings = container.attrs["NetworkSettings"]["Ports"].get(f"{inside}/{protocol}") or []
        return sorted(
            {int(binding["HostPort"]) for binding in bindings if ":" not in binding["HostIp"]}
        )

    def get(self, port: int | str, path: str = "/", patience: float = 3) -> tuple[int, str]:
        """Ask http://127.0.0.1:PORT/path; returns status and text.

        A server that has just been started is given patience seconds. Raises Broken when
        nobody answers.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                return _ask(int(port), path)
            except (OSError, http.client.HTTPException) as error:
                if time.monotonic() > deadline:
                    raise Broken(
                        f"http://127.0.0.1:{port}{path} does not answer ({_reason(error)})."
                    ) from None
            time.sleep(0.1)

    def get_secure(self, port: int | str, path: str, folder: Path) -> tuple[int, str]:
        """Ask https://127.0.0.1:PORT/path with ca.pem, cert.pem and key.pem of a folder.

        Similar to ``docker --tlsverify --host tcp://127.0.0.1:PORT``. Raises Broken when the
        certificates do not lead there.
        """
        try:
            trust = trusting(cafile=folder / "ca.pem")
            trust.load_cert_chain(folder / "cert.pem", folder / "key.pem")
            return _ask(int(port), path, trust)
        except FileNotFoundError:
            raise NotYet(f"Of ca.pem, cert.pem and key.pem not all are in {folder.name}.") from None
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"https://127.0.0.1:{port} refuses ({_reason(error)}).") from None

    def execute(self, container: Container, *argv: str) -> tuple[int, str]:
        """Run a command that only reads inside a running container; exit code and output.

        Similar to ``docker exec NAME ARGV…``.
        """
        api = self.daemon.api
        try:
            run = api.exec_create(container.id, list(argv))["Id"]
            # Not exec_run(): it switches from a buffered reader to the bare socket behind it, and
            # loses what had come together with the answer's head.
            answer = api.post(
                f"{api.base_url}/v{api.api_version}/exec/{run}/start",
                json={"Detach": False, "Tty": False},
            )
            answer.raise_for_status()
            code = api.exec_inspect(run)["ExitCode"]
        except (APIError, requests.HTTPError) as error:
            raise Broken(f"{argv[0]} cannot be run in {container.name}: {_said(error)}") from None
        return code, _unframed(answer.content).decode(errors="replace")

    def resolves(self, container: Container, name: str) -> bool:
        """Whether the name of another container can be looked up inside this one."""
        program = "import socket, sys; socket.gethostbyname(sys.argv[1])"
        for argv in (
            ("getent", "hosts", name),
            ("nslookup", name),
            ("python3", "-c", program, name),
        ):
            try:
                done = container.exec_run(list(argv))
            except APIError:
                continue
            if done.exit_code not in (126, 127):
                return done.exit_code == 0
        raise Broken(f"{container.name} has no program to look up names with.")

    def read(self, container: Container, path: str) -> str | None:
        """The text of a file in a container, running or not; None when there is none.

        Similar to ``docker cp NAME:PATH -``. Follows volumes and bind mounts.
        """
        try:
            chunks, _ = container.get_archive(path)
        except NotFound:
            return None
        return _first_file(b"".join(chunks))

    def read_volume(self, volume: str, path: str, image: str = "busybox:latest") -> str | None:
        """The text of a file in a volume; None when there is none.

        A container is made for it, never started, and removed again.
        """
        with self._holding(volume, image) as container:
            return self.read(container, f"/volume/{path.lstrip('/')}")

    def read_image(self, reference: str, path: str) -> str | None:
        """The text of a file in an image; None when there is none."""
        with labels.helper(self.daemon, self.image(reference).id, NEVER_STARTED) as container:
            return self.read(container, path)

    def run(self, image: str, *argv: str, timeout: float = 20, **options: Any) -> tuple[int, str]:
        """Run a throw-away container of an image; exit code and output, both streams.

        Similar to ``docker run --rm IMAGE ARGV…``. timeout is in seconds; raises Broken then.
        """
        with self._started(image, list(argv) or None, **options) as container:
            try:
                code = container.wait(timeout=timeout)["StatusCode"]
            except OSError:
                raise Broken(f"{image} was still running after {timeout:.0f} s.") from None
            return code, container.logs().decode(errors="replace")

    def answer(self, image: str, inside: int, path: str = "/") -> tuple[int, str]:
        """What a throw-away container of an image answers at its port; status and text.

        Similar to ``docker run --rm --publish 127.0.0.1::INSIDE IMAGE``.
        """
        where = {f"{inside}/tcp": ("127.0.0.1", None)}
        with self._started(image, None, ports=where) as container:
            container.reload()
            found = self.published(container, inside)
            if not found:
                self._ended(image, container)
            try:
                return self.get(found[0], path, patience=10)
            except Broken:
                container.reload()
                if container.status == "exited":
                    self._ended(image, container)
                raise Broken(f"A container of {image} does not answer at port {inside}.") from None

    def file(self, path: str) -> str:
        """The text of a file in the learner's folder, $WORK."""
        try:
            return (self.attempt.work / path).read_text(errors="replace")
        except FileNotFoundError:
            raise NotYet(f"There is no file {path} in your folder.") from None
        except OSError as error:
            raise NotYet(f"{path} cannot be read: {error.strerror}.") from None

    def holds(self, reference: str, text: str) -> bool:
        """Whether a text stands anywhere in an image: in a layer, hidden or not, or a setting.

        Similar to ``docker save IMAGE | grep TEXT``.
        """
        with tempfile.TemporaryFile() as packed:
            for chunk in self.image(reference).save():
                packed.write(chunk)
            packed.seek(0)
            with tarfile.open(fileobj=packed) as tar:
                return any(
                    _stands_in(tar.extractfile(member), text.encode())
                    for member in tar
                    if member.isfile()
                )

    def _ended(self, image: str, container: Container) -> NoReturn:
        code = container.attrs["State"]["ExitCode"]
        said = container.logs().decode(errors="replace").strip().splitlines()
        last = f" It said: {said[-1][:100]}" if said else ""
        raise Broken(f"A container of {image} ends at once, with exit code {code}.{last}")

    @contextmanager
    def _started(self, image: str, argv: list[str] | None, **options: Any) -> Iterator[Container]:
        self.image(image)
        try:
            with labels.helper(self.daemon, image, argv, **options) as container:
                container.start()
                yield container
        except APIError as error:
            raise Broken(f"{image} cannot be run: {_said(error)}") from None

    @contextmanager
    def _holding(self, volume: str, image: str):
        self.volume(volume)
        mount = {volume: {"bind": "/volume", "mode": "ro"}}
        image_id = self.image(image).id
        with labels.helper(self.daemon, image_id, NEVER_STARTED, volumes=mount) as container:
            yield container


def brief(text: str) -> str:
    """The beginning of what a program said, on one line, to be quoted in a verdict."""
    return " ".join(text.split())[:100]


def trusting(**authority: Any) -> ssl.SSLContext:
    """A client's side of TLS that trusts this authority alone; arguments as for ssl."""
    trust = ssl.create_default_context(**authority)
    # Python 3.13 asks more of a certificate than Docker and openssl put into one.
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return trust


def _ask(port: int, path: str, trust: ssl.SSLContext | None = None) -> tuple[int, str]:
    if trust:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=trust)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def _stands_in(stream: IO[bytes], text: bytes) -> bool:
    # A daemon may keep and send its layers packed.
    packed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    if packed:
        stream = gzip.GzipFile(fileobj=stream)
    kept = b""
    while block := stream.read(1 << 20):
        kept += block
        if text in kept:
            return True
        kept = kept[-len(text) :]
    return False


def _unframed(stream: bytes) -> bytes:
    """The content of frames that each begin with 8 bytes (Docker Engine API: ContainerAttach)."""
    content = b""
    while len(stream) >= 8:
        end = 8 + int.from_bytes(stream[4:8], "big")
        content += stream[8:end]
        stream = stream[end:]
    return content


def _first_file(archive: bytes) -> str | None:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if member.isfile():
                return tar.extractfile(member).read().decode(errors="replace")
    return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _said(error: Exception) -> str:
    return (getattr(error, "explanation", None) or str(error)).strip().splitlines()[0]
