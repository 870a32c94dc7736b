"""Lab 05: registries."""

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
from dockyard.labs.look import Look
from dockyard.labs.verdict import Broken, NotYet
from dockyard.labs.wire import brief
from dockyard.registry.api import INDEXES, MANIFESTS

USER = "learner"


@dataclass(frozen=True)
class Answer:
    """What a registry said."""

    status: int
    digest: str
    text: str

    @property
    def document(self) -> dict:
        """The answer as data; empty when it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return {}


@dataclass(frozen=True)
class Address:
    """Where a registry is, and how to speak to it."""

    port: int
    certificate: str | None = None
    password: str | None = None

    def ask(self, path: str, patience: float = 3) -> Answer:
        """GET a path; a registry that has just been started is given patience seconds.

        Raises Broken when none answers, or not over TLS with that certificate.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._ask(path)
            except (OSError, http.client.HTTPException) as error:
                # A port is open before the registry is there: then the line only ends.
                final = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
                if final or time.monotonic() > deadline:
                    raise Broken(f"No registry answers at 127.0.0.1:{self.port}.") from None
            time.sleep(0.1)

    def _ask(self, path: str) -> Answer:
        headers = {"Accept": ", ".join(INDEXES + MANIFESTS)}
        if self.password:
            pair = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        if self.certificate:
            trust = trusting(cadata=self.certificate)
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=5, context=trust
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            return Answer(answer.status, answer.getheader("Docker-Content-Digest") or "", text)
        finally:
            connection.close()


def listed(look: Look) -> str:
    """The file holds the repository's name."""
    text = look.file("repositories.txt")
    missing = [name for name in _repositories(_shelf(look)) if name not in text]
    if missing:
        raise NotYet(f"repositories.txt does not mention {missing[0]}.")
    return f"repositories.txt has what the registry holds: {look['NEWS']}."


def addressed(look: Look) -> str:
    """Busybox has a name that leads to the registry."""
    names = _names(look.image("busybox:latest"), int(look["SHELFPORT"]), look["BOX"])
    if not any(name.endswith(":1") for name in names):
        raise NotYet("busybox has no such name" + (f", but {names[0]}." if names else "."))
    return f"busybox is called {names[0]}, too."


def digest(look: Look) -> str:
    """The file holds the digest of what the tag means in the registry."""
    text = look.file("digest.txt")
    if _digest(_shelf(look), look["NEWS"]) not in text:
        raise NotYet(f"digest.txt says {brief(text)!r}; that is not what tag 1 means there.")
    return f"digest.txt has the digest of {look['NEWS']}:1 in the colleague's registry."


def pushed(look: Look) -> str:
    """The registry answers, and holds the image."""
    registry = _running(look, look["HARBOUR"], int(look["PORT"]))
    _holds_card(look, registry)
    return f"The registry at 127.0.0.1:{registry.port} holds {look['CARD']} with the tag 1."


def pinned(look: Look) -> str:
    """The container's image is named by the digest that the registry knows."""
    container = look.container(look["PINNED"])
    name = container.attrs["Config"]["Image"]
    if "@sha256:" not in name:
        raise NotYet(
            f"{container.name} was made from {name[:60]!r}.",
            mistake="id-is-not-the-digest" if name.startswith("sha256:") else None,
        )
    registry = Address(int(look["PORT"]))
    if not name.endswith(_digest(registry, look["CARD"])):
        raise NotYet(f"{container.name} was made from another digest than the card's.")
    said = container.logs().decode(errors="replace")
    if look["TOKEN"] not in said:
        raise Broken(f"{container.name} has printed {brief(said)!r}.")
    return f"{container.name} was made by digest, and printed the card."


def fresh(look: Look) -> str:
    """The container has printed what the registry holds, not what was here."""
    container = look.container(look["READER"])
    said = container.logs().decode(errors="replace")
    if look["FRESH"] not in said:
        raise NotYet(
            f"{container.name} has printed {brief(said)!r}.",
            mistake="run-does-not-refresh" if "yesterday" in said else None,
        )
    return f"{container.name} has printed today's news: {look['FRESH']}."


def guarded(look: Look) -> str:
    """TLS with the certificate of the volume; nobody gets in without the password."""
    stranger = _running(look, look["SAFE"], int(look["SAFEPORT"]), look)
    try:
        status = stranger.ask("/v2/").status
    except Broken:
        _explain_no_tls(look)
    if status == 200:
        raise NotYet(
            f"{look['SAFE']} speaks TLS, and lets everybody in.", mistake="tls-is-no-password"
        )
    status = _inside(look).ask("/v2/").status
    if status != 200:
        raise NotYet(
            f"{look['SAFE']} speaks TLS and asks for a password, but refuses {USER} with "
            f"{look['PASSWORD']} (status {status}).",
            mistake=None if _is_bcrypt(look) else "password-not-bcrypt",
        )
    return f"{look['SAFE']} speaks TLS, and lets in {USER} and no stranger."


