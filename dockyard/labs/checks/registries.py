"""Lab 08: registries."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
from dataclasses import dataclass

from docker.models.images import Image

from dockyard.core import paths
from dockyard.core.tls_context import trusting
from dockyard.labs import loopback_http
from dockyard.labs.loopback_http import Answer
from dockyard.labs.probe import Probe, given_up
from dockyard.labs.verdict import Broken, NotYet, brief
from dockyard.registry.api import INDEXES, MANIFESTS

USER = "learner"


@dataclass(frozen=True)
class Address:
    """Where a registry listens, and what it needs to answer."""

    port: int
    certificate: str | None = None
    password: str | None = None

    def ask(self, path: str, patience: float = 3) -> Answer:
        """GET a path. Tries again for patience seconds while the registry is starting.

        They are more on a busy computer. Raises Broken when it does not answer, or not over TLS
        with this certificate.
        """
        headers = {"Accept": ", ".join(INDEXES + MANIFESTS)}
        if self.password:
            pair = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        began = time.monotonic()
        while True:
            try:
                trust = trusting(cadata=self.certificate) if self.certificate else None
                return loopback_http.get(self.port, path, trust, headers)
            except (OSError, http.client.HTTPException) as error:
                # Docker opens the port before the registry does: then the connection just closes.
                final = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
                if final or given_up(began, patience, error):
                    raise Broken(f"No registry answers at 127.0.0.1:{self.port}.") from None
            time.sleep(0.1)


def listed(probe: Probe) -> str:
    """The file holds the repository's name."""
    repositories = _repositories(_shelf(probe))
    text = probe.file("repositories.txt")
    missing = [name for name in repositories if name not in text]
    if missing:
        raise NotYet(f"repositories.txt does not mention {missing[0]}.")
    return f"repositories.txt has what the registry holds: {probe['NEWS']}."


def addressed(probe: Probe) -> str:
    """The busybox image has a name with the registry's address."""
    names = _names(probe.image("busybox:latest"), int(probe["SHELFPORT"]), probe["BOX"])
    if not any(name.endswith(":1") for name in names):
        raise NotYet("busybox has no such name" + (f", but {names[0]}." if names else "."))
    return f"busybox is called {names[0]}, too."


def digest(probe: Probe) -> str:
    """The file holds the digest of the tag in the registry."""
    text = probe.file("digest.txt")
    if _digest(_shelf(probe), probe["NEWS"]) not in text:
        raise NotYet(f"digest.txt says {brief(text)!r}; that is not what tag 1 means there.")
    return f"digest.txt has the digest of {probe['NEWS']}:1 in the colleague's registry."


def pushed(probe: Probe) -> str:
    """The registry answers, and holds the image."""
    registry = _running(probe, probe["HARBOUR"], int(probe["PORT"]))
    _holds_card(probe, registry)
    return f"The registry at 127.0.0.1:{registry.port} holds {probe['CARD']} with the tag 1."


def pinned(probe: Probe) -> str:
    """The container's image is named by the digest that the registry knows."""
    container = probe.ended(probe["PINNED"])
    name = container.attrs["Config"]["Image"]
    if "@sha256:" not in name:
        raise NotYet(
            f"{container.name} was made from {name[:60]!r}.",
            mistake="id-is-not-the-digest" if name.startswith("sha256:") else None,
        )
    registry = Address(int(probe["PORT"]))
    if not name.endswith(_digest(registry, probe["CARD"])):
        raise NotYet(f"{container.name} was made from another digest than the card's.")
    said = probe.log(container)
    if probe["TOKEN"] not in said:
        raise Broken(f"{container.name} has printed {brief(said)!r}.")
    return f"{container.name} was made by digest, and printed the card."


def fresh(probe: Probe) -> str:
    """The container has printed the registry's version, not the older local one."""
    container = probe.ended(probe["READER"])
    said = probe.log(container)
    if "yesterday" in said and probe["FRESH"] not in said:
        raise NotYet(
            f"{container.name} has printed {brief(said)!r}.", mistake="run-does-not-refresh"
        )
    if probe.layers(container.attrs["Image"]) != layers(_shelf(probe), probe["NEWS"], "1"):
        raise NotYet(
            f"{container.name} was not made from what the colleague's registry has as "
            f"{probe['NEWS']}:1."
        )
    if probe["FRESH"] not in said:
        raise NotYet(f"{container.name} has printed {brief(said)!r}.")
    return f"{container.name} has printed today's news: {probe['FRESH']}."


def guarded(probe: Probe) -> str:
    """The registry uses the volume's certificate and requires the password."""
    must_be_guarded(probe, probe["SAFE"], int(probe["SAFEPORT"]))
    return f"{probe['SAFE']} speaks TLS, and lets in {USER} and no stranger."


def must_be_guarded(probe: Probe, name: str, port: int) -> None:
    """Raise NotYet unless a registry speaks TLS and lets in the one user; tries it as both.

    Its certificate is in the volume ``$KEYS``, the user's password is ``$PASSWORD``.
    """
    stranger = _running(probe, name, port, probe)
    try:
        status = stranger.ask("/v2/").status
    except Broken:
        _explain_no_tls(probe, name, port)
    if status == 200:
        raise NotYet(f"{name} speaks TLS, and lets everybody in.", mistake="tls-is-no-password")
    status = inside(probe, port).ask("/v2/").status
    if status != 200:
        raise NotYet(
            f"{name} speaks TLS and asks for a password, but refuses {USER} with "
            f"{probe['PASSWORD']} (status {status}).",
            mistake=None if _is_bcrypt(probe, name) else "password-not-bcrypt",
        )


