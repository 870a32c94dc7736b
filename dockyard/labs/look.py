"""How a check looks at the daemon: it reads, it changes nothing.

To what ``inspect`` says (see objects.py) comes behaviour: an answer over HTTP, a file's text, what
a program says. A container that has to be made for that is gone again when the check ends.
"""

from __future__ import annotations

import http.client
import json
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import requests
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from dockyard import cleanup
from dockyard.core import wait
from dockyard.core.tls_context import trusting
from dockyard.labs import wire
from dockyard.labs.objects import Objects
from dockyard.labs.verdict import Broken, NotYet

# An image without a command of its own cannot be made a container without one.
NEVER_STARTED = ["-"]

PATIENCE = 20
"""Seconds for a throw-away container to end."""


class Look(Objects):
    """One look at the daemon."""

    def get(self, port: int | str, path: str = "/", patience: float = 3) -> tuple[int, str]:
        """Ask http://127.0.0.1:PORT/path; returns status and text.

        A server that has just been started, or waits for another one (status 503, RFC 9110), is
        given patience seconds. Raises Broken when nobody answers.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                status, text = wire.ask(int(port), path)
                if status != 503 or time.monotonic() > deadline:
                    return status, text
            except (OSError, http.client.HTTPException) as error:
                if time.monotonic() > deadline:
                    raise Broken(
                        f"http://127.0.0.1:{port}{path} does not answer ({wire.reason(error)})."
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
            return wire.ask(int(port), path, trust)
        except FileNotFoundError:
            raise NotYet(f"Of ca.pem, cert.pem and key.pem not all are in {folder.name}.") from None
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"https://127.0.0.1:{port} refuses ({wire.reason(error)}).") from None

    def logged(self, container: Container, text: str, patience: float = 3) -> bool:
        """Whether the log of a running container has a text, or gets it within patience seconds."""
        return wait.within(patience, lambda: text in container.logs().decode(errors="replace"), 0.1)

    def execute(self, container: Container, *argv: str) -> tuple[int, str]:
        """Run a command that only reads inside a running container; exit code and output.

        Similar to ``docker exec NAME ARGV…``. Raises Broken when it cannot be run, or says nothing
        for as long as the daemon is given for an answer.
        """
        code, frames = self._execute(container, argv)
        return code, wire.unframed(frames)

    def document(self, container: Container, *argv: str) -> Any:
        """The JSON that such a command prints; None when it fails. Raises Broken when it is none.

        A warning that comes with it, as a client's do, is on the other stream and left out.
        """
        code, frames = self._execute(container, argv)
        if code:
            return None
        text = wire.unframed(frames, [wire.STDOUT])
        try:
            return json.loads(text)
        except ValueError:
            raise Broken(f"In {container.name}, {argv[0]} says {wire.brief(text)!r}.") from None

    def inspected(self, engine: Container, kind: str, name: str) -> dict | None:
        """What an engine in a container tells of an object; None when it has none of that name.

        Similar to ``docker exec ENGINE docker KIND inspect NAME``.
        """
        (found,) = self.document(engine, "docker", kind, "inspect", name) or [None]
        return found

    def there(self, engine: Container, name: str) -> dict:
        """What an engine in a container tells of a container, which must be there."""
        found = self.inspected(engine, "container", name)
        if found is None:
            raise NotYet(f"There is no container {name} on {engine.name}.")
        return found

    def boat(self, guest: str = "") -> Container:
        """The container $BOAT, in which a daemon answers; guest belongs on it, and not here."""
        boat = self.running(self["BOAT"])
        if guest:
            self.not_here(guest, boat)
        if self.execute(boat, "docker", "version")[0]:
            raise NotYet(f"No daemon answers on {boat.name} yet.")
        return boat

    def _execute(self, container: Container, argv: Sequence[str]) -> tuple[int, bytes]:
        api = self.daemon.api
        try:
            run = api.exec_create(container.id, list(argv))["Id"]
            # Not exec_run(): it switches from a buffered reader to the bare socket behind it, and
            # loses what had come together with the answer's head.
            answer = api.post(
                f"{api.base_url}/v{api.api_version}/exec/{run}/start",
                json={"Detach": False, "Tty": False},
                timeout=api.timeout,
            )
            answer.raise_for_status()
            return api.exec_inspect(run)["ExitCode"], answer.content
        except (APIError, requests.HTTPError) as error:
            raise Broken(
                f"{argv[0]} cannot be run in {container.name}: {wire.said(error)}"
            ) from None
        except (requests.Timeout, requests.ConnectionError) as error:
            if not wire.timed_out(error):
                raise
            raise Broken(
                f"{argv[0]} in {container.name} had not ended after {api.timeout} s."
            ) from None

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
        return wire.first_file(b"".join(chunks))

    def read_volume(self, volume: str, path: str) -> str | None:
        """The text of a file in a volume; None when there is none.

        A container is made for it, never started, and removed again.
        """
        self.volume(volume)
        mount = {volume: {"bind": "/volume", "mode": "ro"}}
        image = self.image("busybox:latest").id
        with cleanup.helper(self.daemon, image, NEVER_STARTED, volumes=mount) as container:
            return self.read(container, f"/volume/{path.lstrip('/')}")

    def read_image(self, reference: str, path: str) -> str | None:
        """The text of a file in an image; None when there is none."""
        with cleanup.helper(self.daemon, self.image(reference).id, NEVER_STARTED) as container:
            return self.read(container, path)

    def image_names(self, stem: str) -> list[str]:
        """The names of the daemon's images that begin with a stem, such as ["site-oak:latest"]."""
        # Not images.list(), which asks for each image once more and fails if one went meanwhile.
        names = (name for image in self.daemon.api.images() for name in image["RepoTags"] or ())
        return sorted(name for name in names if name.startswith(stem))

    def run(self, image: str, *argv: str, **options: Any) -> tuple[int, str]:
        """Run a throw-away container of an image; exit code and output, both streams.

        Similar to ``docker run --rm IMAGE ARGV…``. Raises Broken when it does not end.
        """
        with self._started(image, list(argv) or None, **options) as container:
            try:
                code = container.wait(timeout=PATIENCE)["StatusCode"]
            except OSError:
                raise Broken(f"{image} was still running after {PATIENCE} s.") from None
            return code, container.logs().decode(errors="replace")

    def answer(self, image: str, inside: int) -> tuple[int, str]:
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
                return self.get(found[0], patience=10)
            except Broken:
                container.reload()
                if container.status == "exited":
                    self._ended(image, container)
                raise Broken(f"A container of {image} does not answer at port {inside}.") from None

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
                    wire.stands_in(tar.extractfile(member), text.encode())
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
            with cleanup.helper(self.daemon, image, argv, **options) as container:
                container.start()
                yield container
        except APIError as error:
            raise Broken(f"{image} cannot be run: {wire.said(error)}") from None
