"""Finds the daemons a learner already has. Changes nothing."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard.core import paths, ssh
from dockyard.core.docker_client import CONTEXT
from dockyard.engine.base import Endpoint, is_new_enough

WELL_KNOWN = (
    ("Docker Engine", "/var/run/docker.sock"),
    ("Docker Desktop", "~/.docker/run/docker.sock"),
    ("Docker Desktop for Linux", "~/.docker/desktop/docker.sock"),
    ("Colima", "~/.colima/default/docker.sock"),
    ("OrbStack", "~/.orbstack/run/docker.sock"),
    ("Rancher Desktop", "~/.rd/docker.sock"),
    ("rootless Docker", "$XDG_RUNTIME_DIR/docker.sock"),
    ("Podman", "$XDG_RUNTIME_DIR/podman/podman.sock"),
    ("Podman (root)", "/run/podman/podman.sock"),
)
"""Where installations put the daemon's socket, in the order in which they are asked."""


@dataclass(frozen=True)
class Candidate:
    """An endpoint where a daemon might listen, and the result of asking it.

    verdict is one of ``answers``, ``absent`` (no socket), ``refused`` (a socket without a
    daemon), ``permission``, ``too-old`` and ``error``.
    """

    source: str
    endpoint: Endpoint
    verdict: str
    detail: str = ""


def candidates() -> Iterator[Candidate]:
    """Probe every known endpoint, best first: DOCKER_HOST, the current context, known sockets."""
    seen: set[str] = set()
    for source, endpoint in _places():
        if endpoint.address in seen or _is_ours(endpoint.address):
            continue
        seen.add(endpoint.address)
        yield probe(source, endpoint)


def _places() -> Iterator[tuple[str, Endpoint]]:
    if host := os.environ.get("DOCKER_HOST"):
        yield "DOCKER_HOST", _from_host(host)
        return  # a learner who set it wants no other daemon
    context = _current_context()
    # A shell of this course, or of another home's, has the course's own context.
    if context is not None and context.name not in ("default", CONTEXT):
        yield f"context {context.name!r}", _from_context(context)
    for name, pattern in WELL_KNOWN:
        path = os.path.expandvars(os.path.expanduser(pattern))
        if "$" not in path:
            yield name, Endpoint(f"unix://{path}")


def _is_ours(address: str) -> bool:
    return address.startswith(f"unix://{paths.run_dir()}/")


def _from_host(host: str) -> Endpoint:
    certificates = os.environ.get("DOCKER_CERT_PATH", "")
    if host.startswith("tcp://") and os.environ.get("DOCKER_TLS_VERIFY"):
        folder = Path(certificates or "~/.docker").expanduser()
        return Endpoint(host, *(str(folder / f"{part}.pem") for part in ("ca", "cert", "key")))
    return Endpoint(host)


def _current_context():
    folder = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()
    # Docker's client, too, goes on without a file that it may not read.
    if not os.access(folder / "config.json", os.R_OK):
        return None
    from docker.context import ContextAPI
    from docker.errors import DockerException

    try:
        return ContextAPI.get_current_context()
    except (DockerException, OSError, ValueError):
        return None


def _from_context(context) -> Endpoint:
    host = context.Host or ""
    tls = context.TLSConfig
    if host.startswith("tcp://") and tls and tls.cert:
        return Endpoint(host, tls.ca_cert or "", *tls.cert)
    if host.startswith("unix://") or ssh.is_address(host):
        return Endpoint(host)
    return Endpoint(f"dial-stdio:{context.name}")


def probe(source: str, endpoint: Endpoint, timeout: float = 5) -> Candidate:
    """Ask one endpoint for its version. timeout is in seconds."""
    scheme, _, rest = endpoint.address.partition("://")
    if scheme == "unix" and (refusal := _refusal(Path(rest), timeout)):
        return Candidate(source, endpoint, *refusal)
    # Where no daemon can answer, nothing is imported: the SDK takes a tenth of a second.
    from dockyard.engine.sdk import UNREACHABLE

    try:
        found = _ask(endpoint, timeout, "version", "{{json .Server}}")
    except UNREACHABLE as error:
        return Candidate(source, endpoint, "error", str(error).splitlines()[0][:200])
    detail = f"{product(found)} {found['Version']}, API {found['ApiVersion']}"
    verdict = "answers" if is_new_enough(found["ApiVersion"]) else "too-old"
    return Candidate(source, endpoint, verdict, detail)