def delivered(look: Look) -> str:
    """The guarded registry holds the image."""
    look.running(look["SAFE"])
    try:
        _holds_card(look, _inside(look))
    except NotYet as found:
        if not found.mistake == "tag-sends-nothing" or _logged_in(look):
            raise
        raise NotYet(
            f"{found.saw} Nobody is logged in there.",
            mistake="not-logged-in",
        ) from None
    return f"The guarded registry holds {look['CARD']} with the tag 1."


def _shelf(look: Look) -> Address:
    look.running(look["SHELF"])
    return Address(int(look["SHELFPORT"]))


def _certificate(look: Look) -> str:
    return look.read_volume(look["KEYS"], "cert.pem") or ""


def _inside(look: Look) -> Address:
    return Address(int(look["SAFEPORT"]), _certificate(look), look["PASSWORD"])


def _running(look: Look, name: str, port: int, keys: Look | None = None) -> Address:
    container = look.running(name)
    look.must_publish(container, 5000, port)
    address = Address(port, _certificate(keys) if keys else None)
    if keys is None:
        address.ask("/v2/")
    return address


def _explain_no_tls(look: Look) -> None:
    status = Address(int(look["SAFEPORT"])).ask("/v2/").status
    if status == 401:
        raise NotYet(
            f"{look['SAFE']} asks for the password over plain HTTP.",
            mistake="password-in-the-clear",
        )
    if status == 200:
        raise NotYet(f"{look['SAFE']} speaks plain HTTP, and lets everybody in.")
    raise NotYet(f"{look['SAFE']} speaks TLS, but not with the certificate of {look['KEYS']}.")


def _is_bcrypt(look: Look) -> bool:
    container = look.container(look["SAFE"])
    settings = dict(each.partition("=")[::2] for each in container.attrs["Config"].get("Env") or [])
    path = settings.get("REGISTRY_AUTH_HTPASSWD_PATH", "")
    written = look.read(container, path) if path else None
    return written is None or ":$2" in written


def _repositories(registry: Address) -> list[str]:
    return registry.ask("/v2/_catalog").document.get("repositories") or []


def _digest(registry: Address, repository: str) -> str:
    digest = registry.ask(f"/v2/{repository}/manifests/1").digest
    if not digest:
        raise NotYet(f"The registry at 127.0.0.1:{registry.port} has no {repository}:1.")
    return digest


def _names(image: Image, port: int, repository: str) -> list[str]:
    hosts = ("127.0.0.1", "localhost")
    stems = tuple(f"{host}:{port}/{repository}:" for host in hosts)
    return [name for name in image.tags if name.startswith(stems)]


def _holds_card(look: Look, registry: Address) -> None:
    card, where = look["CARD"], f"127.0.0.1:{registry.port}"
    image = look.image(f"{card}:1")
    tags = registry.ask(f"/v2/{card}/tags/list").document.get("tags") or []
    if not tags:
        _explain_absence(look, image, registry)
    if "1" not in tags:
        raise NotYet(
            f"The registry at {where} has {card} with the tag {', '.join(tags)}.",
            mistake="tag-left-out" if tags == ["latest"] else None,
        )
    layers = _layers(registry, card, "1")
    if layers != look.layers(f"{card}:1"):
        raise NotYet(f"What the registry at {where} has as {card}:1 is another image.")


def _explain_absence(look: Look, image: Image, registry: Address) -> None:
    card, where = look["CARD"], f"127.0.0.1:{registry.port}"
    saw = f"The registry at {where} has no repository {card}."
    if _names(image, registry.port, card):
        raise NotYet(
            f"{saw} Here the image has a name that leads there.", mistake="tag-sends-nothing"
        )
    for name in (look["HARBOUR"], look["SAFE"]):
        if any(each.startswith((f"{name}/", f"{name}:")) for each in image.tags):
            raise NotYet(
                f"{saw} The image is called {name}/… here.", mistake="container-name-for-address"
            )
    raise NotYet(saw)


def _layers(registry: Address, repository: str, reference: str) -> list[str]:
    manifest = registry.ask(f"/v2/{repository}/manifests/{reference}").document
    if children := manifest.get("manifests"):
        return _layers(registry, repository, children[0]["digest"])
    # A manifest of a kind that nobody asked for has none.
    config_digest = manifest.get("config", {}).get("digest")
    config = registry.ask(f"/v2/{repository}/blobs/{config_digest}").document
    return config.get("rootfs", {}).get("diff_ids", [])


def _logged_in(look: Look) -> bool:
    written = paths.docker_config(look.attempt.lesson) / "config.json"
    try:
        known = json.loads(written.read_text()).get("auths") or {}
    except (OSError, ValueError):
        return True
    return any(name.endswith(f":{look['SAFEPORT']}") for name in known)
