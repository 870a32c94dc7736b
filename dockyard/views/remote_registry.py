"""A client for any registry: TLS, name and password, tokens."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import parse_dict_header

from dockyard.core.tls_context import trusting
from dockyard.exceptions import RegistryError
from dockyard.registry.api import Registry

TIMEOUT = 20
PAGE = 100
"""Repositories or tags per request."""

MOST = 2000
"""The most repositories or tags that are listed; a big registry has millions."""


class _Pinned(HTTPAdapter):
    """Trusts exactly one certificate, whatever its issuer and host name."""

    def __init__(self, certificate: str) -> None:
        self._context = trusting(cadata=certificate)
        self._context.check_hostname = False
        self._context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        options |= {"ssl_context": self._context, "assert_hostname": False}
        super().init_poolmanager(*arguments, **options)


class _Login(AuthBase):
    """Authenticates with name and password, or with a token if the registry asks for one.

    Such a registry refuses the first request and names its token service; each repository needs
    another token (Distribution: Token Authentication Specification).
    """

    def __init__(self, session: requests.Session, host: str, user: str, password: str) -> None:
        self._session, self._host = session, host
        self._own = HTTPBasicAuth(user, password) if user else None
        self._token = ""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        elif self._own:
            self._own(request)
        request.register_hook("response", self._answer_challenge)
        return request

    def _answer_challenge(self, answer: requests.Response, **options: Any) -> requests.Response:
        scheme, _, words = answer.headers.get("WWW-Authenticate", "").partition(" ")
        # Other hosts, such as the target of a redirect, must not get the password.
        here = urlsplit(answer.url).netloc == self._host
        if answer.status_code != 401 or scheme.lower() != "bearer" or not here:
            return answer
        self._token = self._fetch(parse_dict_header(words))
        answer.close()
        again = answer.request.copy()
        again.headers["Authorization"] = f"Bearer {self._token}"
        second = answer.connection.send(again, **options)
        second.history.append(answer)
        second.request = again
        return second

    def _fetch(self, challenge: dict[str, str]) -> str:
        service = challenge.get("realm", "")
        asked = {name: challenge[name] for name in ("service", "scope") if name in challenge}
        # Passwords are sent over TLS or loopback only.
        safe = service.startswith("https:") or _is_loopback(urlsplit(service).netloc)
        who = self._own if self._own and safe else _nobody
        try:
            answer = self._session.get(service, params=asked, auth=who, timeout=TIMEOUT)
            answer.raise_for_status()
            found = answer.json()
            return found.get("token") or found["access_token"]
        except (requests.RequestException, KeyError) as error:
            raise RegistryError(
                f"{self._host} wants a token, and its token service gave none.",
                f"{service}: {_short(error)}",
                "Say who asks:  views.registry_browser(ADDRESS, user=NAME, password=PASSWORD)",
            ) from None


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


@dataclass(frozen=True)
class RemoteRegistry(Registry):
    """A registry, and a session with its certificate and the credentials."""

    session: requests.Session = field(default_factory=requests.Session, repr=False)

    def repositories(self) -> list[str]:
        """The catalog (``GET /v2/_catalog``). Raises RegistryError."""
        return sorted(self._pages("/v2/_catalog", "repositories"))

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository (``GET /v2/NAME/tags/list``). Raises RegistryError."""
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
            said = "Authorization" in answer.request.headers
            what = "does not let you read this" if said else "wants to know who asks"
            raise RegistryError(
                f"{self.address} {what} (status {answer.status_code}).",
                answer.headers.get("WWW-Authenticate", ""),
                "Say it:  views.registry_browser(ADDRESS, user=NAME, password=PASSWORD)",
            )
        super()._check(answer)


def connect(
    address: str, *, user: str = "", password: str = "", certificate: str = ""
) -> RemoteRegistry:
    """Connect to the registry at HOST:PORT or at a URL.

    Like Docker, accepts any certificate of a loopback address (127.0.0.0/8), and plain HTTP there;
    all other registries need a valid certificate. certificate is the path of the registry's own
    certificate. Raises RegistryError if the registry does not answer.
    """
    session = requests.Session()
    host = (address.partition("://")[2] or address).rstrip("/")
    session.auth = _Login(session, host, user, password)
    loopback = _is_loopback(host)
    # A proxy from the environment cannot reach this computer's loopback.
    session.trust_env = not loopback
    if "://" in address:
        found = RemoteRegistry(address.rstrip("/"), session)
    elif loopback and not certificate:
        found = _nearby(host, session)
    else:
        found = RemoteRegistry(f"https://{host}", session)
    if certificate:
        if loopback:
            with open(certificate, encoding="ascii") as file:
                session.mount("https://", _Pinned(file.read()))
        else:
            session.verify = certificate
    found._check(found._ask("GET", f"{found.url}/v2/"))
    return found


def _nearby(host: str, session: requests.Session) -> RemoteRegistry:
    name, _, port = host.rpartition(":")
    try:
        shown = ssl.get_server_certificate((name, int(port)), timeout=TIMEOUT)
    except (OSError, ValueError):
        # No TLS, or no server at all: the first request will show.
        return RemoteRegistry(f"http://{host}", session)
    session.mount(f"https://{host}/", _Pinned(shown))
    return RemoteRegistry(f"https://{host}", session)


def _is_loopback(host: str) -> bool:
    name = host.partition("/")[0].rpartition(":")[0]
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:160]