def _refusal(path: Path, timeout: float) -> tuple[str, str] | None:
    if not path.exists():
        return "absent", f"no socket {path}"
    try:
        with socket.socket(socket.AF_UNIX) as probe_socket:
            probe_socket.settimeout(timeout)
            probe_socket.connect(str(path))
    except PermissionError:
        return "permission", f"{path} may not be opened by this user"
    except OSError as error:
        return "refused", f"{path}: {error.strerror or error}"
    return None


def _ask(endpoint: Endpoint, timeout: float, what: str, template: str) -> dict[str, Any]:
    """The daemon's answer about what, ``version`` or ``info``; template is for docker's client."""
    if ssh.is_address(endpoint.address):
        return _by_ssh(endpoint, timeout, f"/{what}")
    if endpoint.address.startswith("dial-stdio:"):
        return _by_client(endpoint, timeout, what, template)
    from dockyard.engine import sdk

    with closing(sdk.client(endpoint, timeout)) as client:
        answer: dict[str, Any] = getattr(client, what)()
        return answer


def info(endpoint: Endpoint, timeout: float = 5) -> dict[str, Any]:
    """The daemon's answer to ``GET /info`` (Docker Engine API: SystemInfo); empty without one.

    timeout is in seconds.
    """
    from dockyard.engine import sdk

    try:
        return _ask(endpoint, timeout, "info", "{{json .}}")
    except sdk.UNREACHABLE:
        return {}


def images(endpoint: Endpoint, names: Iterable[str], timeout: float = 5) -> dict[str, str]:
    """The architecture of each of these images that a daemon has; empty if it does not answer."""
    if not endpoint.address.startswith(("unix://", "tcp://")):
        return {}
    from dockyard.engine import sdk

    found = {}
    try:
        with closing(sdk.client(endpoint, timeout)) as client:
            tags = {tag for image in client.api.images() for tag in image["RepoTags"] or ()}
            # Podman shows the whole name.
            short = {tag.removeprefix("docker.io/").removeprefix("library/") for tag in tags}
            for name in short.intersection(names):
                found[name] = client.api.inspect_image(name)["Architecture"]
    except sdk.UNREACHABLE:
        return found
    return found


def _by_ssh(endpoint: Endpoint, timeout: float, path: str) -> dict[str, Any]:
    # ssh alone may take seconds to sign in.
    status, body = ssh.get(endpoint.address, path, timeout * 2)
    if status != 200:
        raise OSError(body.get("message", f"status {status}"))
    found: dict[str, Any] = body
    return found


def _by_client(endpoint: Endpoint, timeout: float, command: str, form: str) -> dict[str, Any]:
    context = endpoint.address.removeprefix("dial-stdio:")
    try:
        done = subprocess.run(
            ["docker", "--context", context, command, "--format", form],
            capture_output=True,
            text=True,
            timeout=timeout * 2,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"no answer within {timeout * 2:g} s") from None
    if done.returncode != 0:
        raise OSError(done.stderr.strip() or f"docker failed with exit code {done.returncode}")
    return json.loads(done.stdout)


def product(version: dict[str, Any]) -> str:
    """``Docker`` or ``Podman``, from the daemon's answer to ``GET /version``."""
    parts = {part.get("Name", "") for part in version.get("Components") or []}
    return "Podman" if any("Podman" in part for part in parts) else "Docker"


def architecture() -> str:
    """This machine's architecture by Docker's name, such as amd64."""
    return docker_architecture(platform.machine())


def docker_architecture(machine: str) -> str:
    """Docker's name (GOARCH) of the architecture that uname calls x86_64 or aarch64."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
