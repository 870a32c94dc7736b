"""Any registry by its address, with TLS, name and password, for the registry browser."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter

from dockyard.exceptions import RegistryError
from dockyard.registry.api import Registry

TIMEOUT = 20
PAGE = 100
"""Repositories or tags that are asked for at a time."""

MOST = 2000
"""Repositories or tags that are listed; the catalogue of a big registry has millions."""


class _Pinned(HTTPAdapter):
    """Trusts one certificate, whoever has signed it and whatever it is called."""

    def __init__(self, certificate: str) -> None:
        self._context = ssl.create_default_context(cadata=certificate)
        self._context.check_hostname = False
        self._context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        super().__init__()

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        super().init_poolmanager(
            *arguments, **options, ssl_context=self._context, assert_hostname=False
        )


@dataclass(frozen=True)
class Source(Registry):
    """A registry to be read, with a session that knows its certificate and who asks."""

    session: requests.Session = field(default_factory=requests.Session, repr=False)

    def repositories(self) -> list[str]:
        """The catalogue. Similar to ``GET /v2/_catalog``. Raises RegistryError."""
        return sorted(self._pages("/v2/_catalog", "repositories"))

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository. Similar to ``GET /v2/NAME/tags/list``."""
        return sorted(self._pages(f"/v2/{repository}/tags/list", "tags"))

    def _pages(self, path: str, what: str) -> Iterator[str]:
        address: str | None = f"{self.url}{path}?n={PAGE}"
        count = 0
        while address and count < MOST:
            answer = self._ask("GET", address)
            if answer.status_code == 404:
                return
            self._check(answer)
            found = answer.json().get(what) or []
            yield from found
            count += len(found)
            following = answer.links.get("next", {}).get("url")
            address = urljoin(self.url, following) if following else None

    def _ask(self, method: str, address: str, **options) -> requests.Response:
        try:
            return self.session.request(method, address, timeout=TIMEOUT, **options)
        except requests.exceptions.SSLError as error:
            raise RegistryError(
                f"The certificate of {self.address} cannot be checked.",
                _short(error),
                "Name the file with its certificate:  "
                "views.registry_browser(ADDRESS, certificate=FILE)",
            ) from None
        except requests.RequestException as error:
            raise RegistryError(
                f"No registry answers at {self.address}.",
                _short(error),
                "Compare the address with the one that the registry is published at:  "
                "docker port NAME",
            ) from None

    def _check(self, answer: requests.Response) -> None:
        if answer.status_code in (401, 403):
            raise RegistryError(
                f"{self.address} wants to know who asks (status {answer.status_code}).",
                answer.headers.get("WWW-Authenticate", ""),
                "Say it:  views.registry_browser(ADDRESS, user=NAME, password=PASSWORD)",
            )
        super()._check(answer)


def source(address: str, *, user: str = "", password: str = "", certificate: str = "") -> Source:
    """The registry at HOST:PORT, or at a whole URL.

    As Docker does, an address of this very computer (127.0.0.0/8) is asked over TLS without
    doubting its certificate, and without TLS if it has none; any other must prove its name.
    certificate is a file. Raises RegistryError when nobody answers.
    """
    session = requests.Session()
    if user:
        session.auth = (user, password)
    host = address.partition("://")[2] or address
    loopback = _is_loopback(host)
    # A proxy of the environment could not reach a registry on this computer.
    session.trust_env = not loopback
    if "://" in address:
        found = Source(address.rstrip("/"), session)
    elif loopback and not certificate:
        found = _nearby(host, session)
    else:
        found = Source(f"https://{host}", session)
    if certificate:
        if loopback:
            with open(certificate, encoding="ascii") as file:
                session.mount("https://", _Pinned(file.read()))
        else:
            session.verify = certificate
    found._check(found._ask("GET", f"{found.url}/v2/"))
    return found


def _nearby(host: str, session: requests.Session) -> Source:
    name, _, port = host.rpartition(":")
    try:
        shown = ssl.get_server_certificate((name, int(port)), timeout=TIMEOUT)
    except (OSError, ValueError):
        # It speaks no TLS, or nobody is there: the first request will tell.
        return Source(f"http://{host}", session)
    session.mount("https://", _Pinned(shown))
    return Source(f"https://{host}", session)


def _is_loopback(host: str) -> bool:
    name = host.partition("/")[0].rpartition(":")[0]
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:160]
