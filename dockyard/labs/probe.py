"""What a check may ask of the daemon and its containers. A probe leaves all as it was.

It adds behaviour to the facts of inspection.py: answers over HTTP, texts of files, outputs of
programs. Containers and files that it makes for this are removed before the check ends.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import secrets
import tarfile
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.tls import TLSConfig

from dockyard import cleanup
from dockyard.core import wait
from dockyard.core.tls_context import trusting
from dockyard.labs import executions, loopback_http, payloads
from dockyard.labs.attempt import Attempt
from dockyard.labs.inspection import Inspection
from dockyard.labs.loopback_http import reason
from dockyard.labs.verdict import Broken, NotYet, brief

NEVER_STARTED = ["-"]
"""The command of containers that only give access to files: some images have no command."""

MOST_LINKS = 10
"""Symbolic links that are followed from one to the next."""

PATIENCE = 20
"""Seconds for a throw-away container to exit."""

LONGEST_START, LONGEST_RUN = 30, 180
"""Seconds that a program may take to start and to do its work on a busy computer."""

TLS_PORT = 2376
"""Where a daemon in a container of docker:dind waits for clients with a certificate."""

OLDEST_API = "1.44"
"""Every daemon of today still speaks it."""


def given_up(began: float, patience: float, error: Exception | None = None) -> bool:
    """Whether a server, asked since a moment, has had the time to start that a check gives it.

    error is the one of the last request.
    """
    # Docker listens at a published port before the program in the container does.
    nobody = isinstance(error, ConnectionRefusedError)
    return time.monotonic() > began + (
        patience if nobody else wait.patience_now(patience, LONGEST_START)
    )


class Probe(Inspection):
    """What a check sees of the daemon; its methods raise NotYet or Broken."""

    def __init__(self, daemon: docker.DockerClient, attempt: Attempt) -> None:
        super().__init__(daemon, attempt)
        self._lock = threading.Lock()
        self._second: dict[str | None, Probe] = {}
        self._ending = ExitStack()

    def close(self) -> None:
        """End the connections to the daemons in containers."""
        self._ending.close()

    def daemon_in(self, container: Container) -> Probe:
        """A probe of the daemon in a container, to which it talks over TLS.

        The container has the client's certificates in /certs/client, as docker:dind makes them.
        Similar to ``docker --tlsverify --host tcp://127.0.0.1:PORT``. Raises NotYet when the
        daemon's port is not published, or when nobody answers there.
        """
        with self._lock:
            if container.id not in self._second:
                self._second[container.id] = self._connect(container)
            return self._second[container.id]

    def _connect(self, container: Container) -> Probe:
        ports = self.published(container, TLS_PORT)
        if not ports:
            raise NotYet(f"{container.name} runs, but its port {TLS_PORT} is not published.")
        # Each new connection reads the files again.
        folder = self._ending.enter_context(tempfile.TemporaryDirectory())
        ca, cert, key = (Path(folder, f"{each}.pem") for each in ("ca", "cert", "key"))
        for file in (ca, cert, key):
            file.write_text(self.read(container, f"/certs/client/{file.name}") or "")
        try:
            daemon = docker.DockerClient(
                f"https://127.0.0.1:{ports[0]}",
                version=OLDEST_API,
                timeout=PATIENCE,
                tls=TLSConfig((str(cert), str(key)), str(ca), verify=True),
            )
            self._ending.callback(daemon.close)
            # Never by a proxy, as in loopback_http.py.
            daemon.api.trust_env = False
            daemon.ping()
            daemon.api.timeout = self.daemon.api.timeout
        except (DockerException, requests.RequestException, OSError):
            raise NotYet(f"No daemon answers on {container.name} yet.") from None
        return Probe(daemon, self.attempt)

    def serving(self, name: str, port: int | str, inside: int) -> Container:
        """The container that should answer at a port of this computer, running.

        Recognises one that could not be started because its ports are the wrong way round.
        """
        container = self.container(name)
        if container.status == "created" and self.is_reversed(container, inside, port):
            self._explain_closed(container, port, inside)
        return self.running(name)

    def reach(
        self, container: Container, port: int | str, inside: int, path: str = "/"
    ) -> tuple[int, str]:
        """The status and text with which a container answers at a port of this computer.

        The port may be published, also by the container whose network it uses, or the container
        has the host's network. inside is where its program listens by default. Raises NotYet when
        the port does not lead to the container, Broken when nobody answers.
        """
        leads_to = self.must_lead(container, port, inside)
        try:
            return self.get(port, path)
        except Broken as error:
            if not leads_to or inside in leads_to:
                raise
            listens = self.listening(container)
            raise Broken(
                f"Port {port} leads to port {leads_to[0]} of {container.name}. {error.saw}",
                mistake="port-where-nobody-listens"
                if listens and leads_to[0] not in listens
                else None,
            ) from None

    def must_lead(self, container: Container, port: int | str, inside: int) -> list[int]:
        """The ports of a container to which a port of this computer leads. Raises NotYet.

        Empty when the container has the host's network, and so this very port.
        """
        doors = self.doors(container)
        leads_to = [number for number, ports in doors.items() if int(port) in ports]
        owner = self.interfaces_of(container)
        if not leads_to and owner.attrs["HostConfig"]["NetworkMode"] != "host":
            self._explain_closed(container, port, inside)
        return leads_to

    def _explain_closed(self, container: Container, port: int | str, inside: int) -> NoReturn:
        if self.is_reversed(container, inside, port):
            raise NotYet(
                f"{container.name} publishes its port {port} at port {inside}.",
                mistake="port-reversed",
            )
        only = self.only_exposed(container)
        self.must_publish(container, inside, port, mistake="port-not-published" if only else None)
        raise AssertionError("published, and not")  # pragma: no cover

    def listening(self, container: Container) -> set[int]:
        """The TCP ports at which programs listen in a container; empty when it has no cat."""
        ports = set()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            try:
                _, text = self.execute(container, "cat", table)
            except Broken:
                continue
            rows = (line.split() for line in text.splitlines()[1:])
            # 0A is the state LISTEN (Linux: include/net/tcp_states.h).
            ports |= {int(row[1].rpartition(":")[2], 16) for row in rows if row[3:4] == ["0A"]}
        return ports

    @contextmanager
    def copy_of(self, container: Container, **options: Any) -> Iterator[Container]:
        """A throw-away container like this one: its image, program, user and variables.

        options are those of docker-py, such as volumes. It is not started and publishes nothing.
        """
        config = container.attrs["Config"]
        with cleanup.helper(
            self.daemon,
            container.attrs["Image"],
            config["Cmd"],
            entrypoint=config["Entrypoint"],
            environment=config["Env"],
            user=config["User"],
            working_dir=config["WorkingDir"],
            **options,
        ) as copy:
            yield copy

    def get(self, port: int | str, path: str = "/", patience: float = 3) -> tuple[int, str]:
        """The status and text of http://127.0.0.1:PORT/path.

        Tries again for patience seconds while the server is starting or answers 503, because it
        waits for another one; longer on a busy computer, unless nothing listens at the port.
        Raises Broken when there is no answer.
        """
        began = time.monotonic()
        while True:
            try:
                answer = loopback_http.get(int(port), path)
                if answer.status != 503 or given_up(began, patience):
                    return answer.status, answer.text
            except (OSError, http.client.HTTPException) as error:
                if given_up(began, patience, error):
                    raise Broken(
                        f"http://127.0.0.1:{port}{path} does not answer ({reason(error)})."
                    ) from None
            time.sleep(0.1)

    def get_secure(self, port: int | str, path: str, folder: Path) -> tuple[int, str]:
        """The status and text of https://127.0.0.1:PORT/path.

        Uses ca.pem, cert.pem and key.pem in a folder. Similar to ``docker --tlsverify --host
        tcp://127.0.0.1:PORT``. Raises Broken when the server or the client is not trusted.
        """
        try:
            trust = trusting(cafile=folder / "ca.pem")
            trust.load_cert_chain(folder / "cert.pem", folder / "key.pem")
            answer = loopback_http.get(int(port), path, trust)
        except FileNotFoundError:
            raise NotYet(f"Of ca.pem, cert.pem and key.pem not all are in {folder.name}.") from None
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"https://127.0.0.1:{port} refuses ({reason(error)}).") from None
        return answer.status, answer.text

    def logged(self, container: Container, text: str, patience: float = 3) -> bool:
        """Whether a running container prints a text within patience seconds.

        They are more on a busy computer.
        """
        patience = wait.patience_now(patience, LONGEST_START)
        return wait.within(patience, lambda: text in self.log(container), 0.1)

    def execute(self, container: Container, *argv: str, user: str = "") -> tuple[int, str]:
        """The exit code and output of a command in a running container. It must only read.

        user is by default the container's own. Similar to ``docker exec NAME ARGV…``. Raises
        Broken when the command cannot be run or prints nothing until the client's time-out.
        """
        code, stream = self._execute(container, argv, user)
        return code, payloads.demultiplex(stream)

    def document(self, container: Container, *argv: str) -> Any:
        """The JSON that a command in a running container prints; None when the command fails.

        Ignores standard error, where clients print warnings. Raises Broken when it is not JSON.
        """
        code, stream = self._execute(container, argv)
        if code:
            return None
        text = payloads.demultiplex(stream, [payloads.STDOUT])
        try:
            return json.loads(text)
        except ValueError:
            raise Broken(f"In {container.name}, {argv[0]} says {brief(text)!r}.") from None

    def inspected(self, engine: Container, kind: str, name: str) -> dict[str, Any] | None:
        """An object of the engine in a container, as it is inspected; None when there is none.

        Similar to ``docker exec ENGINE docker KIND inspect NAME``.
        """
        (found,) = self.document(engine, "docker", kind, "inspect", name) or [None]
        return found

    def there(self, engine: Container, name: str) -> dict[str, Any]:
        """A container of the engine in a container, as it is inspected. Raises NotYet."""
        found = self.inspected(engine, "container", name)
        if found is None:
            raise NotYet(f"There is no container {name} on {engine.name}.")
        return found

    def running_there(self, engine: Container, name: str) -> dict[str, Any]:
        """A running container of the engine in a container. Raises NotYet."""
        found = self.there(engine, name)
        state = found["State"]["Status"]
        if state != "running":
            raise NotYet(f"{name} on {engine.name} is {state}.")
        return found

    def boat(self, guest: str = "") -> Container:
        """The container ``$BOAT``, whose daemon must answer.

        guest is a container that belongs on that daemon and must not be on the course's.
        """
        boat = self.running(self["BOAT"])
        if guest:
            self.not_here(guest, boat)
        if self.execute(boat, "docker", "version")[0]:
            raise NotYet(f"No daemon answers on {boat.name} yet.")
        return boat

    def _execute(
        self, container: Container, argv: Sequence[str], user: str = ""
    ) -> tuple[int, bytes]:
        api = self.daemon.api
        try:
            run = api.exec_create(container.id, list(argv), user=user)["Id"]
            executions.remember(run)
            # Not exec_run(): it switches from a buffered reader to the socket behind it, and
            # loses what arrived together with the head of the answer.
            answer = api.post(
                f"{api.base_url}/v{api.api_version}/exec/{run}/start",
                json={"Detach": False, "Tty": False},
                timeout=api.timeout,
            )
            answer.raise_for_status()
            return api.exec_inspect(run)["ExitCode"], answer.content
        except (APIError, requests.HTTPError) as error:
            raise Broken(
                f"{argv[0]} cannot be run in {container.name}: {_refusal(error)}"
            ) from None
        except (requests.Timeout, requests.ConnectionError) as error:
            if not _timed_out(error):
                raise
            raise Broken(
                f"{argv[0]} in {container.name} had not ended after {api.timeout} s."
            ) from None

    def shows(self, container: Container, inside: str, folder: Path) -> bool:
        """Whether a path in a running container is this folder of the learner's, not a copy.

        Makes a file in the folder, looks for it in the container and removes it. The folder's
        time stays as it was, so that ``--watch`` does not take it for the learner's doing.
        """
        try:
            before = folder.stat()
            trial = folder / f".check-{secrets.token_hex(4)}"
            trial.touch()
        except OSError as error:
            raise NotYet(f"{folder.name} in your folder: {error.strerror}.") from None
        try:
            argv = ("ls", "-a", inside)
            return wait.within(1, lambda: trial.name in self.execute(container, *argv)[1], 0.2)
        finally:
            trial.unlink()
            os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))

    def processes(self, container: Container) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        """The status of a container's own processes, and of those that ``docker exec`` started.

        Each with the keys of proc_pid_status(5), such as Name, Uid and State. An init (``--init``)
        that has started a program is in neither list. The container needs a shell.
        """
        _, text = self.execute(container, "sh", "-c", "cat /proc/[0-9]*/status 2> /dev/null")
        found = [
            dict(re.findall(r"^(\w+):\s*(\S+)", each, re.MULTILINE))
            for each in re.split(r"^(?=Name:)", text, flags=re.MULTILINE)
            if "Pid:" in each
        ]
        by_id = {each["Pid"]: each for each in found}
        own: list[dict[str, str]] = []
        visitors: list[dict[str, str]] = []
        for each in found:
            first = each
            while first["PPid"] in by_id:
                first = by_id[first["PPid"]]
            (own if first["Pid"] == "1" else visitors).append(each)
        return [each for each in own if each["Pid"] != "1"] or own, visitors

    def can_write(self, container: Container, folder: str) -> bool:
        """Whether a running container's user can write in a folder; what was written is removed.

        Only asks for the mount when the container has no program to try it with.
        """
        tried = f"{folder.rstrip('/')}/.{uuid.uuid4().hex}"
        try:
            code, _ = self.execute(container, "touch", tried)
            if code == 0:
                self.execute(container, "rm", "-f", tried)
            if code not in (126, 127):
                return code == 0
        except Broken:
            pass
        mounts = {each["Destination"].rstrip("/"): each for each in container.attrs["Mounts"]}
        return bool(mounts.get(folder.rstrip("/"), {}).get("RW", True))

    def resolves(self, container: Container, name: str) -> bool:
        """Whether a container can look up the name of another one."""
        program = "import socket, sys; socket.gethostbyname(sys.argv[1])"
        for argv in (
            ("getent", "hosts", name),
            ("nslookup", name),
            ("python3", "-c", program, name),
        ):
            try:
                code, _ = self._execute(container, argv)
            except Broken:
                continue
            if code not in (126, 127):
                return code == 0
        raise Broken(f"{container.name} has no program to look up names with.")

    def read(self, container: Container, path: str) -> str | None:
        """The text of a file in a container, running or not; None when there is none.

        Similar to ``docker cp NAME:PATH -``. Reads volumes and bind mounts too.
        """
        for _ in range(MOST_LINKS):
            try:
                chunks, found = container.get_archive(path)
            except NotFound:
                return None
            content = b"".join(chunks)
            # The daemon packs a symbolic link as such, and says where it leads.
            target = (found or {}).get("linkTarget")
            if not target:
                return payloads.first_file(content)
            path = target
        return None

    def read_volume(self, volume: str, path: str) -> str | None:
        """The text of a file in a volume; None when there is none.

        Makes a container for it, which never starts, and removes it.
        """
        self.volume(volume)
        mount = {volume: {"bind": "/volume", "mode": "ro"}}
        image = self.image_id("busybox:latest")
        with cleanup.helper(self.daemon, image, NEVER_STARTED, volumes=mount) as container:
            return self.read(container, f"/volume/{path.lstrip('/')}")

    def files_of_volume(self, volume: str) -> dict[str, str]:
        """The texts of all files in a volume, by path. Raises NotYet when there is no volume."""
        self.volume(volume)
        mount = {volume: {"bind": "/volume", "mode": "ro"}}
        image = self.image_id("busybox:latest")
        with cleanup.helper(self.daemon, image, NEVER_STARTED, volumes=mount) as container:
            chunks, _ = container.get_archive("/volume/.")
            return payloads.files(io.BytesIO(b"".join(chunks)))

    def read_image(self, reference: str, path: str) -> str | None:
        """The text of a file in an image; None when there is none."""
        with cleanup.helper(self.daemon, self.image_id(reference), NEVER_STARTED) as container:
            return self.read(container, path)

    def image_names(self, stem: str) -> list[str]:
        """The names of images that begin with a stem, such as ``["site-oak:latest"]``."""
        # Not images.list(): it inspects each image, and fails if one is removed meanwhile.
        names = (
            name
            for image in cleanup.list_images(self.daemon.api)
            for name in image["RepoTags"] or ()
        )
        return sorted(name for name in names if name.startswith(stem))

    def run(self, image: str, *argv: str, **options: Any) -> tuple[int, str]:
        """The exit code and output, both streams, of a throw-away container.

        Similar to ``docker run --rm IMAGE ARGV…``. Raises Broken when it does not exit.
        """
        with self.throw_away(image, list(argv) or None, **options) as container:
            patience = wait.patience_now(PATIENCE, LONGEST_RUN)
            try:
                code = container.wait(timeout=patience)["StatusCode"]
            except OSError:
                raise Broken(f"{image} was still running after {patience:.0f} s.") from None
            return code, self.log(container)

    def answer(self, image: str, inside: int, patience: float = 10) -> tuple[int, str]:
        """The status and text that a throw-away container answers at its port.

        Waits for patience seconds until its program listens.

        Similar to ``docker run --rm --publish 127.0.0.1::INSIDE IMAGE``.
        """
        where = {f"{inside}/tcp": ("127.0.0.1", None)}
        with self.throw_away(image, None, ports=where) as container:
            container.reload()
            found = self.published(container, inside)
            if not found:
                self._raise_exited(image, container)
            try:
                return self.get(found[0], patience=patience)
            except Broken:
                container.reload()
                if container.status == "exited":
                    self._raise_exited(image, container)
                raise Broken(f"A container of {image} does not answer at port {inside}.") from None

    def holds(self, reference: str, text: str) -> bool:
        """Whether an image contains a text: in a layer, even if hidden, or in its settings.

        Similar to ``docker save IMAGE | grep TEXT``.
        """
        return any(payloads.layer_contains(file, text.encode()) for file in self._packed(reference))

    def hidden(self, reference: str) -> set[str]:
        """The paths of files that a layer of an image hides, such as ``app/password.txt``."""
        return {path for file in self._packed(reference) for path in payloads.whiteouts(file)}

    def _packed(self, reference: str) -> Iterator[IO[bytes]]:
        """The files of an image as it is saved: its layers and descriptions."""
        with tempfile.TemporaryFile() as packed:
            for chunk in self.image(reference).save():
                packed.write(chunk)
            packed.seek(0)
            with tarfile.open(fileobj=packed) as tar:
                for member in tar:
                    if file := payloads.open_member(tar, member):
                        yield file

    def _raise_exited(self, image: str, container: Container) -> NoReturn:
        code = container.attrs["State"]["ExitCode"]
        said = self.log(container).strip().splitlines()
        last = f" It said: {said[-1][:100]}" if said else ""
        raise Broken(f"A container of {image} ends at once, with exit code {code}.{last}")

    @contextmanager
    def throw_away(self, image: str, argv: list[str] | None, **options: Any) -> Iterator[Container]:
        """A container that was started for a ``with`` block, and is removed at its end.

        Similar to ``docker run --detach``. Raises Broken when it cannot be run.
        """
        self.image(image)
        try:
            with cleanup.helper(self.daemon, image, argv, **options) as container:
                container.start()
                yield container
        except APIError as error:
            raise Broken(f"{image} cannot be run: {_refusal(error)}") from None


def _refusal(error: Exception) -> str:
    """The daemon's own words when it refuses a request."""
    return (getattr(error, "explanation", None) or str(error)).strip().splitlines()[0]


def _timed_out(error: requests.RequestException) -> bool:
    """Whether an answer, or its end, did not arrive in time."""
    # Once the head of the answer has arrived, requests calls a time-out a connection error.
    cause = error.args[0] if error.args else None
    return isinstance(error, requests.Timeout) or isinstance(
        cause, urllib3.exceptions.ReadTimeoutError
    )