def delivered(probe: Probe) -> str:
    """The guarded registry holds the image."""
    probe.running(probe["SAFE"])
    try:
        _holds_card(probe, inside(probe, int(probe["SAFEPORT"])))
    except NotYet as found:
        if not found.mistake == "tag-sends-nothing" or logged_in(probe, int(probe["SAFEPORT"])):
            raise
        raise NotYet(
            f"{found.saw} Nobody is logged in there.",
            mistake="not-logged-in",
        ) from None
    return f"The guarded registry holds {probe['CARD']} with the tag 1."


def _shelf(probe: Probe) -> Address:
    probe.running(probe["SHELF"])
    return Address(int(probe["SHELFPORT"]))


def _certificate(probe: Probe) -> str:
    return probe.read_volume(probe["KEYS"], "cert.pem") or ""


def inside(probe: Probe, port: int) -> Address:
    """A guarded registry as its user sees it, with the certificate of the volume ``$KEYS``."""
    return Address(port, _certificate(probe), probe["PASSWORD"])


def _running(probe: Probe, name: str, port: int, keys: Probe | None = None) -> Address:
    container = probe.serving(name, port, 5000)
    probe.must_be_from(container, "registry:2")
    probe.must_lead(container, port, 5000)
    address = Address(port, _certificate(keys) if keys else None)
    if keys is None:
        probe.reach(container, port, 5000, "/v2/")
    return address


def _explain_no_tls(probe: Probe, name: str, port: int) -> None:
    status = Address(port).ask("/v2/").status
    if status == 401:
        raise NotYet(
            f"{name} asks for the password over plain HTTP.", mistake="password-in-the-clear"
        )
    if status == 200:
        raise NotYet(f"{name} speaks plain HTTP, and lets everybody in.")
    raise NotYet(f"{name} speaks TLS, but not with the certificate of {probe['KEYS']}.")


def _is_bcrypt(probe: Probe, name: str) -> bool:
    container = probe.container(name)
    settings = probe.variables(container)
    path = settings.get("REGISTRY_AUTH_HTPASSWD_PATH", "")
    written = probe.read(container, path) if path else None
    return written is None or ":$2" in written


def _repositories(registry: Address) -> list[str]:
    return registry.ask("/v2/_catalog").document().get("repositories") or []


def _digest(registry: Address, repository: str) -> str:
    digest = registry.ask(f"/v2/{repository}/manifests/1").headers.get("Docker-Content-Digest")
    if not digest:
        raise NotYet(f"The registry at 127.0.0.1:{registry.port} has no {repository}:1.")
    return digest


def _names(image: Image, port: int, repository: str) -> list[str]:
    hosts = ("127.0.0.1", "localhost")
    stems = tuple(f"{host}:{port}/{repository}:" for host in hosts)
    return [name for name in image.tags if name.startswith(stems)]


def _holds_card(probe: Probe, registry: Address) -> None:
    card, where = probe["CARD"], f"127.0.0.1:{registry.port}"
    image = probe.image(f"{card}:1")
    tags = registry.ask(f"/v2/{card}/tags/list").document().get("tags") or []
    if not tags:
        _explain_absence(probe, image, registry)
    if "1" not in tags:
        raise NotYet(
            f"The registry at {where} has {card} with the tag {', '.join(tags)}.",
            mistake="tag-left-out" if tags == ["latest"] else None,
        )
    if layers(registry, card, "1") != probe.layers(f"{card}:1"):
        raise NotYet(f"What the registry at {where} has as {card}:1 is another image.")


def _explain_absence(probe: Probe, image: Image, registry: Address) -> None:
    card, where = probe["CARD"], f"127.0.0.1:{registry.port}"
    saw = f"The registry at {where} has no repository {card}."
    if _names(image, registry.port, card):
        raise NotYet(
            f"{saw} Here the image has a name that leads there.", mistake="tag-sends-nothing"
        )
    for name in (probe["HARBOUR"], probe["SAFE"]):
        if any(each.startswith((f"{name}/", f"{name}:")) for each in image.tags):
            raise NotYet(
                f"{saw} The image is called {name}/… here.", mistake="container-name-for-address"
            )
    raise NotYet(saw)


def layers(registry: Address, repository: str, reference: str) -> list[str]:
    """The digests of the layers of an image in a registry, unpacked, the lowest first."""
    manifest = registry.ask(f"/v2/{repository}/manifests/{reference}").document()
    if children := manifest.get("manifests"):
        return layers(registry, repository, children[0]["digest"])
    # Other kinds of manifests have no config.
    config_digest = manifest.get("config", {}).get("digest")
    config = registry.ask(f"/v2/{repository}/blobs/{config_digest}").document()
    return config.get("rootfs", {}).get("diff_ids", [])


def logged_in(probe: Probe, port: int) -> bool:
    """Whether the learner's client knows a password for the registry at a port, or may know one."""
    written = paths.docker_config(probe.attempt.lesson) / "config.json"
    try:
        known = json.loads(written.read_text()).get("auths") or {}
    except (OSError, ValueError):
        return True
    return any(name.endswith(f":{port}") for name in known)
